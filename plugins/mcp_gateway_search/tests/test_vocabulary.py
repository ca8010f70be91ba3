"""The vocabulary beside the index: written when needed, shared, renewed, and no loss when it is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio.to_thread
import pytest

from mcp_gateway.api import Call
from mcp_gateway_search import reader, vocabulary
from mcp_gateway_search.reader import QueryReader
from mcp_gateway_search.tests.library import LIBRARY
from mcp_gateway_search.tests.world import World, open_world, title, world_of
from mcp_gateway_search.understanding.lexicon import Lexicon
from mcp_gateway_search.understanding.people import Mention

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def few_recent_titles(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A file from eleven titles on, as large catalogues have one."""
    monkeypatch.setattr(vocabulary, "MOST_RECENT", 10)
    yield


def files(world: World) -> list[Path]:
    """The vocabularies on disk."""
    return list(world.folder.glob("index/*/*/vocabulary-*.bin"))


async def corrected(world: World, query: str) -> str | None:
    """What a query is taken for, by a reader that has just started."""
    asked = await QueryReader(world.index, Lexicon.read()).read(query, Call())
    return asked.correction.text if asked.correction else None


async def test_a_large_catalogue_gets_a_file_and_misspelt_names_are_found_with_it(tmp_path: Path) -> None:
    async with open_world(tmp_path, LIBRARY) as world:
        await world.build()

        assert len(files(world)) == 1
        assert await corrected(world, "goodfelas") == "goodfellas"
        assert await corrected(world, "keanu reevs") == "keanu reeves"
        assert [mention.name for mention in await people(world, "films with robert deniro")] == ["robert deniro"]


async def people(world: World, query: str) -> tuple[Mention, ...]:
    """The people found in a query."""
    return (await QueryReader(world.index, Lexicon.read()).read(query, Call())).people


async def test_titles_added_later_are_known_before_the_file_is_renewed(tmp_path: Path) -> None:
    async with open_world(tmp_path, LIBRARY) as world:
        await world.build()
        (first,) = files(world)
        await world.put(title("tt9999999", "Zanzibar Nights", 2026, cast=["Somebody New"]))
        await world.build()

        assert files(world) == [first]
        assert await corrected(world, "zanzibra nights") == "zanzibar nights"
        assert await people(world, "films with somebody new")


async def test_many_changes_renew_the_file_and_remove_the_old_one(tmp_path: Path) -> None:
    async with open_world(tmp_path, LIBRARY) as world:
        await world.build()
        (first,) = files(world)
        await world.put(*(title(f"tt77777{number:02}", f"Another Title {number}", 2000) for number in range(12)))
        await world.build()

        (second,) = files(world)
        assert second != first
        assert await corrected(world, "anothr title 7") == "another title 7"


async def test_a_small_catalogue_needs_no_file(tmp_path: Path) -> None:
    async with open_world(tmp_path, LIBRARY[:5]) as world:
        await world.build()

        assert files(world) == []
        assert await corrected(world, "the dakr knight") == "the dark knight"


async def test_a_damaged_file_costs_corrections_until_it_is_renewed_and_nothing_else(tmp_path: Path) -> None:
    async with open_world(tmp_path, LIBRARY) as world:
        await world.build()
        files(world)[0].write_bytes(b"damaged")

        assert await corrected(world, "goodfelas") is None
        assert await world.ids("goodfellas") == ["tt0099685"]

        await world.build()
        assert await corrected(world, "goodfelas") == "goodfellas"


async def test_another_process_uses_the_same_file(tmp_path: Path) -> None:
    async with open_world(tmp_path, LIBRARY) as world:
        await world.build()
        other = await world_of(world.catalog, tmp_path)

        assert await corrected(other, "goodfelas") == "goodfellas"


async def test_a_reader_takes_up_the_renewed_vocabulary(tmp_path: Path) -> None:
    async with open_world(tmp_path, LIBRARY) as world:
        assert (await world.search("zanzibra nights")).query.corrected != "zanzibar nights"
        await world.put(title("tt9999999", "Zanzibar Nights", 2026))
        await world.build()

        assert (await world.search("zanzibra nights")).query.corrected == "zanzibar nights"


async def test_a_large_catalogue_is_loaded_before_the_first_misspelt_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "WARM_UP_AFTER_SECONDS", 0)
    async with open_world(tmp_path, LIBRARY) as world:
        await world.build()
        warm = QueryReader(world.index, Lexicon.read())
        await warm.warm_up()

        with monkeypatch.context() as patch:
            patch.setattr(anyio.to_thread, "run_sync", None)
            asked = await warm.read("goodfelas", Call())

        assert asked.correction is not None
        assert asked.correction.text == "goodfellas"


async def test_a_small_catalogue_loads_nothing_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "WARM_UP_AFTER_SECONDS", 0)
    async with open_world(tmp_path, LIBRARY[:5]) as world:
        with monkeypatch.context() as patch:
            patch.setattr(anyio.to_thread, "run_sync", None)
            await QueryReader(world.index, Lexicon.read()).warm_up()


@pytest.mark.parametrize(
    "query",
    [
        "", "?!…—", "\x00\x01\x02", "\u202eknight dark\u202c", "الفارس المظلم", "האביר האפל", "ダークナイト",
        "x" * 10_000, "é" * 9_999, "goodfelas " * 1000, "with " * 2000, "starring aaa bbb " * 580, "1999 " * 2000,
        "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 190, "\U000e0041" * 40, "🦇🦇🦇", "0" * 120, " ",
        "\ud800 lone",
    ],
)  # fmt: skip
async def test_hostile_queries_are_understood_with_a_file(tmp_path: Path, query: str) -> None:
    async with open_world(tmp_path, LIBRARY) as world:
        await world.build()

        result = await world.search(query)

        assert len(result.model_dump_json(exclude_none=True)) < 60_000


async def test_one_title_is_found_with_an_error(tmp_path: Path) -> None:
    async with open_world(tmp_path, [title("tt1", "Goodfellas", 1990)]) as world:
        assert await world.ids("goodfelas") == ["tt1"]
        assert await world.ids("nothing like it") == []


async def test_words_of_a_large_index_are_not_read_before_its_file_is_written(tmp_path: Path) -> None:
    """They are very many, and while it is built each commit would have them read anew."""
    async with open_world(tmp_path, [title(f"tt{number}", f"Castle {number}", 2000) for number in range(12)]) as world:
        before = await vocabulary.VocabularyShelf(world.index).current(5)
        await world.build()
        after = await vocabulary.VocabularyShelf(world.index).current(5)

    assert before is not None
    assert after is not None
    assert not before.words.nearest("castel", most_edits=2)
    assert [near.text for near in after.words.nearest("castel", most_edits=2)] == ["castle"]
