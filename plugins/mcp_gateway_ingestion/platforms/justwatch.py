"""Entries of JustWatch with their offers: as its GraphQL nodes, as clients flatten them, and as its old REST API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mcp_gateway.catalog.models import Kind, OfferKind, TitleFacts
from mcp_gateway.catalog.platforms import OfferFacts, PlatformTitle, Sighting

from .fields import (
    MAX_ITEMS,
    MAX_OVERVIEW,
    Notes,
    cleaned,
    first,
    identifier,
    mapping,
    names,
    release_day,
    text,
    whole,
    year,
)
from .money import Price, read_price
from .offers import begin_of, both_kinds, in_order, link_of, make_offer, own_id, quality_of, until_of
from .regions import language_of, region_of
from .rules import Package, Rules
from .works import (
    age_rating,
    genre_names,
    imdb_id,
    key_of,
    keywords_of,
    kind_of,
    known,
    needed,
    rating,
    scored,
    tmdb_number,
)

_BOTH = "FLATRATE_AND_ADS"
_KINDS: Mapping[str, OfferKind] = {kind.name: kind for kind in OfferKind} | {_BOTH: OfferKind.FLATRATE}
_DISCS = frozenset({"DVD", "BLURAY", "BLURAY_4K"})
_NO_PICTURE = frozenset({"", "CANVAS"})

_ID = ("entry_id", "episode_id", "id")
_TYPE = ("object_type", "objectType")
_TITLE = ("title", "name")
_YEAR = ("release_year", "originalReleaseYear", "original_release_year")
_DATE = ("release_date", "originalReleaseDate")
_RUNTIME = ("runtime_minutes", "runtime")
_OVERVIEW = ("short_description", "shortDescription")
_AGE = ("age_certification", "ageCertification")
_SEASONS = ("total_season_count", "totalSeasonCount")
_MONETIZATION = ("monetization_type", "monetizationType")
_PRESENTATION = ("presentation_type", "presentationType")
_PRICE = ("price_value", "retailPriceValue", "retail_price")
_CURRENCY = ("price_currency", "currency")
_BEGINS = ("available_from", "availableFrom")
_ENDS = ("available_to", "availableTo")
_LINK = ("url", "standardWebURL", "standard_web")
_PARENT = ("parent_entry_id", "show_entry_id")
"""JustWatch does not say which series a season is of: whoever asks for the seasons of one adds its id."""


def read(entry: Mapping[Any, Any], rules: Rules, seen: Sighting, notes: Notes) -> PlatformTitle | None:
    """An entry, with the offers of the platform's own packages.

    Returns:
        None when the platform has none of its offers.

    Raises:
        Unusable: Id, kind or title are missing.
    """
    own = [(region, offer, package) for region, offer in _offers(entry, seen, notes) if (package := _own(offer, rules))]
    if rules.has_offers and not own:
        return None
    flat = {**mapping(entry, "content"), **mapping(mapping(entry, "content"), "externalIds"), **entry}
    offers = in_order(made for one in own for made in _made(*one, rules, seen, notes))
    kind = kind_of(flat.get(first(flat, _TYPE)), first(flat, _TYPE))
    key = _key(flat, kind)
    facts = _facts(flat, kind, key, offers, rules, notes)
    return PlatformTitle(key=key, facts=facts, offers=offers, parent_key=identifier(flat.get(first(flat, _PARENT))))


def _key(flat: Mapping[Any, Any], kind: Kind) -> str:
    """JustWatch's id; its old API gave the number alone, of what is `tm603` or `ts603` everywhere else."""
    key = key_of(flat, first(flat, _ID))
    return {"movie": "tm", "series": "ts"}.get(kind, "") + key if key.isdecimal() else key


def _facts(
    flat: Mapping[Any, Any], kind: Kind, key: str, offers: tuple[OfferFacts, ...], rules: Rules, notes: Notes
) -> TitleFacts:
    meaning = rules.vocabulary.of_names(genre_names(flat, "genres", notes)).noted("genres", notes)
    certification, ages = age_rating(flat, first(flat, _AGE), notes)
    scoring = mapping(flat, "scoring")
    imdb, votes = ("imdbScore", "imdbVotes") if "imdbScore" in scoring else ("imdb_score", "imdb_votes")
    title = first(flat, _TITLE)
    overview = text(flat, first(flat, _OVERVIEW), notes, MAX_OVERVIEW)
    return TitleFacts(
        kind=kind,
        name=needed(text(flat, title, notes), flat, title),
        year=year(flat, first(flat, _YEAR), notes),
        release_date=release_day(flat, first(flat, _DATE), notes),
        runtime_minutes=whole(flat, first(flat, _RUNTIME), notes) or None,
        season_count=whole(flat, first(flat, _SEASONS), notes) or None,
        overview=overview,
        overview_source="justwatch" if overview else None,
        certification=certification,
        genres=meaning.genres,
        keywords=keywords_of(meaning, *ages),
        ratings=scored(
            imdb=rating(scoring, imdb, notes, votes=votes),
            tmdb=rating(scoring, first(scoring, ("tmdb_score", "tmdbScore")), notes),
        ),
        external_ids=known(
            imdb=imdb_id(flat.get(first(flat, ("imdb_id", "imdbId")))),
            tmdb=tmdb_number(flat.get(first(flat, ("tmdb_id", "tmdbId")))),
            justwatch=key,
            # The link of a season may be that of its series.
            **{rules.key: own_id(offers, rules) if kind in {"movie", "series"} else None},
        ),
        season_number=whole(flat, first(flat, ("season_number", "seasonNumber")), notes),
        episode_number=whole(flat, first(flat, ("episode_number", "episodeNumber")), notes),
    )


def _offers(entry: Mapping[Any, Any], seen: Sighting, notes: Notes) -> Iterator[tuple[str | None, Mapping[Any, Any]]]:
    """The offers with their regions: a list, in one region, or a list for each of several."""
    listed = entry.get("offers")
    by_country = listed if isinstance(listed, dict) else {None: listed}
    for country, offers in by_country.items():
        region = region_of(country) if country is not None else seen.region
        if country is not None and region is None:
            notes.add("offers", country)
            continue
        for offer in offers[:MAX_ITEMS] if isinstance(offers, list) else ():
            if isinstance(offer, dict):
                yield region_of(offer.get("country")) or region, offer


def _own(offer: Mapping[Any, Any], rules: Rules) -> Package | None:
    """What the platform sells the title in; None when it is not the platform that sells."""
    package = mapping(offer, "package")
    for field in ("technical_name", "technicalName", "package_id", "packageId"):
        value = package.get(field)
        if isinstance(value, str | int) and value in rules.packages:
            return rules.packages[value]
    name = package.get(first(package, ("name", "clearName")))
    if rules.channel_suffix and isinstance(name, str) and name.strip().lower().endswith(rules.channel_suffix):
        return Package(OfferKind.ADDON, cleaned(name[:200])[: -len(rules.channel_suffix)].strip() or None)
    provider = offer.get("provider_id")
    return rules.packages.get(provider) if isinstance(provider, int) else None


def _made(
    region: str | None, offer: Mapping[Any, Any], package: Package, rules: Rules, seen: Sighting, notes: Notes
) -> list[OfferFacts]:
    monetization = first(offer, _MONETIZATION)
    written = offer.get(monetization)
    kind = _KINDS.get(written.upper()) if isinstance(written, str) else None
    if kind is None:
        notes.add(monetization, written)
        return []
    presentation = first(offer, _PRESENTATION)
    picture = offer.get(presentation)
    if isinstance(picture, str) and picture.upper() in _DISCS:
        return []  # a disc that is sent by mail is no way to watch here
    known_picture = not (isinstance(picture, str) and picture.upper() in _NO_PICTURE)
    begins, ends = first(offer, _BEGINS), first(offer, _ENDS)
    links = {**mapping(offer, "urls"), **offer}
    link = first(links, _LINK)
    made = make_offer(
        rules, seen, notes,
        kind=package.kind or kind,
        region=region,
        tier=package.tier,
        quality=quality_of(offer, presentation, notes) if known_picture else None,
        audio=_languages(offer, ("audio_languages", "audioLanguages"), notes),
        subtitles=_languages(offer, ("subtitle_languages", "subtitleLanguages"), notes),
        price=_price(offer, kind, notes),
        valid_from=begin_of(offer.get(begins), region, begins, notes),
        valid_until=until_of(offer.get(ends), region, ends, notes),
        link=link_of(links.get(link), rules, link, notes),
    )  # fmt: skip
    if str(written).upper() == _BOTH and package.kind is None:
        return both_kinds(made)
    return [made] if made else []


def _price(offer: Mapping[Any, Any], kind: OfferKind, notes: Notes) -> Price | None:
    if kind not in {OfferKind.RENT, OfferKind.BUY}:
        return None
    return read_price(offer, first(offer, _PRICE), first(offer, _CURRENCY), notes)


def _languages(offer: Mapping[Any, Any], fields: tuple[str, str], notes: Notes) -> set[str]:
    field = first(offer, fields)
    found = set()
    for name in names(offer, field, notes):
        tag = language_of(name)
        if tag is None:
            notes.add(field, name)
        else:
            found.add(tag)
    return found
