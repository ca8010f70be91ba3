"""Asks the Streaming Availability API (version 4) what a service has in a country, or what changed there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from datetime import datetime, timedelta
from typing import Any, Final

from ..sync.source import SourceGarbled, SourcePage
from .json_api import Answer, JsonApi

SERVICES: Final[Mapping[str, str]] = {
    "netflix": "netflix",
    "prime_video": "prime",
    "disney_plus": "disney",
    "hulu": "hulu",
    "hbo_max": "hbo",
    "apple_tv": "apple",
    "paramount": "paramount",
    "peacock": "peacock",
}
"""The API's ids of services, by platform."""

CHANGES = ("new", "updated", "removed")
"""Asked for one after another: a request names one."""


class StreamingAvailability:
    """The API as a source of availability."""

    key = "streaming-availability"
    window: timedelta | None = timedelta(days=30)  # the API knows of 31, and a run takes its time

    def __init__(self, api: JsonApi, regions: Set[str]) -> None:
        self._api = api
        self.covers: Mapping[str, Set[str]] = dict.fromkeys(SERVICES, frozenset(regions))

    async def page(self, platform: str, region: str, *, since: datetime | None, cursor: str | None) -> SourcePage:
        """Ask for a page, see `AvailabilitySource.page`."""
        service = SERVICES[platform]
        if since is None:
            query: dict[str, str | int] = {"country": region.lower(), "catalogs": service}
            query |= {"series_granularity": "show", "order_by": "original_title"}
            answer = await self._ask("/shows/search/filters", query, cursor)
            shows = answer.value.get("shows")
            if not isinstance(shows, list):
                raise SourceGarbled("Streaming Availability answered without shows.")
            return SourcePage(payloads=shows, observed_at=answer.at, next_cursor=_next(answer))
        return await self._changes(service, region, since, cursor)

    async def _changes(self, service: str, region: str, since: datetime, cursor: str | None) -> SourcePage:
        """A page of changes; the cursor names the kind of change, and the API's own cursor in it."""
        change, _, inner = (cursor or CHANGES[0]).partition("|")
        if change not in CHANGES:
            raise SourceGarbled("Streaming Availability was asked with a cursor that it never gave.")
        query: dict[str, str | int] = {"country": region.lower(), "catalogs": service, "change_type": change}
        query |= {"item_type": "show", "from": int(since.timestamp())}
        answer = await self._ask("/changes", query, inner or None)
        shows = answer.value.get("shows")
        if not isinstance(shows, dict):
            raise SourceGarbled("Streaming Availability answered without shows.")
        listed = [show for show in shows.values() if isinstance(show, dict)]
        gone = [key for show in listed if not _offers(show, service, region) and (key := _key(show))]
        following = _next(answer)
        then = CHANGES[CHANGES.index(change) + 1 :]
        next_cursor = f"{change}|{following}" if following else then[0] if then else None
        return SourcePage(payloads=listed, observed_at=answer.at, next_cursor=next_cursor, gone=gone)

    async def _ask(self, path: str, query: dict[str, str | int], cursor: str | None) -> Answer:
        more = {"cursor": cursor} if cursor else {}
        return await self._api.get(path, {**query, **more}, has_cursor=cursor is not None)


def _next(answer: Answer) -> str | None:
    if answer.value.get("hasMore") is not True:
        return None
    cursor = answer.value.get("nextCursor")
    if not isinstance(cursor, str) or not cursor:
        raise SourceGarbled("Streaming Availability says that there is more, and not where.")
    return cursor


def _offers(show: Mapping[str, Any], service: str, region: str) -> bool:
    return any(_service(option) == service for option in _options(show, region))


def _options(show: Mapping[str, Any], region: str) -> Iterator[Mapping[str, Any]]:
    options = show.get("streamingOptions")
    listed = options.get(region.lower()) if isinstance(options, dict) else None
    return (option for option in listed if isinstance(option, dict)) if isinstance(listed, list) else iter(())


def _service(option: Mapping[str, Any]) -> Any:
    service = option.get("service")
    return service.get("id") if isinstance(service, dict) else service


def _key(show: Mapping[str, Any]) -> str | None:
    """The key under which the normalizers know a show."""
    key = show.get("imdbId") or show.get("tmdbId") or show.get("id")
    return key if isinstance(key, str) and key else None
