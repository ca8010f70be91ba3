"""Facet counts: exactly what counting the titles one by one gives, over all of the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_gateway.catalog.models import Offer, OfferKind, Title
from mcp_gateway_search import facets, index
from mcp_gateway_search.cards import rating_of
from mcp_gateway_search.models import FACETS, FacetValue, SearchParams
from mcp_gateway_search.tests.library import LIBRARY, LIBRARY_OFFERS
from mcp_gateway_search.tests.world import World, offer, open_world, title

pytestmark = pytest.mark.anyio

Known = dict[str, tuple[Title, list[Offer]]]


@pytest.fixture(scope="module")
async def library(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A few dozen titles with offers; tests only read."""
    async with open_world(tmp_path_factory.mktemp("library"), LIBRARY) as world:
        await world.catalog.put_offers(LIBRARY_OFFERS)
        assert await world.keeper.catch_up()
        yield world


async def everything(world: World) -> Known:
    """Every title with its offers, from the catalogue."""
    ids = [record.own_id for record in LIBRARY if record.own_id]
    titles, offers = await world.catalog.get(ids), await world.catalog.offers(ids)
    return {title_id: (known, list(offers.get(known.id, ()))) for title_id, known in titles.items()}


VALUES: dict[str, Callable[[Title, list[Offer]], Iterable[Any]]] = {
    "genres": lambda known, _: known.genres,
    "platforms": lambda _, offers: {offer.platform for offer in offers},
    "kinds": lambda known, _: [known.kind],
    "release_year": lambda known, _: [f"{known.year // 10 * 10}s"] if known.year else [],
    "rating": lambda known, _: [] if (r := rating_of(known)) is None else [f"{min(9, int(r))}-{min(9, int(r)) + 1}"],
    "languages": lambda known, _: [known.original_language] if known.original_language else [],
    "certification": lambda known, _: [known.certification] if known.certification else [],
    "availability": lambda _, offers: {offer.kind.value for offer in offers},
}


def fits(known: Title, offers: list[Offer], filters: dict[str, Any]) -> bool:
    """Whether a title meets the filters."""
    return (
        set(filters.get("genres", ())) <= set(known.genres)
        and ("kinds" not in filters or known.kind in filters["kinds"])
        and ("platforms" not in filters or any(offer.platform in filters["platforms"] for offer in offers))
        and (known.year or 0) >= filters.get("year_from", 0)
        and ("rating_from" not in filters or (rating_of(known) or 0) >= filters["rating_from"])
    )


def counted(values: list[FacetValue]) -> dict[str, int]:
    return {value.value: value.count for value in values}


@pytest.fixture(params=["narrow", "wide", "very wide"])
def result(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the result counts as a wide one, which is counted in columns; of a very wide one kinds count apart."""
    monkeypatch.setattr(facets, "_WIDE", 1000 if request.param == "narrow" else -1)
    monkeypatch.setattr(facets, "_FOUND_ONCE", -1 if request.param == "very wide" else 1000)


@pytest.mark.usefixtures("result")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    filters=st.fixed_dictionaries(
        {},
        optional={
            "genres": st.lists(st.sampled_from(["Action", "Drama", "Science Fiction"]), min_size=1, unique=True),
            "kinds": st.lists(st.sampled_from(["movie", "series", "episode"]), min_size=1),
            "platforms": st.lists(st.sampled_from(["netflix", "hbo_max"]), min_size=1, unique=True),
            "year_from": st.integers(1970, 2020),
            "rating_from": st.sampled_from([6.0, 7.5, 9.0]),
        },
    )
)
async def test_counts_equal_those_made_one_by_one(library: World, filters: dict[str, Any]) -> None:
    found = (await library.search("", filters, facets=list(FACETS), limit=1)).facets
    known = await everything(library)

    assert found is not None
    for name in FACETS:
        without = {key: value for key, value in filters.items() if key != name or name == "genres"}
        expected: Counter[str] = Counter()
        for each, offers in known.values():
            if fits(each, offers, without):
                expected.update(VALUES[name](each, offers))
        assert counted(found[name]) == dict(expected), name


@pytest.mark.usefixtures("result")
async def test_titles_with_very_many_values_are_counted_for_each(tmp_path: Path) -> None:
    genres = tuple(f"Genre {number}" for number in range(9))
    many = [title(f"tt{count}", f"Film {count}", 2000, genres=genres[:count]) for count in range(10)]
    platforms = [f"platform_{number}" for number in range(7)]
    kinds = list(OfferKind)
    offers = [
        offer(f"tt{place}", platform, kind=kinds[place % len(kinds)])
        for place, platform in enumerate(platforms)
        for place in range(place, 7)
    ] + [offer("tt9", "platform_0", kind=kind) for kind in kinds]  # fmt: skip
    async with open_world(tmp_path, many) as world:
        await world.catalog.put_offers(offers)
        assert await world.keeper.catch_up()
        found = (await world.search("", facets=["genres", "platforms", "availability"])).facets

    assert found is not None
    assert counted(found["genres"]) == {genre: 9 - place for place, genre in enumerate(genres)}
    assert counted(found["platforms"]) == {name: 7 - place + (place == 0) for place, name in enumerate(platforms)}
    ways = Counter(kind for _, kind in {(offer.title_id, offer.kind.value) for offer in offers})
    assert counted(found["availability"]) == dict(ways)


@pytest.mark.parametrize("year", [1978, 1990, 2005, 2040])
@pytest.mark.parametrize(
    "said", ["action {} after {}", "{} after {}", "action {} before {}", "{} from {}", "action {} from {}"]
)
@pytest.mark.parametrize("noun", ["films", "films and series"])
async def test_questions_with_years_find_and_count_what_is_of_them(
    library: World, said: str, year: int, noun: str
) -> None:
    kinds, genres = ["movie"] if noun == "films" else ["movie", "series"], {"Action"} if "action" in said else set()
    first, last = (year + 1, 9999) if "after" in said else (0, year - 1) if "before" in said else (year, year)

    found = await library.search(said.format(noun, year), facets=["kinds"])

    expected = Counter(
        known.kind
        for known, _ in (await everything(library)).values()
        if known.kind in kinds and genres <= set(known.genres) and first <= (known.year or -1) <= last
    )
    assert found.facets is not None
    assert found.total == expected.total()
    assert counted(found.facets["kinds"]) == dict(expected)


async def test_a_selected_value_shows_what_other_choices_would_add(library: World) -> None:
    result = await library.search("", {"kinds": ["series"]}, facets=["kinds", "genres"])

    assert result.facets is not None
    assert {value.value: value.selected for value in result.facets["kinds"]} == {"movie": False, "series": True}
    assert counted(result.facets["kinds"])["series"] == result.total == 2
    assert counted(result.facets["genres"]) == {"Drama": 2, "Crime": 1, "Fantasy": 1}


async def test_counts_are_of_the_whole_result_whatever_the_page(library: World) -> None:
    pages = [await library.search("films with keanu reeves", facets=["genres"], limit=limit) for limit in (1, 3, 50)]

    assert len({str(page.facets) for page in pages}) == 1
    assert pages[0].facets is not None
    assert counted(pages[0].facets["genres"])["Action"] == pages[0].total == 5


async def test_values_come_the_most_frequent_first_and_years_and_ratings_in_order(library: World) -> None:
    facets = (await library.search("", facets=["genres", "release_year", "rating"])).facets

    assert facets is not None
    counts = [value.count for value in facets["genres"]]
    decades = [value.value for value in facets["release_year"]]
    assert counts == sorted(counts, reverse=True)
    assert decades == sorted(decades, reverse=True)
    assert [value.value for value in facets["rating"]] == ["9-10", "8-9", "7-8", "6-7"]


async def test_without_being_asked_nothing_is_counted(library: World) -> None:
    assert (await library.search("")).facets is None


async def test_an_unknown_facet_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="genres, platforms, kinds"):
        SearchParams(facets=["colour"])


async def test_an_answer_with_very_many_values_stays_within_its_size(tmp_path: Any) -> None:
    many = [title(f"tt{n:07}", f"Title {n}", 1900 + n % 120, genres=(f"Genre {'x' * 60} {n}",)) for n in range(400)]
    async with open_world(tmp_path, many) as world:
        result = await world.search("", facets=list(FACETS), limit=100)

    assert result.facets is not None
    assert len(result.facets["genres"]) == 30
    assert len(result.model_dump_json(exclude_none=True).encode()) < 60_000


async def test_counts_are_remembered_of_what_was_asked_last(library: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_AGGREGATES_KEPT", 2)
    years = [1970, 1980, 1990, 1980, 1970, 1990]

    counts = [(await library.search("", {"year_from": year}, facets=["kinds"])).facets for year in years]

    assert counts[0] == counts[4]
    assert counts[1] == counts[3]
    assert counts[2] == counts[5]


async def test_counts_that_are_remembered_follow_a_change(tmp_path: Path) -> None:
    async with open_world(tmp_path, [title("tt1", "Dune", 1984, genres=("Drama",))]) as world:
        first = await world.search("", facets=["genres"])
        again = await world.search("", facets=["genres"])
        await world.put(title("tt2", "Alien", 1979, genres=("Drama", "Horror")))
        changed = await world.search("", facets=["genres"])

    assert first.facets == again.facets
    assert first.facets is not None
    assert [(value.value, value.count) for value in first.facets["genres"]] == [("Drama", 1)]
    assert changed.facets is not None
    assert [(value.value, value.count) for value in changed.facets["genres"]] == [("Drama", 2), ("Horror", 1)]
