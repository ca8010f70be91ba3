"""Payloads of the Streaming Availability API: versions 2, 3 and 4 differ in where an option names its service.

2: `streamingInfo[service][country]`; 3: `streamingInfo[country][]` with `service`; 4: `streamingOptions[country][]`
with `service.id`, and prices as text. Since 3, `seasons` and their `episodes` have options of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mcp_gateway.catalog.models import Kind, OfferKind, TitleFacts
from mcp_gateway.catalog.platforms import OfferFacts, PlatformTitle, Sighting

from .fields import MAX_ITEMS, MAX_OVERVIEW, Notes, first, identifier, mapping, names, objects, text, whole, year
from .money import read_price
from .offers import begin_of, in_order, link_of, make_offer, own_id, quality_of, until_of
from .regions import base_language_of, locale_of, region_of
from .rules import Rules, Unusable
from .works import (
    countries_of,
    genre_names,
    imdb_id,
    kind_of,
    known,
    needed,
    other_names,
    people,
    rating,
    scored,
    tmdb_number,
)

_KINDS: Mapping[str, OfferKind] = {
    "subscription": OfferKind.FLATRATE,
    "free": OfferKind.FREE,
    "rent": OfferKind.RENT,
    "buy": OfferKind.BUY,
    "addon": OfferKind.ADDON,
}
_SEASON = re.compile(r"\s*(?:season|series|part|temporada|saison|staffel|sezon)\s+(\d{1,4})\s*", re.IGNORECASE)
_MAX_SEASON_NAME = 40
# Seasons and episodes have no id of their own. Where they stand in their series is the same on every platform, and so
# their offers come together.
_SCHEME = "streaming_availability"


class Option(NamedTuple):
    """One way to watch, and where the payload puts it."""

    service: object
    country: object
    values: Mapping[Any, Any]


def read(show: Mapping[Any, Any], rules: Rules, seen: Sighting, notes: Notes) -> tuple[PlatformTitle, ...]:
    """A title with the options of the platform's own service; after a series its seasons and their episodes.

    Returns:
        Nothing when the platform has none of its options, nor of those of a season or an episode.

    Raises:
        Unusable: Kind, title or every id are missing.
    """
    if rules.has_offers and not _is_offered(show, rules):
        return ()
    kind = _kind(show)
    offers = _offers(show, rules, seen, notes)
    ids = known(
        imdb=imdb_id(show.get(first(show, ("imdbId", "imdbID")))),
        tmdb=tmdb_number(show.get(first(show, ("tmdbId", "tmdbID")))),
        **{rules.key: own_id(offers, rules)},
    )
    facts = _facts(show, kind, ids, rules, notes)
    title = PlatformTitle(key=_key(show, kind, ids), facts=facts, offers=offers)
    return (title, *_seasons(show, title, rules, seen, notes)) if kind == "series" else (title,)


def _seasons(
    show: Mapping[Any, Any], series: PlatformTitle, rules: Rules, seen: Sighting, notes: Notes
) -> Iterator[PlatformTitle]:
    """The seasons and their episodes; of a platform only those that it offers. Numbers stand nowhere but in names."""
    numbers: set[int] = set()
    for place, values in _parts(show, "seasons"):
        number = _season_number(values.get("title"), place)
        if number in numbers:
            notes.add("seasons", values.get("title"))
            continue
        numbers.add(number)
        key = f"{series.key}/s{number}"
        facts = TitleFacts(
            kind="season",
            name=text(values, "title", notes) or f"Season {number}",
            year=year(values, "firstAirYear", notes),
            season_number=number,
            external_ids={_SCHEME: key},
        )
        offers = _offers(values, rules, seen, notes)
        season = PlatformTitle(key=key, facts=facts, offers=offers, parent_key=series.key)
        episodes = list(_episodes(values, season, rules, seen, notes))
        if offers or episodes or not rules.has_offers:
            yield season
            yield from episodes


def _episodes(
    values: Mapping[Any, Any], season: PlatformTitle, rules: Rules, seen: Sighting, notes: Notes
) -> Iterator[PlatformTitle]:
    """The episodes of a season, numbered by their place in it: the API lists all of them, in order."""
    for place, episode in _parts(values, "episodes"):
        offers = _offers(episode, rules, seen, notes)
        if rules.has_offers and not offers:
            continue
        key = f"{season.key}e{place}"
        overview = text(episode, "overview", notes, MAX_OVERVIEW)
        facts = TitleFacts(
            kind="episode",
            name=text(episode, "title", notes) or f"Episode {place}",
            year=year(episode, first(episode, ("airYear", "year")), notes),
            overview=overview,
            overview_source="streaming-availability" if overview else None,
            season_number=season.facts.season_number,
            episode_number=place,
            external_ids={_SCHEME: key},
        )
        yield PlatformTitle(key=key, facts=facts, offers=offers, parent_key=season.key)


def _season_number(name: object, place: int) -> int:
    """The number in `Season 3`; specials have 0; else the place among the seasons."""
    if not isinstance(name, str) or len(name) > _MAX_SEASON_NAME:
        return place
    if name.strip().lower() in {"specials", "special"}:
        return 0
    match = _SEASON.fullmatch(name)
    return int(match[1]) if match else place


def _parts(values: Mapping[Any, Any], field: str) -> Iterator[tuple[int, Mapping[Any, Any]]]:
    """The objects of a list, each with its place from 1."""
    listed = values.get(field)
    for place, part in enumerate(listed[:MAX_ITEMS] if isinstance(listed, list) else (), 1):
        if isinstance(part, dict):
            yield place, part


def _is_offered(show: Mapping[Any, Any], rules: Rules) -> bool:
    """Whether the platform has options of a show, of one of its seasons, or of one of their episodes."""
    if any(_own(show, rules)):
        return True
    seasons = [season for _, season in _parts(show, "seasons")]
    episodes = (episode for season in seasons for _, episode in _parts(season, "episodes"))
    return any(any(_own(part, rules)) for part in (*seasons, *episodes))


def _facts(show: Mapping[Any, Any], kind: Kind, ids: dict[str, str], rules: Rules, notes: Notes) -> TitleFacts:
    name = needed(text(show, "title", notes), show, "title")
    language = base_language_of(show.get("originalLanguage"))
    meaning = rules.vocabulary.of_names(genre_names(show, "genres", notes)).noted("genres", notes)
    credits_ = people(names(show, "cast", notes), "actor")
    directors = first(show, ("directors", "significants"))
    # What version 2 calls the significant people of a series are its creators.
    if kind == "movie" or directors == "directors":
        credits_ += people(names(show, directors, notes), "director")
    votes = "imdbVoteCount" if "imdbVoteCount" in show else ""
    overview = text(show, "overview", notes, MAX_OVERVIEW)
    return TitleFacts(
        kind=kind,
        name=name,
        year=year(show, first(show, ("year", "releaseYear", "firstAirYear")), notes),
        runtime_minutes=whole(show, "runtime", notes) or None,
        season_count=whole(show, "seasonCount", notes) or None,
        overview=overview,
        overview_source="streaming-availability" if overview else None,
        tagline=text(show, "tagline", notes),
        original_language=language,
        genres=meaning.genres,
        keywords=meaning.keywords,
        countries=countries_of(show, "countries", notes),
        alternative_titles=other_names(name, (text(show, "originalTitle", notes),), language),
        credits=tuple(credits_),
        ratings=scored(
            imdb=rating(show, "imdbRating", notes, scale=100, votes=votes),
            tmdb=rating(show, "tmdbRating", notes, scale=100),
        ),
        external_ids=ids,
    )


def _kind(show: Mapping[Any, Any]) -> Kind:
    """The kind; version 2 says it only by the fields that it has."""
    field = first(show, ("showType", "type"))
    if show.get(field):
        return kind_of(show[field], field)
    if any(show.get(name) for name in ("firstAirYear", "lastAirYear", "seasons", "episodes")):
        return "series"
    if show.get("year"):
        return "movie"
    raise Unusable("type: is missing, and neither year nor firstAirYear tells film from series")


def _key(show: Mapping[Any, Any], kind: Kind, ids: Mapping[str, str]) -> str:
    """An id that stays when the title moves to another region: links, and the platform's ids in them, do not."""
    if "imdb" in ids:
        return ids["imdb"]
    if "tmdb" in ids:
        return f"{'movie' if kind == 'movie' else 'tv'}/{ids['tmdb']}"
    return needed(identifier(show.get("id")), show, "id")


def _options(show: Mapping[Any, Any]) -> Iterator[Option]:
    for field in ("streamingInfo", "streamingOptions"):
        for outer, inner in mapping(show, field).items():
            if isinstance(inner, dict):
                yield from (Option(outer, place, v) for place, v in inner.items() if isinstance(v, dict))
            elif isinstance(inner, list):
                for values in inner[:MAX_ITEMS]:
                    if isinstance(values, dict):
                        yield Option(_service(values), outer, values)


def _own(values: Mapping[Any, Any], rules: Rules) -> Iterator[Option]:
    return (option for option in _options(values) if option.service in rules.services)


def _offers(values: Mapping[Any, Any], rules: Rules, seen: Sighting, notes: Notes) -> tuple[OfferFacts, ...]:
    return in_order(_offer(option, rules, seen, notes) for option in _own(values, rules))


def _service(option: Mapping[Any, Any]) -> str | None:
    value = option.get("service")
    service = value.get("id") if isinstance(value, dict) else value
    return service if isinstance(service, str) else None


def _offer(option: Option, rules: Rules, seen: Sighting, notes: Notes) -> OfferFacts | None:
    values = option.values
    region = region_of(option.country)
    if region is None:
        notes.add("country", option.country)
        return None
    kind = _offer_kind(values, notes)
    if kind is None:
        return None
    tier = _addon(values) if kind is OfferKind.ADDON else None
    if tier is not None and tier.lower() in rules.own_addons:
        kind = OfferKind.FLATRATE
    ends = first(values, ("expiresOn", "leaving"))
    begins = first(values, ("availableSince", "added"))
    return make_offer(
        rules, seen, notes,
        kind=kind,
        region=region,
        tier=tier,
        quality=quality_of(values, "quality", notes),
        audio=_languages(values, "audios", notes),
        subtitles=_languages(values, "subtitles", notes),
        price=read_price(mapping(values, "price"), "amount", "currency", notes) if _is_priced(kind) else None,
        valid_from=begin_of(values.get(begins), region, begins, notes),
        valid_until=until_of(values.get(ends), region, ends, notes),
        link=link_of(values.get("link"), rules, "link", notes),
    )  # fmt: skip


def _is_priced(kind: OfferKind) -> bool:
    return kind in {OfferKind.RENT, OfferKind.BUY}


def _offer_kind(values: Mapping[Any, Any], notes: Notes) -> OfferKind | None:
    field = first(values, ("type", "streamingType"))
    value = values.get(field)
    if value is None:  # version 2 lists subscriptions only
        return OfferKind.ADS if values.get("ads") is True else OfferKind.FLATRATE
    kind = _KINDS.get(value) if isinstance(value, str) else None
    if kind is None:
        notes.add(field, value)
    return kind


def _addon(values: Mapping[Any, Any]) -> str | None:
    value = values.get("addon")
    named = value.get("name") or value.get("id") if isinstance(value, dict) else value
    return identifier(named)


def _languages(values: Mapping[Any, Any], field: str, notes: Notes) -> set[str]:
    """The languages of `{language, region}`, for subtitles within `locale`: ISO 639-2, and alpha-3 or M49."""
    found = set()
    for item in objects(values, field, notes):
        locale = item.get("locale", item)
        if not isinstance(locale, dict):
            continue
        language = locale.get("language")
        tag = locale_of(language, locale.get("region"))
        if tag is not None:
            found.add(tag)
        elif language:
            notes.add(field, language)
    return found
