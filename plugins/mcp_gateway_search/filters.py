"""Conditions on titles: checked against what the catalogue has, and made into queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tantivy import Occur, Query

from mcp_gateway.api import InvalidParams
from mcp_gateway.catalog.models import normalise_name
from mcp_gateway.catalog.platform_keys import platform_key

from .index import TitleIndex
from .models import Filters
from .retrieval import any_of, of_kinds, phrase, rated_from, unscored, year_between
from .schema import PERSON_KEYS, joined, offer_terms
from .understanding.words import words_of

MAX_ALLOWED_SHOWN = 30


def conditions(index: TitleIndex, filters: Filters) -> list[Query]:
    """One query for each condition.

    Raises:
        InvalidParams: A genre or platform that the catalogue does not know.
    """
    found = [
        *_genres(index, filters),
        *_offers(index, filters),
        *_people(index, filters),
        *_numbers(index, filters),
    ]
    if filters.kinds:
        found.append(of_kinds(index.schema, filters.kinds))
    return [unscored(query) for query in found]


def _genres(index: TitleIndex, filters: Filters) -> list[Query]:
    genres = _known(index, "genre", filters.genres, field="filters.genres")
    return [Query.term_query(index.schema, "genre", genre) for genre in genres]


def _offers(index: TitleIndex, filters: Filters) -> list[Query]:
    """One offer must meet all conditions on offers: on that platform, in that region, for that kind of payment."""
    wanted = [platform_key(platform) for platform in filters.platforms or ()]
    platforms = _known(index, "platform", wanted, field="filters.platforms")
    region = filters.region.upper() if filters.region else None
    if not (platforms or region or filters.monetization):
        return []
    return [any_of(index.schema, "offer", offer_terms(platforms, region, filters.monetization))]


def _people(index: TitleIndex, filters: Filters) -> list[Query]:
    return [query for told in filters.people or () if (query := _person(index, told)) is not None]


def _person(index: TitleIndex, told: str) -> Query | None:
    """Somebody of the name, or without one somebody with the words in a row in their name, in the role or in any."""
    before, colon, after = told.partition(":")
    role = next((role for role in PERSON_KEYS if colon and before.strip().lower() == role), None)
    words, _ = words_of(after if role else told)
    if not words:
        return None
    key, field = joined(" ".join(words)), PERSON_KEYS[role] if role else "person_key"
    if index.count("person_key", key):
        return Query.term_query(index.schema, field, key)
    fields = [role] if role else PERSON_KEYS
    return Query.boolean_query([(Occur.Should, phrase(index.schema, field, words)) for field in fields])


def _numbers(index: TitleIndex, filters: Filters) -> Iterable[Query]:
    if filters.year_from is not None or filters.year_to is not None:
        first, last = filters.year_from, filters.year_to
        if first is not None and last is not None and first > last:
            raise InvalidParams("filters.year_from", "must not be after filters.year_to")
        yield year_between(index.schema, first, last)
    if filters.rating_from is not None:
        least = min(11.0, max(0.0, filters.rating_from))
        yield rated_from(index.schema, "rating", least)


def _known(index: TitleIndex, indexed: str, wanted: Sequence[str] | None, *, field: str) -> list[str]:
    """The values as the catalogue spells them.

    While the index does not hold the whole catalogue, or has no such values at all, an unknown one is no fault: it
    finds nothing.
    """
    if not wanted:
        return []
    known = index.values(indexed)
    return [known.get(_folded(value)) or _unknown(index, value, known, field) for value in wanted]


def _unknown(index: TitleIndex, value: str, known: Mapping[str, str], field: str) -> str:
    if not known or not index.is_complete:
        return value[:100]
    from rapidfuzz import process  # here: only a misspelt value needs its 3 MB

    close = process.extractOne(_folded(value), list(known), score_cutoff=60)
    allowed = sorted(known.values())
    raise InvalidParams(
        field,
        f"{value[:60]!r} is not one of the catalogue's {len(allowed)}",
        allowed=allowed if len(allowed) <= MAX_ALLOWED_SHOWN else None,
        nearest=known[close[0]] if close else None,
    )


def _folded(value: str) -> str:
    return normalise_name(value[:100]).replace(" ", "_")
