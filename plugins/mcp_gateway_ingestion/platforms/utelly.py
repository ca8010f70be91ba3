"""Look-ups of Utelly by IMDb id: where a title is, with links, but neither prices nor dates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_gateway.catalog.models import Kind, TitleFacts
from mcp_gateway.catalog.platforms import OfferFacts, PlatformTitle, Sighting

from .fields import Notes, identifier, mapping, objects, text
from .offers import LISTED, in_order, link_of, make_offer, own_id
from .regions import region_of
from .rules import Rules, Unusable
from .works import imdb_id, known, needed

_FILM = ("/movie/", "/movies/", "/film/")
_SERIES = ("/series/", "/tv-season/", "/tv/", "/show/", "/shows/")


def read(answer: Mapping[Any, Any], rules: Rules, seen: Sighting, notes: Notes) -> PlatformTitle | None:
    """A title, with the locations of the platform.

    Returns:
        None when none of its locations is the platform's.

    Raises:
        Unusable: The name is missing, or no link tells film from series: Utelly does not say it.
    """
    collection = mapping(answer, "collection")
    locations = objects(collection, "locations", notes)
    own = [location for location in locations if _display_name(location) in rules.locations]
    if rules.has_offers and not own:
        return None
    name = needed(text(collection, "name", notes), collection, "name")
    kind = _kind(locations)
    offers = in_order(_offer(location, rules, seen, notes) for location in own)
    imdb = imdb_id(mapping(mapping(collection, "source_ids"), "imdb").get("id")) or imdb_id(answer.get("id"))
    key = imdb or needed(identifier(collection.get("id")), collection, "id")
    ids = known(imdb=imdb, **{rules.key: own_id(offers, rules)})
    return PlatformTitle(key=key, facts=TitleFacts(kind=kind, name=name, external_ids=ids), offers=offers)


def _display_name(location: Mapping[Any, Any]) -> str:
    value = location.get("display_name")
    return value if isinstance(value, str) else ""


def _kind(locations: list[dict[Any, Any]]) -> Kind:
    links = [url for location in locations if isinstance(url := location.get("url"), str)]
    film = any(part in url for url in links for part in _FILM)
    series = any(part in url for url in links for part in _SERIES)
    if film == series:
        raise Unusable("locations: no link tells whether this is a film or a series")
    return "movie" if film else "series"


def _offer(location: Mapping[Any, Any], rules: Rules, seen: Sighting, notes: Notes) -> OfferFacts | None:
    name = location.get("name")
    kind = rules.locations[_display_name(location)]
    if kind is None:  # rent or buy, which Utelly does not tell apart
        notes.add("locations", name)
        return None
    # Names end in their country: NetflixIVAUS.
    region = (region_of(name[-2:]) if isinstance(name, str) else None) or seen.region
    link = link_of(location.get("url"), rules, "url", notes)
    return make_offer(rules, seen, notes, kind=kind, region=region, link=link, confidence=LISTED)
