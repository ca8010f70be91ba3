"""Lines of our own format: what is read from them, and what is said of bad ones."""

from __future__ import annotations

from datetime import date
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.catalog.models import AlternativeTitle, Credit, Rating, TitleFacts, TitleId
from mcp_gateway_ingestion.jsonl import parse_line, parse_title
from mcp_gateway_ingestion.parsed import BadRecord, ParsedTitle

FULL: dict[str, Any] = {
    "id": "tt0078788",
    "type": "movie",
    "title": " Apocalypse Now ",
    "alt_titles": ["Apokalypse Jetzt"],
    "year": 1979,
    "release_date": "1979-08-15",
    "runtime_min": 147,
    "seasons": None,
    "genres": ["War", "Drama"],
    "tags": ["river"],
    "cast": [{"name": "Martin Sheen", "character": "Willard"}, {"name": "Marlon Brando", "character": None}],
    "directors": ["Francis Ford Coppola"],
    "writers": ["John Milius"],
    "overview": "A captain goes upriver.",
    "overview_source": "own",
    "tagline": None,
    "certification": "R",
    "countries": ["US"],
    "original_language": "en",
    "ratings": {"imdb": {"score": 8.4, "votes": 700000}, "movielens": {"score": 4, "votes": None}},
    "tmdb_popularity": 40.5,
    "popularity": 87.5,
    "external_ids": {"tmdb": 28, "justwatch": "tm1", "movielens": None},
    "sources": ["own"],
}


def test_every_field_of_the_format_is_read() -> None:
    parsed = parse_line(orjson.dumps(FULL))

    assert parsed == ParsedTitle(
        key="tt0078788",
        own_id=TitleId("tt0078788"),
        facts=TitleFacts(
            kind="movie",
            name="Apocalypse Now",
            year=1979,
            release_date=date(1979, 8, 15),
            runtime_minutes=147,
            overview="A captain goes upriver.",
            overview_source="own",
            certification="R",
            original_language="en",
            popularity=87.5,
            genres=("War", "Drama"),
            keywords=("river",),
            countries=("US",),
            alternative_titles=(AlternativeTitle("Apokalypse Jetzt"),),
            credits=(
                Credit("Martin Sheen", "actor", "Willard"),
                Credit("Marlon Brando", "actor"),
                Credit("Francis Ford Coppola", "director"),
                Credit("John Milius", "writer"),
            ),
            ratings={"imdb": Rating(8.4, 700000), "movielens": Rating(4.0)},
            external_ids={"tmdb": "28", "justwatch": "tm1", "imdb": "tt0078788"},
        ),
    )


def test_only_id_type_title_and_year_are_needed() -> None:
    parsed = parse_title({"id": "mg1", "type": "tv", "title": "A", "year": 2000})

    assert parsed.facts == TitleFacts(kind="series", name="A", year=2000)


def test_an_empty_text_is_the_same_as_none() -> None:
    given = {**FULL, "overview": " ", "tagline": "", "certification": "", "cast": [{"name": "A", "character": ""}]}

    facts = parse_title(given).facts

    assert (facts.overview, facts.tagline, facts.certification) == (None, None, None)
    assert facts.credits[0] == Credit("A", "actor")


def test_unknown_fields_are_left_out_and_named() -> None:
    assert parse_title({**FULL, "zz": 1, "Poster": "x"}).unknown_fields == ("Poster", "zz")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{", "not valid JSON: unexpected end of data (column 2)"),
        (b"\xff{}", "not UTF-8: byte 1 of the line"),
        (b"[1]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"[" * 100_000, "not valid JSON: depth limit exceeded"),
        (b'{"id": NaN}', "not valid JSON"),
        (b"{}", "id: field required; type: field required; title: field required; year: field required"),
    ],
)  # fmt: skip
def test_what_is_no_title_is_refused_with_the_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(BadRecord) as refused:
        parse_line(raw)

    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": "a b"}, "id: string should match pattern"),
        ({"id": "../etc"}, "id: string should match pattern"),
        ({"id": 5}, "id: should be a valid string"),
        ({"type": "film"}, "type: should be 'movie', 'tv', 'series', 'season' or 'episode'"),
        ({"title": "  "}, "title: string should have at least 1 character"),
        ({"title": None}, "title: should be a valid string"),
        ({"year": "1999"}, "year: should be a valid integer"),
        ({"year": True}, "year: should be a valid integer"),
        ({"year": 19990}, "year: should be less than or equal to 2200"),
        ({"release_date": "15.8.1979"}, "release_date: must be a date like 1994-09-23"),
        ({"runtime_min": -1}, "runtime_min: should be greater than or equal to 0"),
        ({"genres": "Drama"}, "genres: should be a valid list"),
        ({"cast": [{"character": "X"}]}, "cast.0.name: field required"),
        ({"cast": [{"name": "A", "character": 1}]}, "cast.0.character: should be a valid string"),
        ({"countries": ["USA"]}, "countries.0: string should match pattern"),
        ({"ratings": {"imdb": {"votes": 1}}}, "ratings.imdb.score: field required"),
        ({"ratings": {"imdb": {"score": 1e308}}}, "ratings.imdb.score: should be less than or equal to 100"),
        ({"popularity": 101}, "popularity: should be less than or equal to 100"),
        ({"external_ids": {"imdb": True}}, "external_ids.imdb"),
        ({"external_ids": {"IMDb": "tt1"}}, "external_ids.IMDb"),
        ({"overview": "a\0b"}, "overview: must not contain the character NUL"),
        ({"zz": [{"deep": "\0"}]}, "zz.0.deep: must not contain the character NUL"),
        ({"type": "episode"}, "parent_id: is required for a episode"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_with_what_is_wrong(change: dict[str, Any], reason: str) -> None:
    wrong = {**FULL, **change}

    with pytest.raises(BadRecord) as refused:
        parse_title(wrong)
    with pytest.raises(BadRecord) as refused_line:
        parse_line(orjson.dumps(wrong))

    assert str(refused.value).startswith(reason)
    assert str(refused_line.value) == str(refused.value)


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert parse_title({**FULL, "overview": "a\\u0000b"}).facts.overview == "a\\u0000b"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*FULL, "name", "zz"]), inner, max_size=6)
    ),
    max_leaves=20,
)


@given(
    JSON | st.builds(lambda change: {**FULL, **change}, st.dictionaries(st.sampled_from(list(FULL)), JSON, max_size=3))
)
def test_any_json_is_a_title_or_a_bad_record(value: Any) -> None:
    try:
        parsed = parse_title(value)
    except BadRecord as refused:
        assert str(refused)
    else:
        assert parsed.facts.name


@given(st.binary(max_size=200))
def test_any_bytes_are_a_title_or_a_bad_record(raw: bytes) -> None:
    with pytest.raises(BadRecord):
        parse_line(raw)
