"""How the index is written: few segments, and no change waits for the merges of another."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from mcp_gateway.catalog.models import Title
from mcp_gateway_search import building
from mcp_gateway_search.index_folder import IndexFolder, has_unfinished_files
from mcp_gateway_search.index_writer import Update
from mcp_gateway_search.tests.world import World, open_catalogue, open_world, title, world_of

pytestmark = pytest.mark.anyio


def generation(world: World) -> Path:
    """The folder of the index in use."""
    assert world.index.manifest is not None
    return world.index.folder.generation(world.index.manifest)


async def found(world: World, word: str) -> None:
    """Wait until a title is found by this word."""
    with anyio.fail_after(10):
        while not world.index.is_open or not world.index.knows(word):  # noqa: ASYNC110 - files have no events
            await anyio.sleep(0.01)


async def test_a_build_ends_with_one_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each segment costs every search some time."""
    monkeypatch.setattr(building, "TITLES_PER_COMMIT", 200)
    monkeypatch.setattr(building, "BATCH_TITLES", 50)
    async with open_catalogue(tmp_path) as catalog:
        await catalog.import_records([title(f"tt{number}", f"Film {number}", 2000) for number in range(1003)])
        world = await world_of(catalog, tmp_path)
        await world.build()
        segments = json.loads((generation(world) / "meta.json").read_bytes())["segments"]

        assert [segment["max_doc"] for segment in segments] == [1003]


async def test_a_change_does_not_wait_for_the_merges_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer stays open while tantivy merges: opening another would have to wait."""
    monkeypatch.setattr(Update, "is_merging", lambda _: True)
    begun: list[IndexFolder] = []
    begin = Update.begin

    def counted(folder: IndexFolder, revision: int) -> Update:
        begun.append(folder)
        return begin(folder, revision)

    monkeypatch.setattr(Update, "begin", counted)
    async with open_world(tmp_path, [title("tt1", "Dune", 1984)]) as world, anyio.create_task_group() as tasks:
        begun.clear()
        tasks.start_soon(world.keeper.run)
        for number, word in enumerate(("arrakis", "caladan", "giedi")):
            await world.catalog.import_records([title(f"tt{number + 2}", word, 2000)])
            await found(world, word)
        tasks.cancel_scope.cancel()

    assert len(begun) == 1


async def test_whoever_wrote_lets_others_write_when_nothing_changes_any_more(tmp_path: Path) -> None:
    async with open_catalogue(tmp_path) as catalog, anyio.create_task_group() as tasks:
        first, second = await world_of(catalog, tmp_path), await world_of(catalog, tmp_path)
        tasks.start_soon(first.keeper.run)
        await catalog.import_records([title("tt1", "Dune", 1984)])
        await found(first, "dune")

        with anyio.fail_after(10):
            while not await _can_write(second):  # noqa: ASYNC110 - files have no events
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()


async def _can_write(world: World) -> bool:
    with world.index.folder.writing() as ours:
        return ours


async def test_files_of_a_segment_that_is_not_part_of_the_index_are_unfinished(tmp_path: Path) -> None:
    async with open_world(tmp_path, [title("tt1", "Dune", 1984)]) as world:
        assert not has_unfinished_files(generation(world))

        (generation(world) / f"{'0' * 32}.store").touch()

        assert has_unfinished_files(generation(world))


async def test_the_names_of_a_change_during_merges_are_found_with_an_error(tmp_path: Path) -> None:
    async with open_world(tmp_path, [title("tt1", "Dune", 1984)]) as world:
        await world.catalog.import_records([title("tt2", "Giedi Prime", 2000)])
        assert await world.keeper.catch_up(stay=True)

        assert await world.ids("geidi prime") == ["tt2"]
        await world.put(title("tt3", "Caladan Falls", 2001))
        assert await world.ids("caladan flals") == ["tt3"]


async def test_a_title_that_changes_while_the_index_is_built_is_in_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first build removes nothing of what it has not put itself, but what changes meanwhile comes twice."""
    monkeypatch.setattr(building, "BATCH_TITLES", 2)
    async with open_catalogue(tmp_path) as catalog:
        await catalog.import_records([title(f"tt{number}", f"Film {number}", 2000) for number in range(6)])
        changed_since = catalog.changed_since

        async def changing(revision: int, *, batch_size: int) -> AsyncIterator[list[Title]]:
            first = True
            async for batch in changed_since(revision, batch_size=batch_size):
                yield batch
                if first:
                    await catalog.import_records([title(batch[0].id, "Another Name", 2001)])
                first = False

        monkeypatch.setattr(catalog, "changed_since", changing)
        world = await world_of(catalog, tmp_path)
        while (await catalog.version()).revision > world_revision(world):
            await world.build()

        assert (await world.search("")).total == 6
        assert (await world.search("another name")).total == 1


def world_revision(world: World) -> int:
    """Up to where the index has the catalogue."""
    return world.index.manifest.revision if world.index.manifest else -1
