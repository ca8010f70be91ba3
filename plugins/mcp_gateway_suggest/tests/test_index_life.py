"""The index's life: built, opened, kept up to date, rebuilt when it must be, shared by several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from mcp_gateway.background import BackgroundJobs
from mcp_gateway.catalog.events import TitleChanged
from mcp_gateway.catalog.models import TitleId
from mcp_gateway.catalog.store import Catalog
from mcp_gateway.clock import SystemClock
from mcp_gateway_suggest import keeper as keeping
from mcp_gateway_suggest.index import SuggestIndex
from mcp_gateway_suggest.index_folder import IndexFolder, Manifest
from mcp_gateway_suggest.segment import Segment
from mcp_gateway_suggest.segment_file import BadSegment
from mcp_gateway_suggest.tests.world import FILMS, World, draft, index_of, open_world, title

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[3]
PROCESS = """
import sys
from pathlib import Path
import anyio
from mcp_gateway_suggest.tests import processes
anyio.run(getattr(processes, sys.argv[1]), Path(sys.argv[2]))
"""


def start(name: str, folder: Path) -> subprocess.Popen[str]:
    """Run a function of `processes.py` in another process."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"}
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, name, str(folder)], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def ask(process: subprocess.Popen[str], line: str | None = None) -> str:
    """Say a line to it, and hear its next one."""
    assert process.stdin is not None
    assert process.stdout is not None
    if line is not None:
        process.stdin.write(line + "\n")
        process.stdin.flush()
    return process.stdout.readline().strip()


@asynccontextmanager
async def running(world: World) -> AsyncIterator[None]:
    """The keeper at work."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.keeper.run)
        yield
        tasks.cancel_scope.cancel()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    with anyio.fail_after(60):
        while not condition():  # noqa: ASYNC110 - what another process does sets no event
            await anyio.sleep(0.005)


def segments(world: World) -> list[Path]:
    """The files of segments."""
    return sorted(world.index.folder.path.glob("*.segment"))


async def test_a_changed_title_is_found_by_its_new_name_only(tmp_path: Path) -> None:
    async with open_world(tmp_path, FILMS) as world:
        await world.put(title("tt02", "Renamed Thing", 2010))

        assert world.ids("renam") == ["tt02"]
        assert "tt02" not in world.ids("knight a")


async def test_a_change_is_taken_in_without_waiting_for_the_next_look(tmp_path: Path) -> None:
    async with open_world(tmp_path, FILMS) as world:
        patient = keeping.IndexKeeper(world.catalog, world.index, SystemClock(), poll_seconds=60)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(patient.run)
            await patient.wait(20)
            await world.catalog.import_records([title("new", "Entirely New")])
            await patient.title_changed(
                TitleChanged(title_id=TitleId("new"), kind="movie", change="created", revision=2)
            )
            await until(lambda: world.ids("entirely") == ["new"])
            tasks.cancel_scope.cancel()


async def test_titles_of_which_nothing_changed_that_matters_make_no_work(tmp_path: Path) -> None:
    async with open_world(tmp_path, FILMS) as world:
        before = segments(world)

        await world.put(
            title(
                "tt02",
                "Knight and Day",
                2010,
                popularity=82,
                genres=["Comedy"],
                people=["Tom Cruise"],
                overview="Spies.",
            )
        )

        assert segments(world) == before
        assert world.index.manifest is not None
        assert world.index.manifest.revision == 2


async def test_many_small_changes_become_one_segment(tmp_path: Path) -> None:
    async with open_world(tmp_path, FILMS) as world:
        for number in range(12):
            await world.put(title(f"n{number}", f"Novelty {number}"))
            assert len(segments(world)) <= keeping.MAX_SEGMENTS

        assert set(world.ids("novelty", 20)) == {f"n{number}" for number in range(12)}


async def test_too_many_changes_are_built_anew_and_those_made_meanwhile_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MAX_ADDED_TITLES", 5)
    async with open_world(tmp_path, FILMS) as world:
        async with running(world):
            for number in range(30):
                await world.catalog.import_records([title(f"n{number}", f"Novelty {number}")])
            await until(lambda: len(set(world.ids("novelty", 20))) == 20 and world.ids("novelty 29") == ["n29"])

        assert await world.keeper.catch_up()
        assert world.ids("dark k")[0] == "tt01"


async def test_while_a_big_catalogue_is_built_for_the_first_time_part_of_it_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "FIRST_TITLES", 5)
    monkeypatch.setattr(keeping, "BATCH_TITLES", 5)
    monkeypatch.setattr(keeping, "MAX_ADDED_TITLES", 5)
    seen: list[list[str]] = []

    async def rebuilt(self: keeping.IndexKeeper) -> Manifest:
        seen.append([item.id for item in self._index.suggest("dark k", 5)])
        return await original(self)

    original = keeping.IndexKeeper._rebuilt
    monkeypatch.setattr(keeping.IndexKeeper, "_rebuilt", rebuilt)
    async with open_world(tmp_path, FILMS) as world:
        assert seen == [["tt01"]]
        assert world.ids("lord of") == ["tt17"]


async def test_when_the_process_that_builds_is_killed_the_old_index_serves_until_another_has_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MAX_ADDED_TITLES", 5)
    async with open_world(tmp_path, FILMS) as world, BackgroundJobs(SystemClock()) as jobs:
        await world.catalog.import_records([title(f"n{number}", f"Novelty {number}") for number in range(30)])
        with monkeypatch.context() as patch:
            patch.setattr(world.catalog, "elsewhere", partial(killed, world.catalog))
            jobs.for_plugin("suggest").start(world.keeper.run, name="index")
            await until(lambda: bool(jobs.health()[0].failures))

            assert (jobs.health()[0].state, jobs.health()[0].last_error) == ("retrying", "EndedEarly")
            assert world.ids("dark k")[0] == "tt01"
            assert (await world.keeper.health())["index"] == "behind"

        await until(lambda: world.ids("novelty 29") == ["n29"])
        assert (await world.keeper.health())["index"] == "up to date"


async def killed(catalog: Catalog, _: object) -> None:
    """Work in another process that is killed at once."""
    await Catalog.elsewhere(catalog, kill_itself)


async def kill_itself(_: Catalog) -> None:
    """End as when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


async def test_an_emptied_catalogue_is_another_one(tmp_path: Path) -> None:
    async with open_world(tmp_path, FILMS) as world:
        assert await world.catalog.make_way("test")
        assert await world.keeper.catch_up()

        assert world.ids("dark k") == []


async def test_an_index_that_is_there_is_opened_and_not_built(tmp_path: Path) -> None:
    async with open_world(tmp_path, FILMS) as world:
        before = segments(world)
    async with open_world(tmp_path) as world:
        assert segments(world) == before
        assert world.ids("dark k")[0] == "tt01"


@pytest.mark.parametrize(
    "damage", ["truncated", "emptied", "overwritten", "another format", "one byte", "no manifest", "bad manifest"]
)
async def test_a_damaged_index_is_built_anew(tmp_path: Path, damage: str) -> None:
    async with open_world(tmp_path, FILMS) as world:
        path, manifest = segments(world)[0], world.index.folder.path / "manifest.json"
    whole = path.read_bytes()
    match damage:
        case "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        case "emptied":
            path.write_bytes(b"")
        case "overwritten":
            path.write_bytes(os.urandom(5000))
        case "another format":
            path.write_bytes(whole.replace(b'"format": 1', b'"format": 9'))
        case "one byte":
            path.write_bytes(b"\x01" + whole[1:] if whole[:1] != b"\x01" else b"\x02" + whole[1:])
        case "no manifest":
            manifest.unlink()
        case "bad manifest":
            manifest.write_text('{"segments": ["../../etc/passwd"], "revision": 1}')

    async with open_world(tmp_path) as world, running(world):
        await until(lambda: world.ids("dark k")[:1] == ["tt01"] and path not in segments(world))


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.segment"
    path.write_bytes(b"PK\x03\x04" + bytes(1000))

    with pytest.raises(BadSegment):
        Segment(path)


async def test_a_process_killed_while_it_writes_leaves_the_index_as_it_was(tmp_path: Path) -> None:
    async with open_world(tmp_path, FILMS) as world:
        process = await anyio.to_thread.run_sync(start, "import_and_stop_in_the_middle_of_writing", tmp_path)
        with anyio.fail_after(60):
            assert await anyio.to_thread.run_sync(ask, process) == "halfway"
        drafts = list(world.index.folder.path.glob("*.draft"))
        process.kill()
        await anyio.to_thread.run_sync(process.communicate)

        assert len(drafts) == 1
        assert world.ids("dark k")[0] == "tt01"
        assert world.ids("brand n") == []
        assert await world.keeper.catch_up()
        assert world.ids("brand n") == ["new"]
        assert list(world.index.folder.path.glob("*.draft")) == []


async def test_two_processes_see_what_either_took_in(tmp_path: Path) -> None:
    async with open_world(tmp_path, FILMS) as world, running(world):
        process = await anyio.to_thread.run_sync(start, "serve", tmp_path)
        try:
            with anyio.fail_after(60):
                assert await anyio.to_thread.run_sync(ask, process) == "ready"
                assert await anyio.to_thread.run_sync(ask, process, "import far Far Away Place") == "imported"
                await until(lambda: world.ids("far away") == ["far"])
                await world.catalog.import_records([title("near", "Nearby Town")])
                while await anyio.to_thread.run_sync(ask, process, "nearby t") != "near":  # noqa: ASYNC110 - as above
                    await anyio.sleep(0.01)
        finally:
            process.kill()
            await anyio.to_thread.run_sync(process.communicate)


def test_questions_are_answered_while_the_manifest_changes(tmp_path: Path) -> None:
    index = index_of(tmp_path, [draft("t1", "Steady Name")])
    reader = SuggestIndex(IndexFolder(tmp_path / "index", "test"))
    for number in range(20):
        index_of(tmp_path, [draft("t1", "Steady Name")], [draft(f"n{number}", "Other Name")])
        reader.refresh()
        assert [item.id for item in reader.suggest("steady", 5)] == ["t1"]
        assert [item.id for item in reader.suggest("other", 5)] == [f"n{number}"]
    assert [item.id for item in index.suggest("steady", 5)] == ["t1"]
