"""Work in a process of its own: its result, its errors, its log, and its end."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import anyio
import psutil
import pytest

from mcp_gateway.catalog.store import Catalog
from mcp_gateway.elsewhere import NICER, EndedEarly, elsewhere
from mcp_gateway.errors import NotFound
from mcp_gateway.tests.catalogues import opened, record

pytestmark = pytest.mark.anyio

WAITS_FOR_WORK = """
import sys, anyio
from functools import partial
from pathlib import Path
from mcp_gateway.elsewhere import elsewhere
from mcp_gateway.tests.test_elsewhere import never_end
anyio.run(elsewhere, partial(never_end, Path(sys.argv[1])))
"""


async def add(one: int, other: int) -> tuple[int, int]:
    """Also says which process did it."""
    sys.stdout.write("printed by the work\n")
    logging.getLogger("some.work").warning("working", extra={"titles": one})
    return one + other, os.getpid()


async def fail() -> None:
    """Raise what carries more than a message."""
    raise ValueError("no such thing")


async def fail_with_what_cannot_be_pickled() -> None:
    """Raise an error whose class takes other arguments than it keeps."""
    raise NotFound("title", "tt1")


async def fail_and_log() -> None:
    """Log an error, with where it was raised."""
    try:
        await fail()
    except ValueError:
        logging.getLogger("some.work").exception("it failed")


async def be_killed() -> None:
    """End as when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


async def never_end(folder: Path) -> None:
    """Say which process this is, and hang without giving the event loop a chance."""
    (folder / "draft").write_text(str(os.getpid()))
    (folder / "draft").rename(folder / "pid")
    while True:
        signal.pause()


async def niceness() -> int:
    """How much it gives way."""
    return os.nice(0)


async def process_in(folder: Path) -> psutil.Process:
    """The process that `never_end` runs in, once it does."""
    with anyio.fail_after(30):
        while not (folder / "pid").exists():  # noqa: ASYNC110 - another process sets no event
            await anyio.sleep(0.01)
    return psutil.Process(int((folder / "pid").read_text()))


async def ended(process: psutil.Process) -> None:
    """Wait until it is gone."""
    with anyio.fail_after(30):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110 - as above
            await anyio.sleep(0.01)


async def test_work_is_done_in_another_process_and_what_it_logs_is_logged_here(
    caplog: pytest.LogCaptureFixture,
) -> None:
    total, process = await elsewhere(partial(add, 2, 3))

    assert total == 5
    assert process != os.getpid()
    assert [(record.name, record.message, record.__dict__["titles"]) for record in caplog.records] == [
        ("some.work", "working", 2)
    ]


async def test_what_the_work_raises_is_raised_here_with_a_note_of_where() -> None:
    with pytest.raises(ValueError, match="no such thing") as raised:
        await elsewhere(fail)

    assert "in fail" in raised.value.__notes__[0]


async def test_an_error_that_cannot_be_sent_is_told_by_its_words() -> None:
    with pytest.raises(RuntimeError, match=r"NotFound.*tt1"):
        await elsewhere(fail_with_what_cannot_be_pickled)


async def test_an_error_that_the_work_logs_is_logged_here_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    await elsewhere(fail_and_log)

    (record,) = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


async def test_a_process_that_is_killed_has_ended_early() -> None:
    with pytest.raises(EndedEarly):
        await elsewhere(be_killed)


async def test_the_process_gives_way_to_others() -> None:
    assert await elsewhere(niceness) == os.nice(0) + NICER


async def test_cancelling_kills_the_process(tmp_path: Path) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(elsewhere, partial(never_end, tmp_path))
        process = await process_in(tmp_path)
        tasks.cancel_scope.cancel()

    await ended(process)


async def test_the_process_ends_when_the_one_that_waits_is_killed(tmp_path: Path) -> None:
    waiting = subprocess.Popen([sys.executable, "-c", WAITS_FOR_WORK, str(tmp_path)])  # noqa: ASYNC220 - starts at once
    process = await process_in(tmp_path)

    waiting.kill()
    waiting.wait()

    await ended(process)


async def count_titles(catalog: Catalog, kind: str) -> int:
    """Of the catalogue as another process opens it."""
    return (await catalog.counts())[kind]


async def test_the_other_process_has_the_same_catalogue(database_url: str) -> None:
    async with opened(database_url) as (_, catalog):
        await catalog.import_records([record("a"), record("b")])

        assert await catalog.elsewhere(partial(count_titles, kind="movie")) == 2
