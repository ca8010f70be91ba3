"""Another plugin's ranking: put together with our own for descriptions, and never for names and conditions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.api import Call
from mcp_gateway.catalog.models import TitleId
from mcp_gateway_search import searching
from mcp_gateway_search.fusion import fuse
from mcp_gateway_search.models import Filters, SearchParams
from mcp_gateway_search.searching import TitleSearch
from mcp_gateway_search.tests.library import LIBRARY
from mcp_gateway_search.tests.world import World, open_world

pytestmark = pytest.mark.anyio


class Fixed:
    """A retriever that finds the same whatever is asked."""

    def __init__(self, *ids: str, fault: Exception | None = None, never: bool = False) -> None:
        self.ids = [TitleId(title_id) for title_id in ids]
        self.fault = fault
        self.never = never
        self.queries: list[str] = []

    async def retrieve(self, query: str, limit: int) -> Sequence[TitleId]:
        """The fixed ids."""
        self.queries.append(query)
        if self.fault:
            raise self.fault
        if self.never:
            await anyio.sleep_forever()
        return self.ids


def with_retriever(world: World, retriever: Fixed) -> TitleSearch:
    """The world's search, with another plugin's retriever."""
    old = world.searching
    return TitleSearch(world.index, world.catalog, old._cursors, old._reader, lambda: [retriever])


async def ids(search: TitleSearch, query: str, filters: Filters | None = None) -> list[str]:
    """What the search finds."""
    with anyio.fail_after(10):
        result = await search.search(SearchParams(query=query, filters=filters), Call())
    return [item.id for item in result.items]


async def test_for_a_description_both_rankings_count(tmp_path: Path) -> None:
    retriever = Fixed("tt0113277", "tt2911666")
    async with open_world(tmp_path, LIBRARY) as world:
        found = await ids(with_retriever(world, retriever), "retired killer revenge gangsters")

    assert found == ["tt2911666", "tt0113277"]
    assert retriever.queries == ["retired killer revenge gangsters"]


async def test_filters_hold_for_what_the_retriever_finds(tmp_path: Path) -> None:
    retriever = Fixed("tt0113277", "tt0098635")
    async with open_world(tmp_path, LIBRARY) as world:
        found = await ids(with_retriever(world, retriever), "old friends meet again", Filters(genres=["Comedy"]))

    assert found == ["tt0098635"]


FACTS = ["alien", "the dark knigth", "keanu reeves", "crime films with al pacino", "1994 movie bomb bus city", ""]


@pytest.mark.parametrize("query", FACTS)
async def test_names_people_and_conditions_are_not_put_to_it(tmp_path: Path, query: str) -> None:
    retriever = Fixed("tt0098635")
    async with open_world(tmp_path, LIBRARY) as world:
        assert await ids(with_retriever(world, retriever), query) == await world.ids(query)

    assert retriever.queries == []


async def test_a_long_story_may_be_wrong_about_the_year(tmp_path: Path) -> None:
    """Whoever tells it says when they saw the film, and guesses."""
    story = "it was on around 2020 about creature aboard lonely ship eating crew one after another nobody hears"
    async with open_world(tmp_path, LIBRARY) as world:
        assert "tt0078748" in await ids(with_retriever(world, Fixed("tt0078748")), story)


@pytest.mark.parametrize("retriever", [Fixed(fault=RuntimeError("broken")), Fixed(never=True), Fixed("unknown-id")])
async def test_a_retriever_that_fails_hangs_or_errs_does_no_harm(
    tmp_path: Path, retriever: Fixed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "RETRIEVER_SECONDS", 0.05)
    async with open_world(tmp_path, LIBRARY) as world:
        assert await ids(with_retriever(world, retriever), "retired killer takes revenge") == ["tt2911666"]


rankings = st.lists(st.lists(st.integers(0, 9).map(lambda n: TitleId(f"tt{n}")), unique=True, max_size=8), max_size=4)


@given(rankings)
def test_fusing_keeps_every_title_once(ranked: list[list[TitleId]]) -> None:
    fused = fuse(ranked)

    assert sorted(fused) == sorted({title_id for ranking in ranked for title_id in ranking})


@given(st.lists(st.integers().map(lambda n: TitleId(str(n))), unique=True))
def test_one_ranking_stays_as_it_is(ranking: list[TitleId]) -> None:
    assert fuse([ranking]) == fuse([ranking, []]) == ranking
