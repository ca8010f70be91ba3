"""TMDB's details of a title with `watch/providers` appended: per country who has it, without prices and dates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mcp_gateway.catalog.models import Kind, OfferKind, TitleFacts
from mcp_gateway.catalog.platforms import OfferFacts, PlatformTitle, Sighting

from .fields import MAX_OVERVIEW, Notes, first, mapping, objects, release_day, text, whole
from .offers import in_order, make_offer
from .regions import base_language_of, region_of
from .rules import Package, Rules
from .works import genre_names, imdb_id, key_of, known, needed, other_names, rating, scored

_KINDS = {
    kind.value: kind for kind in (OfferKind.FLATRATE, OfferKind.ADS, OfferKind.FREE, OfferKind.RENT, OfferKind.BUY)
}


def read(details: Mapping[Any, Any], rules: Rules, seen: Sighting, notes: Notes) -> PlatformTitle | None:
    """A film (`title`) or series (`name`), with what the platform's own providers offer.

    Returns:
        None when none of its providers is the platform.

    Raises:
        Unusable: Id or name are missing: the answer of `watch/providers` alone says neither film nor series.
    """
    results = mapping(mapping(details, "watch/providers"), "results") or mapping(details, "results")
    own = list(_own(results, rules, notes))
    if rules.has_offers and not own:
        return None
    kind: Kind = "series" if details.get("name") and not details.get("title") else "movie"
    number = key_of(details, "id")
    offers = in_order(_offer(*one, rules, seen, notes) for one in own)
    key = f"{'movie' if kind == 'movie' else 'tv'}/{number}"
    return PlatformTitle(key=key, facts=_facts(details, kind, number, rules, notes), offers=offers)


def _facts(details: Mapping[Any, Any], kind: Kind, number: str, rules: Rules, notes: Notes) -> TitleFacts:
    title, date = ("title", "release_date") if kind == "movie" else ("name", "first_air_date")
    name = needed(text(details, title, notes), details, title)
    released = release_day(details, date, notes)
    language = base_language_of(details.get("original_language"))
    meaning = rules.vocabulary.of_names(genre_names(details, "genres", notes)).noted("genres", notes)
    original = text(details, first(details, ("original_title", "original_name")), notes)
    imdb = details.get("imdb_id") or mapping(details, "external_ids").get("imdb_id")
    overview = text(details, "overview", notes, MAX_OVERVIEW)
    return TitleFacts(
        kind=kind,
        name=name,
        year=released.year if released else None,
        release_date=released,
        runtime_minutes=whole(details, "runtime", notes) or None,
        season_count=whole(details, "number_of_seasons", notes) or None,
        overview=overview,
        overview_source="tmdb" if overview else None,
        tagline=text(details, "tagline", notes),
        original_language=language,
        genres=meaning.genres,
        keywords=meaning.keywords,
        alternative_titles=other_names(name, (original,), language),
        ratings=scored(tmdb=rating(details, "vote_average", notes, votes="vote_count")),
        external_ids=known(tmdb=number, imdb=imdb_id(imdb)),
    )


def _own(results: Mapping[Any, Any], rules: Rules, notes: Notes) -> Iterator[tuple[str, OfferKind, Package]]:
    for country, lists in results.items():
        for field, kind in _KINDS.items() if isinstance(lists, dict) else ():
            for provider in objects(lists, field, notes):
                package = _package(provider, rules)
                region = region_of(country) if package else None
                if package and region:
                    yield region, kind, package
                elif package:
                    notes.add("results", country)


def _package(provider: Mapping[Any, Any], rules: Rules) -> Package | None:
    number, name = provider.get("provider_id"), provider.get("provider_name")
    if isinstance(number, int) and number in rules.packages:
        return rules.packages[number]
    if rules.channel_suffix and isinstance(name, str) and name.strip().lower().endswith(rules.channel_suffix):
        return Package(OfferKind.ADDON, name.strip()[: -len(rules.channel_suffix)].strip()[:200] or None)
    return None


def _offer(
    region: str, kind: OfferKind, package: Package, rules: Rules, seen: Sighting, notes: Notes
) -> OfferFacts | None:
    return make_offer(rules, seen, notes, kind=package.kind or kind, region=region, tier=package.tier)
