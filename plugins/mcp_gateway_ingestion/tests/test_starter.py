"""The starter catalogue keeps its own promises, and its facts agree with a reference catalogue where there is one."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.catalog.models import normalise_name
from mcp_gateway_ingestion.jsonl import parse_line
from scripts import check_starter

GENRES = frozenset(
    ["Action", "Adventure", "Animation", "Biography", "Comedy", "Crime", "Documentary", "Drama", "Family", "Fantasy",
     "Film-Noir", "History", "Horror", "Music", "Musical", "Mystery", "News", "Reality", "Romance",
     "Science Fiction", "Short", "Sport", "Talk Show", "Thriller", "War", "Western"]
)  # fmt: skip
CERTIFICATIONS = frozenset(["G", "PG", "PG-13", "R", "NC-17", "TV-Y", "TV-Y7", "TV-G", "TV-PG", "TV-14", "TV-MA"])
PLATFORMS = frozenset(["netflix", "prime_video", "disney_plus", "hulu", "hbo_max", "apple_tv", "paramount", "peacock"])
REQUIRED = frozenset(
    ["id", "type", "title", "year", "genres", "tags", "overview", "overview_source", "countries",
     "original_language", "external_ids", "popularity"]
)  # fmt: skip
OPTIONAL = frozenset(
    ["alt_titles", "runtime_min", "seasons", "directors", "writers", "cast", "certification", "offers"]
)
LANGUAGES = frozenset(["en", "ja", "ko", "fr", "it", "de", "es", "hi", "sv", "da", "zh", "fa", "pt", "pl", "ru"])
SHARED_WORDS = 8

Title = dict[str, Any]


@pytest.fixture(scope="module")
def titles() -> list[Title]:
    return check_starter.read_starter()


@pytest.fixture(scope="module")
def reference(titles: list[Title]) -> dict[str, Title]:
    if not check_starter.REFERENCE.is_file():
        pytest.skip("the reference catalogue is not here")
    return check_starter.read_reference(check_starter.REFERENCE, {title["id"] for title in titles})


def test_there_are_enough_titles_of_both_types(titles: list[Title]) -> None:
    types = [title["type"] for title in titles]

    assert set(types) == {"movie", "tv"}
    assert len(titles) >= 500
    assert types.count("tv") >= 120


def test_every_line_is_compact_json() -> None:
    lines = check_starter.STARTER.read_text(encoding="utf-8").splitlines()

    assert lines == [json.dumps(json.loads(x), ensure_ascii=False, separators=(",", ":")) for x in lines]


def test_every_line_is_a_title_that_the_jsonl_format_accepts(titles: list[Title]) -> None:
    parsed = [parse_line(line) for line in check_starter.STARTER.read_bytes().splitlines()]

    assert [title.key for title in parsed] == [title["id"] for title in titles]
    assert {name for title in parsed for name in title.unknown_fields} <= {"offers"}


def test_every_line_has_the_required_fields_and_no_unknown_or_empty_ones(titles: list[Title]) -> None:
    for title in titles:
        assert title.keys() >= REQUIRED, title["id"]
        assert title.keys() <= REQUIRED | OPTIONAL, title["id"]
        assert all(value not in (None, "", [], {}) for value in title.values()), title["id"]


def test_ids_are_imdb_ids_and_unique(titles: list[Title]) -> None:
    ids = [title["id"] for title in titles]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"tt\d{7,8}", each) for each in ids)
    assert all(title["external_ids"] == {"imdb": title["id"]} for title in titles)


def test_no_work_stands_twice(titles: list[Title]) -> None:
    works = [(title["type"], normalise_name(title["title"]), title["year"]) for title in titles]

    assert len(set(works)) == len(works)


def test_years_and_running_times_are_plausible(titles: list[Title]) -> None:
    assert all(1890 <= title["year"] <= 2026 for title in titles)
    assert all(5 <= title.get("runtime_min", 5) <= 400 for title in titles)
    assert all("seasons" not in title or title["type"] == "tv" for title in titles)


def test_every_decade_since_the_1920s_is_there(titles: list[Title]) -> None:
    assert {title["year"] // 10 * 10 for title in titles} >= set(range(1920, 2030, 10))


def test_many_languages_are_there(titles: list[Title]) -> None:
    assert {title["original_language"] for title in titles} >= LANGUAGES


def test_genres_and_certifications_are_of_the_known_lists(titles: list[Title]) -> None:
    assert {genre for title in titles for genre in title["genres"]} <= GENRES
    assert {title["certification"] for title in titles if "certification" in title} <= CERTIFICATIONS


def test_tags_are_a_few_and_not_repeated(titles: list[Title]) -> None:
    for title in titles:
        assert 3 <= len(title["tags"]) <= 8, title["id"]
        assert len(set(title["tags"])) == len(title["tags"]), title["id"]


def test_overviews_are_one_sentence_of_our_own_and_unique(titles: list[Title]) -> None:
    overviews = [title["overview"] for title in titles]

    assert len(set(overviews)) == len(overviews)
    for overview in overviews:
        assert 8 <= len(overview.split()) <= 40, overview
        assert re.fullmatch(r"[A-Z0-9À-Þ].*[^.!?]\.", overview), overview
        assert not re.search(r"[.!?]\s", overview), overview
    assert {title["overview_source"] for title in titles} == {"media-gateway"}


def test_films_have_directors_and_a_cast(titles: list[Title]) -> None:
    for title in titles:
        if title["type"] == "movie":
            assert title.get("directors"), title["id"]
            assert title.get("cast") or "Documentary" in title["genres"], title["id"]


def test_nobody_stands_twice_in_a_cast_and_everybody_has_a_name(titles: list[Title]) -> None:
    for title in titles:
        names = [member["name"] for member in title.get("cast", ())]
        assert all(names), title["id"]
        assert len(set(names)) == len(names), title["id"]


def test_offers_are_subscriptions_to_known_platforms(titles: list[Title]) -> None:
    offers = [offer for title in titles for offer in title.get("offers", ())]

    assert {offer["platform"] for offer in offers} == PLATFORMS
    assert {offer["monetization"] for offer in offers} == {"subscription"}
    assert all(offer.keys() == {"platform", "region", "monetization"} for offer in offers)
    assert all(offer["region"] == ("US" if offer["platform"] == "hulu" else None) for offer in offers)


def test_popularity_falls_from_line_to_line(titles: list[Title]) -> None:
    figures = [title["popularity"] for title in titles]

    assert all(higher > lower for higher, lower in pairwise(figures))
    assert figures[0] == 100
    assert figures[-1] >= 0


def test_the_check_says_so_when_there_is_no_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_starter.main([str(tmp_path / "absent.jsonl.gz")]) == 0
    assert "nothing was compared" in capsys.readouterr().out


def test_the_check_fails_when_facts_differ() -> None:
    ours = {"id": "tt0000001", "type": "movie", "title": "A", "year": 1950, "directors": ["Ann Lee"], "runtime_min": 90}
    theirs = {**ours, "directors": ["Lee Ann", "Bo Ek"], "runtime_min": 92}

    assert check_starter.compare([ours], {"tt0000001": theirs}).passed
    for wrong in ({"year": 1951}, {"directors": ["Bo Ek"]}, {"runtime_min": 93}):
        assert not check_starter.compare([ours], {"tt0000001": {**theirs, **wrong}}).passed


@pytest.mark.data
def test_the_facts_agree_with_the_reference(titles: list[Title], reference: dict[str, Title]) -> None:
    report = check_starter.compare(titles, reference)

    assert len(reference) >= 500
    assert min(agreement.compared for agreement in report.fields) >= 400
    assert report.passed, [each for agreement in report.fields for each in agreement.differences]


@pytest.mark.data
def test_every_exception_is_needed(titles: list[Title], reference: dict[str, Title]) -> None:
    ours = {title["id"]: title for title in titles}

    for title_id, field in check_starter.EXCEPTIONS:
        assert ours[title_id][field] != reference[title_id][field], (title_id, field)


@pytest.mark.data
def test_no_overview_repeats_the_words_of_the_reference(titles: list[Title], reference: dict[str, Title]) -> None:
    for title in titles:
        theirs = reference.get(title["id"], {}).get("overview") or ""
        shared = _runs(title["overview"]) & _runs(theirs)
        assert not shared, (title["id"], shared)


def _runs(text: str) -> set[Sequence[str]]:
    words = normalise_name(text).split()
    return {tuple(words[start : start + SHARED_WORDS]) for start in range(len(words) - SHARED_WORDS + 1)}
