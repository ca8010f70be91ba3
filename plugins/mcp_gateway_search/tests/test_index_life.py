"""The index's life: built, opened, kept up to date, rebuilt when it must be, shared by several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from tantivy import Query

from mcp_gateway.api import Unavailable
from mcp_gateway.catalog.events import TitleChanged
from mcp_gateway.catalog.models import TitleId
from mcp_gateway_search import index_folder, keeper
from mcp_gateway_search.index import TitleIndex
from mcp_gateway_search.index_folder import IndexFolder, Manifest, is_whole
from mcp_gateway_search.retrieval import matching
from mcp_gateway_search.tests.world import World, offer, open_catalogue, open_world, title, world_of
from mcp_gateway_search.understanding.words import Reading

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
MANY = [title(f"tt{number:07}", f"Film {number}", 1950 + number % 70) for number in range(3000)]

PROCESS = """
import sys, anyio
from pathlib import Path
from mcp_gateway_search.tests import processes
anyio.run(getattr(processes, sys.argv[1]), Path(sys.argv[2]))
"""


def start(name: str, folder: Path) -> subprocess.Popen[str]:
    """Run a function of `processes.py` in another process."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"}
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, name, str(folder)], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def line_from(process: subprocess.Popen[str]) -> str:
    """The next line it prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


@asynccontextmanager
async def reopened(folder: Path) -> AsyncIterator[World]:
    """The same catalogue and index, as the next start of the program finds them."""
    async with open_catalogue(folder) as catalog:
        yield await world_of(catalog, folder)


def generations(folder: Path) -> list[Path]:
    """The folders of tantivy indexes, of all formats and catalogues."""
    return [path for path in (folder / "index").glob("*/*") if path.is_dir()]


def find_word(world: World, word: str) -> Query:
    """Titles with a word."""
    return matching(world.index.schema, [Reading((word,))])


async def eventually(found: Callable[[], object]) -> None:
    """Wait until something is so that a thread or another process brings about."""
    with anyio.fail_after(60):
        while not found():  # noqa: ASYNC110 - neither has an event to wait for
            await anyio.sleep(0.01)


async def test_a_start_finds_the_index_as_it_was_without_reading_a_title(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(tmp_path, [title("tt1", "Dune", 1984)]):
        pass

    async with reopened(tmp_path) as world:
        monkeypatch.setattr(world.catalog, "changed_since", None)
        assert await world.keeper.catch_up()
        assert await world.ids("dune") == ["tt1"]


async def test_a_start_takes_in_what_changed_meanwhile(tmp_path: Path) -> None:
    async with open_world(tmp_path, [title("tt1", "Dune", 1984)]):
        pass
    async with open_catalogue(tmp_path) as catalog:
        await catalog.import_records([title("tt1", "Dune: Extended", 1984), title("tt2", "Alien", 1979)])

    async with reopened(tmp_path) as world:
        assert await world.keeper.catch_up()
        assert await world.ids("extended") == ["tt1"]
        assert await world.ids() == ["tt1", "tt2"]


async def test_a_changed_title_replaces_what_the_index_had_of_it(tmp_path: Path) -> None:
    async with open_world(tmp_path, [title("tt1", "Dune", 1984)]) as world:
        await world.put(title("tt1", "Arrakis", 1984))

        assert await world.ids("dune") == []
        assert await world.ids("arrakis") == ["tt1"]
        assert (await world.search()).total == 1


async def test_hits_stay_the_titles_they_were_when_the_index_changes_before_they_are_read(tmp_path: Path) -> None:
    async with open_world(tmp_path, [title("tt1", "Dune", 1984), title("tt2", "Alien", 1979)]) as world:
        hits = world.index.search(find_word(world, "alien"), limit=5)
        await world.put(title("tt1", "Arrakis", 1984), title("tt2", "Aliens", 1986))
        assert world.index.knows("arrakis")

        assert world.index.ids(hits) == ["tt2"]
        assert [card.title for card in world.index.cards(hits)] == ["Alien"]


async def test_new_offers_reach_the_index(tmp_path: Path) -> None:
    async with open_world(tmp_path, [title("tt1", "Dune", 1984), title("tt2", "Alien", 1979)]) as world:
        await world.catalog.put_offers([offer("tt2", "netflix", "US")])
        assert await world.keeper.catch_up()

        assert await world.ids("", {"platforms": ["netflix"]}) == ["tt2"]


async def test_an_unknown_genre_is_no_error_while_the_index_is_being_built(tmp_path: Path) -> None:
    async with open_catalogue(tmp_path) as catalog:
        await catalog.import_records([title("tt1", "Dune", 1984, genres=("Drama",))])
        world = await world_of(catalog, tmp_path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(keeper, "FEW_TITLES", 1)
            patch.setattr(catalog, "elsewhere", not_now)
            await world.keeper.catch_up()

        assert (await world.search("", {"genres": ["Western"]})).total == 0


async def not_now(_: object) -> bool:
    """Another process is at it."""
    return False


async def test_before_the_first_build_an_answer_says_to_try_again(tmp_path: Path) -> None:
    async with open_catalogue(tmp_path) as catalog:
        world = await world_of(catalog, tmp_path)

        with pytest.raises(Unavailable, match="being built"):
            await world.search("dune")


async def test_another_format_gets_an_index_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_world(tmp_path, [title("tt1", "Dune", 1984)]) as world:
        monkeypatch.setattr(index_folder, "FORMAT", 999)
        newer = await world_of(world.catalog, tmp_path)
        assert await newer.keeper.catch_up()

        assert await newer.ids("dune") == ["tt1"]
        assert await world.ids("dune") == ["tt1"]
        assert newer.index.folder.path != world.index.folder.path


async def test_another_catalogue_in_the_same_folder_gets_an_index_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with open_world(tmp_path, [title("tt1", "Dune", 1984)]) as world, open_catalogue(tmp_path / "other") as other:
        await other.import_records([title("tt2", "Alien", 1979)])
        second = await world_of(other, tmp_path)
        assert await second.keeper.catch_up()

        assert await second.ids() == ["tt2"]
        assert await world.ids() == ["tt1"]


async def test_indexes_of_other_formats_and_broken_builds_are_removed_when_long_unused(tmp_path: Path) -> None:
    old = tmp_path / "index" / "0-other"
    recent = tmp_path / "index" / "0-recent"
    for folder in (old, recent):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))

    async with open_world(tmp_path, [title("tt1", "Dune", 1984)]):
        pass

    assert not old.exists()
    assert recent.exists()
    assert len(generations(tmp_path)) == 1


def damage(path: Path, how: str) -> None:
    """Do to a file what bad disks and hands do."""
    match how:
        case "removed":
            path.unlink()
        case "emptied":
            path.write_bytes(b"")
        case "cut":
            os.truncate(path, path.stat().st_size // 2)
        case "flipped":
            content = bytearray(path.read_bytes())
            content[len(content) // 3] ^= 0xFF
            path.write_bytes(content)


@pytest.mark.parametrize("how", ["removed", "emptied", "cut", "flipped"])
@pytest.mark.parametrize("part", ["meta.json", "*.fast", "*.idx", "*.pos", "*.store", "*.term", ".managed.json"])
async def test_damaged_files_lead_to_a_new_index(tmp_path: Path, part: str, how: str) -> None:
    async with open_world(tmp_path, [title("tt1", "The Dark Knight", 2008), title("tt2", "Dark City", 1998)]):
        pass
    (generation,) = generations(tmp_path)
    damage(next(generation.glob(part)), how)

    async with reopened(tmp_path) as world, anyio.create_task_group() as tasks:
        tasks.start_soon(world.keeper.run)
        await eventually(lambda: world.index.is_open and whole(world))
        assert await world.ids("dark knight") == ["tt1", "tt2"]
        assert (await world.search("dark")).total == 2
        tasks.cancel_scope.cancel()


def whole(world: World) -> bool:
    """Whether the current generation is complete and undamaged."""
    manifest = world.index.folder.read()
    return manifest is not None and manifest.complete and is_whole(world.index.folder.generation(manifest))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"generation": "../../etc"}', '{"generation": 7}', "null"])
async def test_a_damaged_manifest_leads_to_a_new_index(tmp_path: Path, content: str) -> None:
    async with open_world(tmp_path, [title("tt1", "Dune", 1984)]) as world:
        manifest = world.index.folder.path / "manifest.json"
    manifest.write_text(content)

    async with reopened(tmp_path) as world:
        assert await world.keeper.catch_up()
        assert await world.ids("dune") == ["tt1"]


async def test_damage_found_while_searching_is_repaired_in_the_background(tmp_path: Path) -> None:
    async with open_world(tmp_path, [title("tt1", "Dune", 1984)]):
        pass
    (generation,) = generations(tmp_path)
    damage(next(generation.glob("*.pos")), "removed")

    async with reopened(tmp_path) as world:
        with pytest.raises(Unavailable, match="being checked"):
            await world.search("dune")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.keeper.run)
            await eventually(lambda: whole(world))
            tasks.cancel_scope.cancel()
        assert await world.ids("dune") == ["tt1"]


async def test_a_whole_index_is_found_whole(tmp_path: Path) -> None:
    async with open_world(tmp_path, MANY[:50]) as world:
        await world.put(title("tt0000001", "Changed", 1999))
        manifest = world.index.folder.read()

        assert manifest is not None
        assert is_whole(world.index.folder.generation(manifest))


async def test_the_keeper_takes_in_a_change_when_it_hears_of_one(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world, anyio.create_task_group() as tasks:
        tasks.start_soon(world.keeper.run)
        await world.catalog.import_records([title("tt1", "Dune", 1984)])
        await world.keeper.title_changed(
            TitleChanged(title_id=TitleId("tt1"), kind="movie", change="created", revision=1)
        )
        await eventually(lambda: world.index.knows("dune"))
        tasks.cancel_scope.cancel()


async def test_the_keeper_takes_in_a_change_it_never_heard_of(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world, anyio.create_task_group() as tasks:
        tasks.start_soon(world.keeper.run)
        await world.catalog.import_records([title("tt1", "Dune", 1984)])
        await eventually(lambda: world.index.knows("dune"))
        tasks.cancel_scope.cancel()


async def test_a_keeper_that_is_stopped_in_the_middle_leaves_a_sound_index(tmp_path: Path) -> None:
    async with open_catalogue(tmp_path) as catalog:
        await catalog.import_records(MANY)
        world = await world_of(catalog, tmp_path)
        with anyio.move_on_after(0.5):
            await world.keeper.catch_up()

        assert await world.keeper.catch_up()
        assert (await world.search("film")).total == len(MANY)


async def test_only_one_process_writes_and_the_others_see_what_it_wrote(tmp_path: Path) -> None:
    async with open_world(tmp_path, [title("tt1", "Dune", 1984)]) as world:
        other = start("serve", tmp_path)
        try:
            assert line_from(other) == "ready"
            await world.put(title("tt2", "Alien", 1979))
            print("alien", file=other.stdin, flush=True)
            assert line_from(other) == "tt2"

            print("import tt3", file=other.stdin, flush=True)
            assert line_from(other) == "imported"
            await eventually(lambda: world.index.knows("imported"))
            assert await world.ids("imported") == ["tt3"]
        finally:
            other.communicate("stop\n", timeout=20)
    assert other.returncode == 0


async def test_while_another_process_writes_this_one_only_reads(tmp_path: Path) -> None:
    async with open_world(tmp_path, [title("tt1", "Dune", 1984)]) as world:
        other = start("hold_the_lock", tmp_path)
        try:
            assert line_from(other) == "locked"
            await world.catalog.import_records([title("tt2", "Alien", 1979)])

            assert not await world.keeper.catch_up()
            assert await world.ids("dune") == ["tt1"]
        finally:
            other.kill()
            other.communicate(timeout=20)

        assert await world.keeper.catch_up(), "a killed process must not keep the lock"
        assert await world.ids("alien") == ["tt2"]


async def test_killed_while_building_the_next_start_finishes_the_index(tmp_path: Path) -> None:
    async with open_catalogue(tmp_path) as catalog:
        for part in range(0, len(MANY), 500):
            await catalog.import_records(MANY[part : part + 500])
        builder = start("build_and_stop_halfway", tmp_path)
        assert line_from(builder) == "halfway"
        builder.send_signal(signal.SIGKILL)
        builder.communicate(timeout=20)

        world = await world_of(catalog, tmp_path)
        assert await world.keeper.catch_up()
        assert (await world.search("film")).total == len(MANY)
        assert len(generations(tmp_path)) == 1


async def test_the_manifest_is_replaced_in_one_step(tmp_path: Path) -> None:
    folder = IndexFolder(tmp_path, "catalogue")
    manifest = folder.new_generation()
    folder.publish(manifest)
    stamp = folder.stamp()

    folder.publish(Manifest(manifest.generation, revision=5, complete=True))

    assert folder.read() == Manifest(manifest.generation, 5, complete=True)
    assert folder.stamp() != stamp
    assert not list(folder.path.glob("manifest.*[!n]"))


async def test_a_reader_goes_on_when_its_folder_vanishes(tmp_path: Path) -> None:
    async with open_world(tmp_path, [title("tt1", "Dune", 1984)]) as world:
        (world.index.folder.path / "manifest.json").unlink()

        assert await world.ids("dune") == ["tt1"]
        assert not TitleIndex(world.index.folder).is_open


async def test_when_the_catalogue_gives_way_to_another_a_running_index_turns_to_that(tmp_path: Path) -> None:
    async with open_world(tmp_path, [title("tt0000001", "The Old Film", 1950)]) as world:
        await world.catalog.make_way("test")
        await world.catalog.import_records([title("tt0000002", "The New Film", 2020)])

        assert await world.keeper.catch_up()

        assert world.index.search(Query.all_query(), limit=10).total == 1
        assert (await world.search("new film")).items[0].id == "tt0000002"
