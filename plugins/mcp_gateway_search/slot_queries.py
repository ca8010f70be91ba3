"""The conditions found in a query, as queries of the index."""

from __future__ import annotations

from collections.abc import Mapping

from tantivy import FieldType, Query, Schema

from .retrieval import any_of, of_kinds, rated_from, year_between
from .schema import offer_terms
from .understanding.people import PersonRole
from .understanding.slots import Slots

# In which fields somebody named in a role is looked for.
ROLES: Mapping[PersonRole, tuple[str, ...]] = {
    "actor": ("actor_key",),
    "director": ("director_key",),
    "writer": ("writer_key",),
    "maker": ("director_key", "writer_key"),
    "any": ("person_key",),
}


def firm(schema: Schema, slots: Slots, *, offers: bool = True, among_few: bool = False) -> list[Query]:
    """Conditions that a query states outright; those on offers only with `offers`. `among_few`: beside narrow ones."""
    numbers = slots.numbers
    found = years(schema, slots, among_few=among_few)
    if numbers.minutes_from is not None or numbers.minutes_to is not None:
        found.append(_between(schema, "runtime_minutes", numbers.minutes_from, numbers.minutes_to))
    if numbers.rating_from is not None:
        field = "imdb_rating" if numbers.rating_source == "imdb" else "rating"
        found.append(rated_from(schema, field, numbers.rating_from))
    kinds = slots.kinds or (["movie"] if slots.kinds_implied else [])
    if kinds:
        found.append(of_kinds(schema, kinds))
    if slots.certification:
        found.append(Query.term_query(schema, "certification", slots.certification))
    if offers and slots.asks_for_offers:
        terms = offer_terms(slots.platforms or None, slots.region, slots.monetization or None)
        found.append(any_of(schema, "offer", terms))
    return found


def loose(schema: Schema, slots: Slots) -> list[Query]:
    """Conditions that describe: beside many other words they only order."""
    values = (("genre", slots.genres), ("language", slots.languages), ("country", slots.countries))
    return [Query.term_query(schema, field, value) for field, chosen in values for value in chosen]


def years(schema: Schema, slots: Slots, *, off_by: int = 0, among_few: bool = False) -> list[Query]:
    """Titles of the years asked for, or so many years off."""
    first, last = slots.numbers.year_from, slots.numbers.year_to
    if first is None and last is None:
        return []
    low, high = None if first is None else first - off_by, None if last is None else last + off_by
    return [year_between(schema, low, high, among_few=among_few)]


def _between(schema: Schema, field: str, low: int | None, high: int | None) -> Query:
    return Query.range_query(
        schema, field, FieldType.Integer, lower_bound=low, upper_bound=high, use_inverted_index=True
    )
