"""What is suggested for what has been typed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mcp_gateway_suggest.index import SuggestIndex
from mcp_gateway_suggest.tests.world import FILMS, World, draft, index_of, open_world

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def films(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A few films; tests only read."""
    async with open_world(tmp_path_factory.mktemp("films"), FILMS) as world:
        yield world


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("dark k", "tt01"),
        ("the dark k", "tt01"),
        ("A DARK k", "tt01"),
        ("knight a", "tt02"),
        ("amel", "tt03"),
        ("AMÉLIE", "tt03"),
        ("fabuleux", "tt03"),
        ("fast and f", "tt05"),
        ("fast & f", "tt05"),
        ("fast&fur", "tt05"),
        ("七人", "tt06"),
        ("seven s", "tt06"),
        ("שתיקת ה", "tt07"),
        ("соля", "tt08"),
        ("dune", "tt12"),
        ("M", "tt09"),
        ("...", "tt10"),
    ],
)
async def test_the_beginning_of_any_word_of_a_name_finds_the_title(films: World, typed: str, expected: str) -> None:
    assert films.ids(typed)[0] == expected


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("knigth", "tt01"),
        ("dakr kni", "tt01"),
        ("drak k", "tt01"),
        ("darrk", "tt01"),
        ("drk kn", "tt01"),
        ("walle", "tt04"),
        ("amwlie", "tt03"),
        ("соларис", "tt08"),
        ("fast and furius", "tt05"),
        ("phast and", "tt05"),
        ("the lord of the tings", "tt17"),
    ],
)
async def test_one_typing_error_is_mended(films: World, typed: str, expected: str) -> None:
    assert expected in films.ids(typed)


async def test_a_word_later_in_a_very_popular_name_comes_before_a_beginning_less_popular(tmp_path: Path) -> None:
    index = index_of(tmp_path, [draft("t1", "Knight of Cups", 0.5), draft("t2", "The Dark Knight", 0.99)])

    assert [item.id for item in index.suggest("knight", 10)] == ["t2", "t1"]


async def test_what_begins_a_popular_name_comes_first(tmp_path: Path) -> None:
    index = index_of(tmp_path, [draft("t1", "Knight and Day", 0.82), draft("t2", "The Dark Knight", 0.99)])

    assert [item.id for item in index.suggest("knight", 10)] == ["t1", "t2"]


async def test_people_are_found_by_first_and_last_name(films: World) -> None:
    assert [films.index.suggest(typed, 10)[0].text for typed in ("christopher n", "nolan", "timothee", "黒澤")] == [
        "Christopher Nolan", "Christopher Nolan", "Timothée Chalamet", "黒澤明",
    ]  # fmt: skip


async def test_a_genre_has_its_place_beside_titles_and_people_that_begin_so(films: World) -> None:
    suggested = films.index.suggest("sci", 5)

    assert ("genre", "Science Fiction") in {(item.type, item.id) for item in suggested}
    assert sum(item.type == "title" for item in suggested) == 4


@pytest.mark.parametrize("typed", ["sci-fi", "scifi", "fiction"])
async def test_a_genre_is_found_by_what_people_call_it(films: World, typed: str) -> None:
    assert films.index.suggest(typed, 5)[0].id == "Science Fiction"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("lord towers", "tt17"),
        ("nolan knight", "tt01"),
        ("dune 1984", "tt11"),
        ("dune chal", "tt12"),
        ("dune 20", "tt12"),
    ],
)
async def test_words_of_names_people_genres_and_years_find_the_title_together(
    films: World, typed: str, expected: str
) -> None:
    assert films.ids(typed)[0] == expected


async def test_an_exact_match_never_stands_behind_a_mended_one_of_its_five(tmp_path: Path) -> None:
    index = index_of(tmp_path, [draft("t1", "Matrux", 0.01), draft("t2", "Matrix", 0.99)])

    assert [item.id for item in index.suggest("matrux", 10)] == ["t1", "t2"]


async def test_a_name_typed_in_full_is_among_the_first_five_whatever_its_popularity(tmp_path: Path) -> None:
    many = [draft(f"t{number}", f"Heat {number}", 0.9) for number in range(40)]
    index = index_of(tmp_path, [*many, draft("heat", "Heat", 0.01)])

    assert "heat" in [item.id for item in index.suggest("heat", 5)]


async def test_a_whole_name_with_an_error_is_among_the_first_five_whatever_its_popularity(tmp_path: Path) -> None:
    many = [draft(f"t{number}", f"Marten {number}", 0.9) for number in range(40)]
    index = index_of(tmp_path, [*many, draft("martin", "Martin", 0.01)])

    assert "martin" in [item.id for item in index.suggest("maritn", 5)]


@pytest.mark.parametrize("typed", ["nymfom", "nimphom", "nymphmo"])
async def test_an_error_of_the_ear_is_mended_among_few_keys_and_among_many(tmp_path: Path, typed: str) -> None:
    few = index_of(tmp_path / "few", [draft("wanted", "Nymphomaniac")])
    names = [f"Nymph{first}{second}" for first in "abcdefghijklmn" for second in "abcdefghij"]
    many = index_of(tmp_path / "many", [*(draft(name, name) for name in names), draft("wanted", "Nymphomaniac", 0.9)])

    assert [index.suggest(typed, 5)[0].id for index in (few, many)] == ["wanted", "wanted"]


async def test_only_the_types_asked_for_are_suggested(films: World) -> None:
    assert {item.type for item in films.index.suggest("sci", 10, {"genre"})} == {"genre"}
    assert {item.type for item in films.index.suggest("sci", 10, {"title"})} == {"title"}


async def test_an_item_is_suggested_once(tmp_path: Path) -> None:
    index = index_of(tmp_path, [draft("t1", "Bora Bora Bora", people=("Bora Bora",))])

    assert [item.id for item in index.suggest("bora", 10)].count("t1") == 1
    assert len(index.suggest("bora", 10)) == 2


async def test_the_later_segment_decides_what_a_title_is_called(tmp_path: Path) -> None:
    index = index_of(
        tmp_path, [draft("t1", "Working Name"), draft("t2", "Other", people=("Ann Alt",))],
        [draft("t1", "Final Name", people=("Ann Alt",))],
    )  # fmt: skip

    assert index.suggest("worki", 10) == []
    assert [item.id for item in index.suggest("final", 10)] == ["t1"]
    assert len(index.suggest("ann al", 10)) == 1


@pytest.mark.parametrize(
    "typed",
    ["", " ", "\x00\x01\x02", "\t\n", "!?%_*\"'", "a" * 10_000, "the " * 2_500, "🎬" * 50, "\u202eabc", "\ud800",
     "\u0301", "%00", "ab\x00cd", "NEAR(", "\xff\xfe", "ﷺ" * 300, "İ" * 100],
)  # fmt: skip
async def test_hostile_input_is_answered(films: World, typed: str) -> None:
    assert len(films.ids(typed)) <= 10


async def test_an_empty_catalogue_suggests_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        assert [world.ids(typed) for typed in ("the", "matrix rel", "M", "нет")] == [[], [], [], []]


async def test_a_single_title_is_found(tmp_path: Path) -> None:
    index = index_of(tmp_path, [draft("t1", "Metropolis")])

    for typed in ("me", "metro", "metropolis", "mertopolis"):
        assert [item.id for item in index.suggest(typed, 5)] == ["t1"]


async def test_before_there_is_an_index_nothing_is_suggested(tmp_path: Path) -> None:
    async with open_world(tmp_path, FILMS) as world:
        new = SuggestIndex(type(world.index.folder)(tmp_path / "elsewhere", "x"))
        new.refresh()

        assert new.suggest("dark", 5) == []
