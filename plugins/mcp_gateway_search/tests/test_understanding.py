"""What questions are taken for, what is corrected and said to be, and that names are left as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_gateway.api import Call
from mcp_gateway.catalog.models import normalise_name
from mcp_gateway_search.models import QueryEcho
from mcp_gateway_search.reader import QueryReader
from mcp_gateway_search.tests.library import LIBRARY, LIBRARY_OFFERS, ODD_NAMES
from mcp_gateway_search.tests.world import World, open_world, title
from mcp_gateway_search.understanding.lexicon import BUILT_IN, Lexicon
from mcp_gateway_search.understanding.slots import take_slots
from mcp_gateway_search.understanding.text import MAX_CHARS, QueryText, fold

pytestmark = pytest.mark.anyio

LEXICON = Lexicon.read()


@pytest.fixture(scope="module")
async def library(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A few dozen titles; tests only read."""
    async with open_world(tmp_path_factory.mktemp("library"), LIBRARY) as world:
        await world.catalog.put_offers(LIBRARY_OFFERS)
        assert await world.keeper.catch_up()
        yield world


async def echo_of(world: World, query: str) -> QueryEcho:
    """How a search understood its query."""
    echoed = (await world.search(query)).query
    assert isinstance(echoed, QueryEcho)
    return echoed


@pytest.mark.parametrize(
    ("query", "conditions"),
    [
        ("90s action movies", {"year_from": 1990, "year_to": 1999, "genres": ["Action"], "kinds": ["movie"]}),
        ("sci-fi from the seventies", {"year_from": 1970, "year_to": 1979, "genres": ["Science Fiction"]}),
        ("thrillers between 1994 and 1996", {"year_from": 1994, "year_to": 1996, "genres": ["Thriller"]}),
        ("films after 1999", {"year_from": 2000}),
        ("films since 1999", {"year_from": 1999}),
        ("films before the 80s", {"year_to": 1979}),
        ("films from 1999 on", {"year_from": 1999}),
        ("late 90s comedies", {"year_from": 1996, "year_to": 1999, "genres": ["Comedy"]}),
        ("films of 1984 or later", {"year_from": 1984}),
        ("action under two hours", {"minutes_to": 120}),
        ("horror at least 2.5 hours long", {"minutes_from": 150}),
        ("comedies of 90 minutes or less", {"minutes_to": 90}),
        ("movies rated PG-13", {"certification": "PG-13"}),
        ("r-rated horror", {"certification": "R", "genres": ["Horror"]}),
        ("dramas with an imdb score of at least 7.5", {"rating_from": 7.5, "rating_source": "imdb"}),
        ("dramas rated 8 or higher", {"rating_from": 8.0}),
        ("french-language crime films", {"languages": ["fr"], "genres": ["Crime"]}),
        ("comedies in korean", {"languages": ["ko"]}),
        ("funny films on netflix", {"platforms": ["netflix"], "moods": ["funny"], "genres": ["Comedy"]}),
        ("horror on disney+ in the uk", {"platforms": ["disney_plus"], "region": "GB"}),
        ("romcoms", {"genres": ["Romance", "Comedy"]}),
        ("british tv series", {"countries": ["GB"], "kinds": ["series"]}),
    ],
)
def test_conditions_are_found_in_plain_words(query: str, conditions: dict[str, Any]) -> None:
    found = take_slots(QueryText(query), LEXICON)

    told = {name: getattr(found, name, None) or getattr(found.numbers, name, None) for name in conditions}
    assert told == conditions


@pytest.mark.parametrize(
    "query", ["a man in 1863 wants revenge", "a film set in the 1940s", "mad max", "7 samurai", "up"]
)
def test_what_belongs_to_the_story_or_a_name_is_no_condition(query: str) -> None:
    numbers = take_slots(QueryText(query), LEXICON)

    assert not numbers.any


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("movies with keanu reeves", {"tt0133093", "tt0234215", "tt0111257", "tt0360486", "tt2911666"}),
        ("90s action movies with keanu reeves under two hours", {"tt0111257"}),
        ("films by director Ridley Scott", {"tt0078748"}),
        ("crime films starring robert deniro", {"tt0099685", "tt0113277"}),
        ("movies with robert de niro and al pacino", {"tt0113277"}),
        ("comedies by rob reiner", {"tt0098635"}),
        ("movies directed by keanu reeves", {"tt0133093", "tt0234215", "tt0111257", "tt0360486", "tt2911666"}),
        ("scary movies from 2005", {"tt0360486"}),
        ("action on netflix", {"tt0468569", "tt0133093", "tt0111257"}),
        ("vampire series", {"tt0118276"}),
        ("movies about aliens", {"tt0078748"}),
        ("movis about aliens", {"tt0078748"}),
        ("keanu reevs", {"tt0133093", "tt0234215", "tt0111257", "tt0360486", "tt2911666"}),
        ("films directed by ridly scott", {"tt0078748"}),
    ],
)
async def test_a_question_gets_exactly_the_titles_that_fit(library: World, query: str, expected: set[str]) -> None:
    assert set(await library.ids(query)) == expected


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("starwars", "tt0076759"),
        ("spider man", "tt0145487"),
        ("spiderman", "tt0145487"),
        ("the dark knigth", "tt0468569"),
        ("teh matrx", "tt0133093"),
        ("goodfelas", "tt0099685"),
        ("amelei", "tt0211915"),
        ("seven samuray", "tt0000004"),
        ("buffy the vampyre slayer", "tt0118276"),
        ("wall-e", "tt1000004"),
        ("revenge on the gangsters", "tt2911666"),
        ("matrix movie", "tt0133093"),
        ("blade runner film", "tt0083658"),
        ("dune movie", "tt1160419"),
        ("2001", "tt1000006"),
        ("matrix 2", "tt0133093"),
    ],
)
async def test_a_misspelt_or_half_remembered_title_is_the_first_hit(library: World, query: str, first: str) -> None:
    assert (await library.ids(query))[0] == first


async def test_where_nothing_is_offered_so_the_answer_says_that_it_relaxed_that(library: World) -> None:
    result = await library.search("romcoms on hulu")

    assert [item.title for item in result.items] == ["When Harry Met Sally"]
    assert result.query.model_dump()["relaxed"]


async def test_a_famous_name_is_likelier_than_an_unknown_person_of_nearly_the_same(tmp_path: Any) -> None:
    famous = title("tt1", "Harry Potter and the Chamber of Secrets", 2002, popularity=95)
    others = [title(f"tt2{n}", f"Harry Potter Special {n}", 2003, popularity=30) for n in range(20)]
    unknown = title("tt3", "Obscure", 1950, popularity=2, cast=["Harry Porter"])
    async with open_world(tmp_path, [famous, *others, unknown]) as world:
        assert (await world.ids("harry poter"))[0] == "tt1"


async def test_a_correction_says_what_and_why(library: World) -> None:
    echoed = await echo_of(library, "the dark knigth")

    assert echoed.original == "the dark knigth"
    assert echoed.corrected == "the dark knight"
    assert echoed.why == "a title of nearly this name: 1 letter differs"


async def test_doubt_is_told_with_the_other_way_to_take_it(tmp_path: Any) -> None:
    async with open_world(tmp_path, [title("tt1", "Taken", 2008), title("tt2", "Token", 2009)]) as world:
        echoed = await echo_of(world, "tkken")

    assert {echoed.corrected, echoed.did_you_mean} == {"taken", "token"}


async def test_a_number_is_no_typing_error(tmp_path: Any) -> None:
    async with open_world(
        tmp_path, [title("tt1", "Ocean's 12", 2004), title("tt2", "Ocean's 11", 2001, popularity=99)]
    ) as world:
        assert (await world.ids("oceans 12"))[0] == "tt1"
        assert (await world.ids("ocaens 12"))[0] == "tt1"


async def test_the_intent_shows_conditions_left_over_words_and_confidence(library: World) -> None:
    echoed = await echo_of(library, "90s crime movies with al pacino about heists")

    assert echoed.intent == {
        "kinds": ["movie"], "genres": ["Crime"], "people": [{"name": "al pacino", "role": "actor"}], "year_from": 1990,
        "year_to": 1999, "text": "heists", "confidence": 0.8, "source": "rules",
    }  # fmt: skip


async def test_synonyms_are_tried_and_named(library: World) -> None:
    assert "extraterrestrial" in ((await echo_of(library, "movies about aliens")).expansions or [])


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_names_that_look_like_mistakes_are_left_alone(library: World, name: str) -> None:
    result = await library.search(name)

    assert result.items[0].title == name
    assert result.query.corrected is None


async def test_no_name_of_the_catalogue_is_ever_changed(library: World) -> None:
    people = {credit.name for record in LIBRARY for credit in record.facts.credits}
    titles = {record.facts.name for record in LIBRARY}
    others = {other.name for record in LIBRARY for other in record.facts.alternative_titles}

    for name in people | titles | others:
        for written in (name, name.lower(), name.upper(), f"  {name} "):
            echoed = await echo_of(library, written)
            assert echoed.corrected is None, written


async def test_a_new_title_is_found_misspelt_at_once(tmp_path: Any) -> None:
    async with open_world(tmp_path, [title("tt1", "Old", 1990)]) as world:
        await world.search("something else")
        await world.put(title("tt2", "Brand New Film", 2026))

        assert (await world.ids("brnad new flim"))[0] == "tt2"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(max_size=300) | st.text("keanu revs 0123456789s'|.-\u202e\x00", max_size=60))
async def test_any_text_gets_an_answer(library: World, query: str) -> None:
    result = await library.search(query, limit=1)

    assert result.total >= len(result.items)
    assert (result.query.corrected is None) or result.query.model_dump()["why"]


CONDITION_WORDS = [
    "films", "movies", "by", "with", "starring", "rated", "under", "over", "between", "and", "1999", "90s", "hours",
    "imdb", "8", "pg", "the", "|", "*", "(", '"', ":", "OR", "keanu", "reeves", "netflix", "on", "in", "at least",
]  # fmt: skip


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.sampled_from(CONDITION_WORDS), max_size=60))
async def test_any_row_of_words_that_mean_conditions_gets_an_answer(library: World, words: list[str]) -> None:
    assert (await library.search(" ".join(words), limit=1)).total >= 0


@given(st.text(max_size=500))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(min_size=1, max_size=2000))
def test_a_long_query_is_cut_and_folded_like_names(text: str) -> None:
    assert len(QueryText(text).folded) <= 20 * MAX_CHARS
    if text.isalnum():
        assert fold(text) == normalise_name(text[:MAX_CHARS])


def test_every_phrase_of_the_lexicon_is_found_again() -> None:
    for phrase, slot in LEXICON.slots.items():
        if slot not in {"platforms", "regions"}:
            found = take_slots(QueryText(phrase), LEXICON)
            assert found.any or found.noun, phrase


def test_own_synonyms_add_to_the_built_in_ones(tmp_path: Any) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[genres]\nHorror = ["gruselfilm"]\n[equivalents]\nhound = ["dog"]\n')

    lexicon = Lexicon.read(BUILT_IN, own)

    assert take_slots(QueryText("Gruselfilm 1999"), lexicon).genres == ["Horror"]
    assert take_slots(QueryText("horror 1999"), lexicon).genres == ["Horror"]
    assert lexicon.equivalents["hound"] == ("dog",)


@pytest.mark.parametrize("content", ["[colours]\nred = ['rouge']", "[genres]\nHorror = 'scary'", "[genres"])
def test_a_wrong_synonyms_file_is_refused(tmp_path: Any, content: str) -> None:
    own = tmp_path / "own.toml"
    own.write_text(content)

    with pytest.raises(ValueError, match=r"own\.toml"):
        Lexicon.read(BUILT_IN, own)


async def test_a_word_that_was_taught_is_not_corrected(library: World, tmp_path: Any) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[equivalents]\nflic = ["policeman"]')
    reader = QueryReader(library.index, Lexicon.read(BUILT_IN, own))

    asked = await reader.read("flic", Call())

    assert (asked.words, asked.correction) == (("flic",), None)
    assert reader.expansions(asked) == ["policeman"]


async def test_without_a_vocabulary_queries_are_answered_as_they_are_written(library: World) -> None:
    reader = library.searching._reader

    asked = reader._processor.understand("90s action movies with keanu reeves", None)
    unknown = reader._processor.understand("teh matrx", None)

    assert (asked.kind, [mention.name for mention in asked.people]) == ("question", ["keanu reeves"])
    assert unknown.correction is None
    assert (await reader.read("the matrix", Call())).kind == "name"
