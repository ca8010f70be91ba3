"""Vectors follow the catalogue, and descriptions find titles by them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from mcp_gateway.api import Call
from mcp_gateway_search.models import SearchParams
from mcp_gateway_search.searching import TitleSearch
from mcp_gateway_search.semantic.embedder import Embedder, text_of
from mcp_gateway_search.semantic.keeper import Meanings
from mcp_gateway_search.tests.embedders import Words
from mcp_gateway_search.tests.world import World, open_world, title

pytestmark = pytest.mark.anyio

PLOTS = [
    title("tt1", "Jaws", 1975, genres=("Thriller",), overview="A shark hunts swimmers off a beach town."),
    title("tt2", "Up", 2009, genres=("Animation",), overview="An old man ties balloons to his house and flies."),
    title("tt3", "Nobody Knows", 2004),
]


def meanings_of(world: World, embedder: Embedder) -> Meanings:
    """What keeps vectors of this world's catalogue."""

    async def opened() -> Embedder:
        return embedder

    return Meanings(world.catalog, world.folder / "vectors", opened, poll_seconds=0.05)


@asynccontextmanager
async def embedded(folder: Path, embedder: Words) -> AsyncIterator[tuple[World, Meanings]]:
    """A world whose titles have their vectors."""
    async with open_world(folder, PLOTS) as world:
        meanings = meanings_of(world, embedder)
        with anyio.fail_after(20):
            assert await meanings.catch_up()
        yield world, meanings


async def until_found(meanings: Meanings, query: str, title_id: str) -> None:
    """Wait until the background job has come so far that this title is the nearest."""
    with anyio.fail_after(20):
        while list(await meanings.retrieve(query, 1)) != [title_id]:  # noqa: ASYNC110 - a file that grows has no event
            await anyio.sleep(0.01)


async def test_only_titles_with_an_overview_are_embedded(tmp_path: Path) -> None:
    words = Words()
    async with embedded(tmp_path, words) as (world, _):
        titles = await world.catalog.get([title_id for record in PLOTS if (title_id := record.own_id)])

    assert sorted(words.embedded) == sorted(text for each in titles.values() if (text := text_of(each)))
    assert any(text.startswith("1975 Thriller movie. A shark") for text in words.embedded)


async def test_what_is_nearest_in_meaning_comes_first(tmp_path: Path) -> None:
    async with embedded(tmp_path, Words()) as (_, meanings):
        assert await meanings.retrieve("a house flies with balloons", 5) == ["tt2", "tt1"]


async def test_nothing_is_embedded_twice(tmp_path: Path) -> None:
    words = Words()
    async with embedded(tmp_path, words) as (world, _):
        before = len(words.embedded)
        await world.put(title("tt1", "Jaws", 1975, genres=("Thriller",), rating=8.1,
                              overview="A shark hunts swimmers off a beach town."))  # fmt: skip
        assert await meanings_of(world, words).catch_up()

    assert len(words.embedded) == before


async def test_a_changed_overview_is_found_by_what_it_says_now(tmp_path: Path) -> None:
    async with embedded(tmp_path, Words()) as (world, meanings):
        await world.put(title("tt1", "Jaws", 1975, overview="Clowns juggle violins."))
        assert await meanings.catch_up()

        assert (await meanings.retrieve("clowns juggle violins", 1)) == ["tt1"]


async def test_a_build_that_was_killed_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_gateway_search.semantic.keeper.BATCH_TITLES", 2)
    plots = [title(f"tt{n}", f"Film {n}", 2000, overview=f"Plot number {n}.") for n in range(6)]
    first, second = Words(fails_after=4), Words()
    async with open_world(tmp_path, plots) as world:
        with pytest.raises(RuntimeError, match="killed"):
            await meanings_of(world, first).catch_up()
        assert await meanings_of(world, second).catch_up()

    assert len(first.embedded) == 4
    assert sorted(first.embedded + second.embedded) == sorted(f"2000 movie. Plot number {n}." for n in range(6))


async def test_one_process_writes_at_a_time(tmp_path: Path) -> None:
    async with embedded(tmp_path, Words()) as (world, meanings):
        await world.put(title("tt9", "Late", 2020, overview="Somebody comes too late."))
        other = meanings_of(world, Words())
        store = meanings._store
        assert store is not None

        with store.folder.writing() as ours:
            assert ours
            assert not await other.catch_up()

        assert await other.catch_up()
        assert await meanings.retrieve("somebody comes too late", 1) == ["tt9"]


async def test_until_the_model_is_open_nothing_is_found(tmp_path: Path) -> None:
    async with open_world(tmp_path, PLOTS) as world:
        assert list(await meanings_of(world, Words()).retrieve("a shark at the beach", 5)) == []


async def test_the_job_takes_in_what_changes_while_it_runs(tmp_path: Path) -> None:
    async with open_world(tmp_path, PLOTS) as world, anyio.create_task_group() as tasks:
        meanings = meanings_of(world, Words())
        tasks.start_soon(meanings.run)
        await until_found(meanings, "a shark hunts swimmers", "tt1")

        await world.put(title("tt4", "Speed", 1994, overview="A bus must not slow down."))

        await until_found(meanings, "a bus must not slow down", "tt4")
        tasks.cancel_scope.cancel()


async def test_a_description_in_other_words_finds_the_title_and_says_why(tmp_path: Path) -> None:
    async with embedded(tmp_path, Words()) as (world, meanings):
        old = world.searching
        search = TitleSearch(world.index, world.catalog, old._cursors, old._reader, lambda: [meanings])
        asked = SearchParams(query="movie where a pensioner flies away in his house", detail="detailed")
        found = await search.search(asked, Call())

    first = found.items[0].model_dump()
    assert first["id"] == "tt2"
    assert "its description is like the query" in first["explanation"]
