"""Titles as rows of the tables, and back. The order of a row's values is that of the table's columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any

import orjson

from mcp_gateway.catalog.identity import name_key_of
from mcp_gateway.catalog.models import (
    AlternativeTitle,
    Credit,
    PersonId,
    Rating,
    Title,
    TitleFacts,
    TitleId,
    normalise_name,
    person_id_of,
)
from mcp_gateway.catalog.overlay import in_order

Row = Sequence[Any]


def title_row(title_id: TitleId, facts: TitleFacts, revision: int) -> Row:
    """The row of `titles`."""
    return (
        title_id,
        facts.kind,
        facts.name,
        name_key_of(facts.name),
        facts.year,
        facts.release_date.isoformat() if facts.release_date else None,
        facts.runtime_minutes,
        facts.season_count,
        facts.overview,
        facts.overview_source,
        facts.tagline,
        facts.certification,
        facts.original_language,
        facts.popularity,
        _json(facts.genres),
        _json(facts.keywords),
        _json(facts.countries),
        _json([(name.name, name.language) for name in in_order(facts.alternative_titles)]),
        _json([(credit.name, credit.role, credit.character) for credit in facts.credits]),
        _json({source: (rating.score, rating.votes) for source, rating in facts.ratings.items()}),
        _json(facts.external_ids),
        facts.parent_id,
        facts.season_number,
        facts.episode_number,
        revision,
    )


def people_of(facts: TitleFacts) -> dict[PersonId, Row]:
    """The rows of `people`, by id. Of several spellings in one title the greatest."""
    found: dict[PersonId, Row] = {}
    for credit in facts.credits:
        person_id, key = person_keys(credit.name)
        if person_id not in found or found[person_id][1] < credit.name:
            found[person_id] = (person_id, credit.name, key)
    return found


@lru_cache(maxsize=100_000)
def person_keys(name: str) -> tuple[PersonId, str]:
    """A person's id, and the folded name that prefixes are looked up in."""
    return person_id_of(name), normalise_name(name)


def title_of(row: Row) -> Title:
    """The title of a row of `titles`."""
    (
        title_id, kind, name, _, year, release_date, runtime_minutes, season_count, overview, overview_source,
        tagline, certification, original_language, popularity, genres, keywords, countries, alternative_titles,
        credits_, ratings, external_ids, parent_id, season_number, episode_number, revision,
    ) = row  # fmt: skip
    return Title(
        id=title_id,
        kind=kind,
        name=name,
        year=year,
        release_date=date.fromisoformat(release_date) if release_date else None,
        runtime_minutes=runtime_minutes,
        season_count=season_count,
        overview=overview,
        overview_source=overview_source,
        tagline=tagline,
        certification=certification,
        original_language=original_language,
        popularity=popularity,
        genres=tuple(_loads(genres)),
        keywords=tuple(_loads(keywords)),
        countries=tuple(_loads(countries)),
        alternative_titles=tuple([AlternativeTitle(*values) for values in _loads(alternative_titles)]),
        credits=tuple([Credit(*values) for values in _loads(credits_)]),
        ratings={source: Rating(*values) for source, values in _loads(ratings).items()},
        external_ids=_loads(external_ids),
        parent_id=parent_id,
        season_number=season_number,
        episode_number=episode_number,
        revision=revision,
    )


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


_loads = orjson.loads
