"""An import that is killed at any moment, and run again, ends like one that was not."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread
from sqlalchemy import text

from mcp_gateway.tests.catalogues import opened, rows_of
from mcp_gateway_ingestion import plugin
from mcp_gateway_ingestion.tests.conftest import title
from mcp_gateway_ingestion.tests.synthetic_imdb import write as write_dump

pytestmark = pytest.mark.anyio

LINES = 1500
BATCH_LINES = 100
KILLS = 6
SECONDS = 60

Write = Callable[..., Path]


def lines() -> Iterator[Any]:
    """Titles that share people, external ids and names, and now and then a bad line."""
    luck = random.Random(7)  # noqa: S311 - no secret
    for number in range(LINES):
        yield title(
            f"t{number}",
            title=f"Film {luck.randrange(400)}",
            year=1990 + luck.randrange(5),
            cast=[{"name": f"Person {luck.randrange(300)}"} for _ in range(8)],
            external_ids={"justwatch": f"tm{luck.randrange(LINES)}"},
            overview="x" * luck.randrange(2000),
        )
        if luck.random() < 0.02:
            yield title(f"bad{number}", year=None)


@contextmanager
def importing(url: str, path: Path, source: str = "jsonl") -> Iterator[subprocess.Popen[str]]:
    command = [
        sys.executable,
        "-m",
        "mcp_gateway_ingestion.tests.ingest_process",
        url,
        source,
        str(path),
        str(BATCH_LINES),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": ":".join(sys.path)}
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run_and_kill(url: str, path: Path, after_batches: int, pause_seconds: float, source: str = "jsonl") -> None:
    """Kill an import some while after one of its batches; the pause spreads the kills over the work on a batch."""
    with importing(url, path, source) as process:
        assert process.stdout
        for _ in range(after_batches):
            assert process.stdout.readline().strip() not in {"", "done"}
        time.sleep(pause_seconds)


def run_to_the_end(url: str, path: Path, source: str = "jsonl") -> None:
    with importing(url, path, source) as process:
        output, _ = process.communicate(timeout=SECONDS)
        assert output.split()[-1] == "done"


async def contents(url: str) -> Any:
    async with opened(url, ingestion=plugin.register_migrations()) as (db, _), db.reading() as conn:
        rejected = "SELECT file, line_number, reason, raw FROM ingestion_rejected_records ORDER BY line_number"
        events = "SELECT event_id, data FROM outbox ORDER BY id"
        return [
            await rows_of(db),
            [tuple(row) for row in await conn.execute(text(rejected))],
            [tuple(row) for row in await conn.execute(text(events))],
        ]


async def test_killed_at_any_moment_and_run_again_ends_with_the_same_catalogue(
    database_url: str, write: Write, tmp_path: Path
) -> None:
    path = write(lines(), "titles.jsonl.gz")
    undisturbed = f"sqlite:///{tmp_path / 'undisturbed.sqlite3'}"
    luck = random.Random()  # noqa: S311 - no secret

    with anyio.fail_after(SECONDS):
        await to_thread.run_sync(run_to_the_end, undisturbed, path)
        for kill in range(KILLS):
            await to_thread.run_sync(run_and_kill, database_url, path, luck.randrange(1, 3) + kill, luck.random() / 10)
        await to_thread.run_sync(run_to_the_end, database_url, path)

    assert await contents(database_url) == await contents(undisturbed)


async def test_a_dump_of_imdb_whose_import_is_killed_and_run_again_ends_with_the_same_catalogue(
    database_url: str, tmp_path: Path
) -> None:
    """All seven files. A kill may fall on the films or on the episodes, whose series came before them."""
    dump = tmp_path / "imdb"
    write_dump(dump, titles=LINES)
    undisturbed = f"sqlite:///{tmp_path / 'undisturbed.sqlite3'}"
    luck = random.Random()  # noqa: S311 - no secret

    with anyio.fail_after(SECONDS):
        await to_thread.run_sync(run_to_the_end, undisturbed, dump, "imdb")
        for kill in range(3):
            pause = luck.random() / 10
            await to_thread.run_sync(run_and_kill, database_url, dump, luck.randrange(1, 4) + 4 * kill, pause, "imdb")
        await to_thread.run_sync(run_to_the_end, database_url, dump, "imdb")

    ended = await contents(database_url)
    assert len(ended[0]["titles"]) == LINES
    assert ended == await contents(undisturbed)


async def test_an_import_runs_beside_a_server_that_writes(sqlite_url: str, write: Write) -> None:
    """Both are writers of one SQLite file; each waits for the other, and neither fails."""
    path = write(lines(), "titles.jsonl")
    branches = {"ingestion": plugin.register_migrations()}

    async with opened(sqlite_url, **branches) as (db, catalog):
        async with db.transaction() as tx:
            await tx.execute(text("CREATE TABLE notes (id INTEGER PRIMARY KEY)"))
        with anyio.fail_after(SECONDS), importing(sqlite_url, path) as process:
            written = 0
            while process.poll() is None:
                async with db.transaction() as tx:
                    await tx.execute(text("INSERT INTO notes DEFAULT VALUES"))
                written += 1
                await catalog.counts()
        async with db.reading() as conn:
            assert (await conn.execute(text("SELECT count(*) FROM notes"))).scalar_one() == written

        assert process.returncode == 0
        assert (await catalog.counts())["movie"] == LINES
