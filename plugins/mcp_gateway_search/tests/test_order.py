"""Which of the titles found come first, and what follows when they are few."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mcp_gateway_search import planning
from mcp_gateway_search.tests.world import World, offer, open_world, title

pytestmark = pytest.mark.anyio

SHELF = [
    title("r1", "Rocky", 1976, popularity=90, genres=("Drama",)),
    title("r2", "Rocky II", 1979, popularity=75, genres=("Drama",)),
    title("r9", "Rocky", 1948, popularity=8),
    title("rh", "The Rocky Horror Picture Show", 1975, popularity=83, genres=("Comedy", "Horror")),
    title("e1", "Emma", 1996, popularity=78),
    title("e2", "Emma", 1932, popularity=18),
    title("e3", "Alex & Emma", 2003, popularity=64),
    title("s1", "Star Wars", 1977, popularity=98),
    title("s2", "The Empire Strikes Back", 1980, popularity=96, others=["Star Wars: The Empire Strikes Back"]),
    title("s3", "Star Wars: Andor", 2022, popularity=79),
    title("b1", "The Lego Batman Movie", 2017, popularity=81, genres=("Animation",)),
    title("b2", "The Lego Movie", 2014, popularity=86, genres=("Animation",)),
    title("b3", "Batman", 1989, popularity=93, genres=("Action",)),
    title("b4", "Brick by Brick", 2015, popularity=20, keywords=("lego",)),
]  # fmt: skip


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[World]:
    """Titles with namesakes and sequels."""
    async with open_world(tmp_path, SHELF) as world:
        yield world


async def test_sequels_follow_the_film_and_then_what_is_better_known(shelf: World) -> None:
    assert (await shelf.ids("rocky"))[:3] == ["r1", "r2", "rh"]


async def test_a_namesake_that_hardly_anybody_knows_does_not_precede_the_sequels(shelf: World) -> None:
    assert (await shelf.ids("rocky")).index("r9") > 2


async def test_however_many_have_the_name_all_are_found_and_the_best_known_come_first(tmp_path: Path) -> None:
    named = [title(f"n{number}", "Home", 1990 + number, popularity=99 - number) for number in range(40)]
    async with open_world(tmp_path, [*named, title("m1", "Home 2", 1999, popularity=99)]) as world:
        found = await world.ids("home", limit=50)

    assert found[:20] == [f"n{number}" for number in range(20)]
    assert sorted(found) == sorted(["m1", *(f"n{number}" for number in range(40))])


async def test_other_namesakes_precede_longer_names(shelf: World) -> None:
    assert (await shelf.ids("emma"))[:3] == ["e1", "e2", "e3"]


async def test_an_alternative_name_brings_a_better_known_title_before_a_lesser_one(shelf: World) -> None:
    assert (await shelf.ids("star wars"))[:3] == ["s1", "s2", "s3"]


async def test_a_short_page_is_filled_with_titles_that_are_alike_and_says_so(shelf: World) -> None:
    found = await shelf.search("lego batman")

    assert [item.id for item in found.items] == ["b1", "b3", "b2", "b4"]
    assert found.total == 4
    assert "Only the first 1 have all words" in (found.hint or "")


async def test_a_filled_page_goes_on_where_it_ended(shelf: World) -> None:
    pages, cursor = [], None
    for _ in range(4):
        page = await shelf.search("lego batman", limit=1, cursor=cursor)
        pages.append([item.id for item in page.items])
        cursor = page.next_cursor

    assert pages == [["b1"], ["b3"], ["b2"], ["b4"]]
    assert cursor is None


async def test_facets_count_what_fills_the_page(shelf: World) -> None:
    found = await shelf.search("lego batman", facets=["genres"])

    assert found.facets is not None
    counts = {value.value: value.count for value in found.facets["genres"]}
    assert counts == {"Animation": 2, "Action": 1}


async def test_what_fills_a_page_meets_the_filters(shelf: World) -> None:
    assert await shelf.ids("lego batman", {"genres": ["Animation"]}) == ["b1", "b2"]


@pytest.mark.parametrize("sort", ["popularity", "year_asc", "name"])
async def test_a_result_in_another_order_is_not_filled(shelf: World, sort: str) -> None:
    assert await shelf.ids("lego batman", sort=sort) == ["b1"]


async def test_a_question_for_a_platform_that_has_nothing_is_told_so(shelf: World) -> None:
    found = await shelf.search("animation movies on netflix")

    assert {item.id for item in found.items} == {"b1", "b2"}
    assert "None is known to be offered as asked (platforms netflix)" in (found.hint or "")


async def test_words_on_a_platform_that_has_nothing_of_them_is_told_so(shelf: World) -> None:
    await shelf.catalog.put_offers([offer("e1", "netflix", "US")])
    assert await shelf.keeper.catch_up()

    found = await shelf.search("batman on netflix")

    assert found.items[0].id == "b3"
    assert "None is known to be offered as asked (platforms netflix)" in (found.hint or "")


async def test_what_is_on_the_platform_needs_no_word_about_it(shelf: World) -> None:
    await shelf.catalog.put_offers([offer("b2", "netflix", "US")])
    assert await shelf.keeper.catch_up()

    found = await shelf.search("animation movies on netflix")

    assert [item.id for item in found.items] == ["b2"]
    assert found.hint is None


@pytest.mark.parametrize("query", ["*** (((", "[2-9]|.*", "...", "a.*b"])
async def test_patterns_are_only_words(shelf: World, query: str) -> None:
    assert (await shelf.search(query)).total == 0


async def test_of_a_description_the_rare_words_decide_and_common_ones_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a word costs is how often it occurs, and what it tells is the less."""
    monkeypatch.setattr(planning, "_MOST_OCCURRENCES", 10)
    common = [
        title(f"c{place}", f"Film {place}", 2000, overview="A young man and his old father.") for place in range(30)
    ]
    told = title("w1", "Far Away", 2001, overview="A wizard in a castle meets a dragon.")
    async with open_world(tmp_path, [*common, told]) as world:
        found = await world.search("young man with old father meets wizard dragon castle")

    assert [item.id for item in found.items] == ["w1"]
