"""How two accounts of one title become one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from mcp_gateway.catalog.models import AlternativeTitle, Credit, Title, TitleFacts
from mcp_gateway.catalog.popularity import popularity_of

_UNITED = {"credits", "alternative_titles", "ratings", "external_ids", "badges"}
_REPLACED = tuple(f.name for f in fields(TitleFacts) if f.name not in _UNITED)


def overlay(standing: Title, facts: TitleFacts, *, keep_name: bool, keep_nature: bool = False) -> Title:
    """Lay what a record says over what stands.

    What the record knows replaces, what it does not know stays; of the credits, this goes for each role.
    Alternative titles are united, and so are badges, ratings by their source and external ids by their scheme; of two
    ids in one scheme the smaller is shown. Votes can make a title more popular, and never less. Laying the same facts
    over twice changes nothing more.

    Args:
        standing: The title.
        facts: The record's.
        keep_name: Keep a display name that is replaced among the alternative titles: it was another
            source's, not a mistake of this one.
        keep_nature: Keep the kind, and the year of a series: lists of films have series among them, and many lists
            give the year of a series' latest season.
    """
    known: dict[str, Any] = {name: value for name in _REPLACED if (value := getattr(facts, name)) or value == 0}
    ratings = {**standing.ratings, **facts.ratings}
    if not facts.popularity:
        known["popularity"] = max(standing.popularity, popularity_of(ratings))
    if keep_nature:
        known.pop("kind")
        if standing.kind == "series" and standing.year is not None:
            known.pop("year", None)
    names = {*standing.alternative_titles, *facts.alternative_titles}
    if keep_name and facts.name != standing.name:
        names.add(AlternativeTitle(standing.name))
    return replace(
        standing,
        **known,
        credits=_recast(standing.credits, facts.credits),
        alternative_titles=in_order(names),
        ratings=ratings,
        external_ids=_united_ids(standing, facts),
        badges=tuple(sorted({*standing.badges, *facts.badges})),
    )


def in_order(names: Iterable[AlternativeTitle]) -> tuple[AlternativeTitle, ...]:
    """Alternative titles as the catalogue gives them: each once, by name, then language."""
    return tuple(sorted(set(names), key=lambda name: (name.name, name.language or "")))


def smallest(values: Iterable[str]) -> str:
    """The external id that is shown where a title has several of one scheme: the shortest, then the first."""
    return min(values, key=lambda value: (len(value), value))


def _recast(standing: tuple[Credit, ...], given: tuple[Credit, ...]) -> tuple[Credit, ...]:
    roles = {credit.role for credit in given}
    return given + tuple(credit for credit in standing if credit.role not in roles)


def _united_ids(standing: TitleFacts, facts: TitleFacts) -> dict[str, str]:
    united = dict(standing.external_ids)
    for scheme, value in facts.external_ids.items():
        united[scheme] = smallest((united.get(scheme, value), value))
    return united
