"""resolve_title: all that a name may mean, with scores and reasons, and never a silent first hit."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_gateway_search.models import Candidates
from mcp_gateway_search.tests.world import World, open_world, title

pytestmark = pytest.mark.anyio


def short(found: Candidates) -> list[tuple[str, str]]:
    """The ids and reasons."""
    return [(candidate.title.id, candidate.reason) for candidate in found.candidates]


async def test_titles_of_the_same_name_are_all_candidates(films: World) -> None:
    found = await films.resolve("Dune")

    assert short(found) == [("tt1160419", "same name"), ("tt0087182", "same name")]
    assert all(candidate.score > 0.9 for candidate in found.candidates)


async def test_the_year_decides_between_titles_of_the_same_name(films: World) -> None:
    for found in (await films.resolve("Dune", year=1984), await films.resolve("dune (1984)")):
        assert short(found) == [("tt0087182", "same name, year 1984"), ("tt1160419", "same name, but year 2021")]
        assert found.candidates[0].score > 1.5 * found.candidates[1].score


async def test_a_year_that_is_one_off_counts_nearly_as_much(films: World) -> None:
    assert short(await films.resolve("Dune", year=1985))[0] == ("tt0087182", "same name, year 1984, one off")


async def test_a_number_that_belongs_to_the_name_is_not_taken_for_a_year(films: World) -> None:
    assert short(await films.resolve("Blade Runner 2049"))[0] == ("tt1856101", "same name")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Matrix", ("tt0000001", "same name")),
        ("amelie", ("tt0211915", "same name")),
        ("Hate", ("tt0113247", "alternative title 'Hate'")),
        ("seven samurai", ("tt0000004", "alternative title 'Seven Samurai'")),
        ("the dark knigt", ("tt0468569", "name within one letter")),
        ("teh dark knihgt", ("tt0468569", "name within two letters")),
        ("seven samuray", ("tt0000004", "alternative title 'Seven Samurai': name within one letter")),
        ("matrix reload", ("tt0234215", "name within two letters")),
        ("runner blade", ("tt0083658", "all words in the name")),
        ("2049", ("tt1856101", "name contains '2049'")),
    ],
)
async def test_each_candidate_says_how_its_name_agrees(films: World, name: str, expected: tuple[str, str]) -> None:
    assert expected in short(await films.resolve(name))


async def test_a_kind_leaves_out_all_others(films: World) -> None:
    assert short(await films.resolve("Breaking Bad", kind="movie")) == []
    assert short(await films.resolve("Breaking Bad", kind="series"))[0][0] == "tt0903747"


async def test_no_candidate_is_an_answer_that_says_what_to_try(films: World) -> None:
    found = await films.resolve("Zzyzx Road to Nowhere")

    assert found.candidates == []
    assert "search_titles" in (found.hint or "")


async def test_candidates_are_few_and_the_best_come_first(tmp_path: Path) -> None:
    many = [title(f"tt{number:07}", "Hamlet", 1900 + number, popularity=number) for number in range(60)]
    async with open_world(tmp_path, many) as world:
        found = await world.resolve("hamlet")

    scores = [candidate.score for candidate in found.candidates]
    assert len(scores) == 10
    assert scores == sorted(scores, reverse=True)
    assert found.candidates[0].title.id == "tt0000059"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(min_size=1, max_size=500), year=st.none() | st.integers(), kind=st.none() | st.just("movie"))
async def test_any_name_gets_an_answer_with_scores_from_0_to_1(
    films: World, name: str, year: int | None, kind: str | None
) -> None:
    found = await films.resolve(name, year=year, kind=kind)

    assert all(0 <= candidate.score <= 1 and candidate.reason for candidate in found.candidates)
    assert found.candidates or found.hint
