"""search_titles: ranking, filters, pages, and what it makes of hostile input."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.api import Call, Caller, InvalidCursor, InvalidParams
from mcp_gateway_search.models import Filters, SearchParams
from mcp_gateway_search.tests.world import World, open_world, title

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("the dark knight", "tt0468569"),
        ("dark knight", "tt0468569"),
        ("THE DARK KNIGHT!", "tt0468569"),
        ("dune", "tt1160419"),
        ("dune 1984", "tt0087182"),
        ("Dune (1984)", "tt0087182"),
        ("dune from 1984", "tt0087182"),
        ("1984 dune", "tt0087182"),
        ("matrix", "tt0133093"),
        ("blade runner 2049", "tt1856101"),
        ("blade runner", "tt0083658"),
        ("hate", "tt0113247"),
        ("amelie", "tt0211915"),
        ("le fabuleux destin d amelie poulain", "tt0211915"),
        ("keanu reeves", "tt0133093"),
        ("hacker simulation", "tt0133093"),
        ("science fiction 2003", "tt0234215"),
        ("...", "tt0000003"),
        ("七人の侍", "tt0000004"),
    ],
)
async def test_the_first_hit_is_the_title_that_is_meant(films: World, query: str, first: str) -> None:
    assert (await films.ids(query))[0] == first


async def test_the_best_known_of_a_name_comes_first_and_hardly_known_ones_after_famous_longer_names(
    films: World,
) -> None:
    assert await films.ids("the dark knight") == ["tt0468569", "tt1345836", "tt2258647"]
    assert await films.ids("dune") == ["tt1160419", "tt0087182"]


async def test_within_filters_the_best_known_that_they_leave_comes_first(films: World) -> None:
    assert await films.ids("the dark knight", {"year_from": 2011}) == ["tt2258647", "tt1345836"]


async def test_every_word_is_needed_and_when_no_title_has_them_all_most_are_and_the_answer_says_so(
    films: World,
) -> None:
    strict = await films.search("keanu reeves matrix")
    relaxed = await films.search("keanu reeves matrix zebra")

    assert "relaxed" not in strict.query.model_dump(exclude_none=True)
    assert relaxed.items[0].id == "tt0133093"
    assert relaxed.query.model_dump()["relaxed"]
    assert "most of it" in (relaxed.hint or "")


async def test_nothing_found_is_no_error_and_says_what_to_try(films: World) -> None:
    result = await films.search("xylophone", {"genres": ["Crime"], "year_from": 1990})

    assert (result.total, result.items, result.has_more, result.truncated) == (0, [], False, False)
    assert "genres, year_from" in (result.hint or "")


async def test_an_empty_query_browses_by_popularity(films: World) -> None:
    result = await films.search("  ", {"genres": ["science fiction"]}, limit=3)

    assert [item.id for item in result.items] == ["tt0133093", "tt1160419", "tt0083658"]
    assert result.total == 6


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"genres": ["Action", "Science Fiction"]}, {"tt0133093", "tt0234215"}),
        ({"genres": ["ACTION", "crime"]}, {"tt0468569"}),
        ({"kinds": ["series"]}, {"tt0903747"}),
        ({"kinds": ["series", "movie"], "year_from": 2008, "year_to": 2008}, {"tt0468569", "tt0903747"}),
        ({"year_to": 1973}, {"tt0000001", "tt0000004"}),
        ({"year_from": 10**30}, set()),
        ({"rating_from": 9.0}, {"tt0468569", "tt0903747", "tt0000002"}),
        ({"rating_from": 11}, set()),
        ({"people": ["Christian Bale", "tom hardy"]}, {"tt1345836"}),
        ({"people": ["villeneuve"]}, {"tt1160419"}),
        ({"people": ["timothee CHALAMET"]}, {"tt1160419"}),
        ({"people": ["reeves keanu"]}, set()),
        ({"people": ["actor: timothee chalamet"]}, {"tt1160419"}),
        ({"people": ["Actor:chalamet"]}, {"tt1160419"}),
        ({"people": ["director: timothee chalamet"]}, set()),
        ({"people": ["director: villeneuve"]}, {"tt1160419"}),
        ({"platforms": ["Netflix"]}, {"tt0468569", "tt0133093"}),
        ({"platforms": ["netflix", "HBO Max"]}, {"tt0468569", "tt0133093", "tt1160419"}),
        ({"platforms": ["netflix"], "region": "us"}, {"tt0468569"}),
        ({"platforms": ["netflix"], "region": "DE", "monetization": ["rent"]}, set()),
        ({"region": "DE"}, {"tt0468569", "tt0133093"}),
        ({"monetization": ["rent", "buy"]}, {"tt0468569"}),
        ({"region": "XX"}, set()),
    ],
)
async def test_filters_give_exactly_the_titles_that_meet_them(
    films: World, filters: dict[str, Any], expected: set[str]
) -> None:
    result = await films.search("", filters)

    assert {item.id for item in result.items} == expected
    assert result.total == len(expected)


@pytest.mark.parametrize(
    ("filters", "field", "nearest"),
    [
        ({"genres": ["Sience Fiction"]}, "filters.genres", "Science Fiction"),
        ({"platforms": ["netflx"]}, "filters.platforms", "netflix"),
    ],
)
async def test_an_unknown_genre_or_platform_is_an_error_that_names_the_nearest(
    films: World, filters: dict[str, Any], field: str, nearest: str
) -> None:
    with pytest.raises(InvalidParams) as error:
        await films.search("", filters)

    assert error.value.data["field"] == field
    assert error.value.data["nearest"] == nearest
    assert nearest in error.value.data["allowed"]


async def test_years_the_wrong_way_round_are_an_error(films: World) -> None:
    with pytest.raises(InvalidParams, match=r"filters\.year_from"):
        await films.search("", {"year_from": 2000, "year_to": 1990})


async def test_sorts_put_titles_in_their_order_and_unknown_values_last(films: World) -> None:
    everything = await films.search("", limit=100)
    by_year = await films.search("", sort="year_asc", limit=100)
    newest = await films.search("", sort="year_desc", limit=100)
    by_name = await films.search("", sort="name", limit=100)

    assert everything.items == (await films.search("", sort="popularity", limit=100)).items
    years = [item.year for item in by_year.items]  # type: ignore[attr-defined]
    assert years[-1] is None
    assert years[:-1] == sorted(years[:-1])
    assert [item.year for item in newest.items] == [*sorted(years[:-1], reverse=True), None]  # type: ignore[attr-defined]
    names = [item.title for item in by_name.items]
    assert names.index("Amélie") < names.index("Blade Runner") < names.index("Dune") < names.index("The Matrix")


async def test_sorted_by_rating_a_little_known_title_does_not_lead(films: World) -> None:
    """Hate Story has a 10, of few voters."""
    ratings = [item.rating for item in (await films.search("", sort="rating")).items if item.rating]  # type: ignore[attr-defined]

    assert ratings == [9.5, 9.0, 8.7, 8.4, 8.3, 8.1, 8.0, 7.2, 6.3, 10.0]


async def test_detailed_results_say_more_and_why_they_matched(films: World) -> None:
    concise = await films.search("nolan knight", limit=1)
    detailed = await films.search("nolan knight", limit=1, detail="detailed")

    (item,) = detailed.model_dump(exclude_none=True)["items"]
    assert item["explanation"] == "words in name: knight; director: nolan"
    assert item["cast"] == ["Christian Bale", "Heath Ledger"]
    assert item["keywords"] == ["joker", "vigilante"]
    assert item["platforms"] == ["apple_tv_store", "netflix"]
    assert "keywords" not in concise.model_dump(exclude_none=True)["items"][0]


@pytest.mark.parametrize("sort", ["relevance", "popularity", "year_desc", "year_asc", "rating", "name"])
@pytest.mark.parametrize("limit", [1, 4, 100])
async def test_walking_the_pages_gives_every_title_once(films: World, sort: Any, limit: int) -> None:
    walked: list[str] = []
    cursor = None
    while True:
        page = await films.search("", sort=sort, limit=limit, cursor=cursor)
        walked += [item.id for item in page.items]
        assert page.has_more == (page.next_cursor is not None)
        if (cursor := page.next_cursor) is None:
            break

    assert walked == await films.ids("", sort=sort, limit=100)
    assert len(walked) == len(set(walked)) == page.total


@pytest.mark.parametrize(
    "changed",
    [{"query": "knight"}, {"sort": "name"}, {"filters": Filters(year_from=1900)}, {"cursor": "x"}, {"cursor": ""}],
)
async def test_a_cursor_serves_only_the_search_that_gave_it(films: World, changed: dict[str, Any]) -> None:
    cursor = (await films.search("dark", limit=1)).next_cursor

    with pytest.raises(InvalidCursor):
        await films.searching.search(SearchParams(**({"query": "dark", "cursor": cursor} | changed)), Call())


async def test_a_cursor_serves_only_its_caller(films: World) -> None:
    cursor = (await films.search("dark", limit=1)).next_cursor

    with pytest.raises(InvalidCursor):
        await films.searching.search(SearchParams(query="dark", cursor=cursor), Call(caller=Caller("somebody else")))


async def test_other_page_sizes_and_details_may_follow_a_cursor(films: World) -> None:
    cursor = (await films.search("dark", limit=1)).next_cursor

    rest = await films.ids("DARK ", limit=10, detail="detailed", cursor=cursor)

    assert rest == (await films.ids("dark"))[1:]


@pytest.mark.parametrize(
    "query",
    [
        '"', "a:b", "c++ -", "name:matrix OR *:*", "* AND (", "matrix~2^9", "\\", "/.*/", "[a TO z]", "-the",
        "\x00\x01\x02", "\u202eknight dark\u202c", "الفارس المظلم", "\ud800 lone", "🦇", "?!…—", "'", "&&&",
        "the " * 2500, "x" * 10_000, "é" * 9_999, "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 190,
        "\t\n \r",
    ],
)  # fmt: skip
async def test_hostile_queries_get_an_answer(films: World, query: str) -> None:
    result = await films.search(query)

    assert len(result.model_dump_json(exclude_none=True)) < 60_000
    assert result.total >= len(result.items)


async def test_the_query_language_cannot_be_injected(films: World) -> None:
    """As query strings these would match everything, or one field only."""
    for query in ("*", "name:dune", "name_key:dune OR *:*"):
        assert "tt0133093" not in await films.ids(query)


async def test_words_beyond_the_limit_are_left_out_and_the_answer_says_so(films: World) -> None:
    result = await films.search("dark knight " * 30)

    assert "first 32 words" in (result.hint or "")
    assert result.items[0].id == "tt0468569"


async def test_paging_ends_at_the_depth_limit_and_says_how_to_see_more(
    films: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_gateway_search.searching.DEEPEST_HIT", 5)

    first = await films.search("", limit=3)
    second = await films.search("", limit=3, cursor=first.next_cursor)

    assert len(second.items) == 2
    assert (second.has_more, second.next_cursor) == (False, None)
    assert second.total > 5
    assert "narrow the filters" in (second.hint or "")


async def test_an_empty_catalogue_answers(tmp_path: Any) -> None:
    async with open_world(tmp_path) as empty:
        result = await empty.search("dune", {"genres": ["Anything"]})

        assert (result.total, result.items) == (0, [])


async def test_names_of_any_length_can_be_found(tmp_path: Any) -> None:
    long_name = " ".join(f"word{number}" for number in range(120))
    async with open_world(tmp_path, [title("tt9", long_name, 2000), title("tt8", "w" * 5000, 2000)]) as world:
        assert await world.ids(long_name) == ["tt9"]
        assert await world.ids("word3 word4") == ["tt9"]
