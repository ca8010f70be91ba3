"""Titles as rows of the tables, and back. The order of a row's values is that of the table's columns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any

import orjson

from mcp_gateway.catalog.identity import external_ids_of, name_key_of, name_keys_of
from mcp_gateway.catalog.models import (
    AlternativeTitle,
    Badge,
    Credit,
    PersonId,
    Rating,
    Title,
    TitleFacts,
    normalise_name,
    person_id_of,
)
from mcp_gateway.catalog.overlay import in_order
from mcp_gateway.catalog.records import PreparedRecord, Row, SourceRecord, fingerprint_of_facts


def prepare(record: SourceRecord) -> PreparedRecord:
    """Do all of an import that needs no database."""
    facts = record.facts
    return PreparedRecord(
        record.source,
        record.key,
        record.own_id,
        fingerprint_of_facts(facts) if record.fingerprint is None else record.fingerprint,
        facts.kind,
        name_keys_of(facts),
        facts.year,
        facts.runtime_minutes,
        external_ids_of(facts),
        people_of(facts),
        normalise_name(facts.overview) if facts.overview else "",
        title_row(facts),
    )


def facts_of(record: PreparedRecord) -> TitleFacts:
    """What the record says, read back from its row."""
    return title_of(("", *record.row, 0))


def title_row(facts: TitleFacts) -> Row:
    """The row of `titles`, without id and revision."""
    return (
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
        external_ids_json(facts.external_ids),
        facts.parent_id,
        facts.season_number,
        facts.episode_number,
        _json([(badge.name, badge.evidence) for badge in facts.badges]),
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
        credits_, ratings, external_ids, parent_id, season_number, episode_number, badges,
        revision,
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
        badges=tuple([Badge(*values) for values in _loads(badges)]),
        revision=revision,
    )


def external_ids_json(ids: Mapping[str, str]) -> str:
    """The value of the column."""
    return _json(ids)


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


_loads = orjson.loads
