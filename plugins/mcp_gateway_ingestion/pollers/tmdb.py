"""Asks the API of TMDB who offers what: titles that a provider has, or titles that changed, each with its details."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import anyio

from mcp_gateway.api import Clock

from ..sync.source import SourceGarbled, SourcePage
from .json_api import Answer, JsonApi, NotThere

Kind = Literal["movie", "tv"]

PROVIDERS: Final[Mapping[str, tuple[int, ...]]] = {
    "netflix": (8, 1796),
    "prime_video": (9, 119, 2100),
    "disney_plus": (337,),
    "hulu": (15,),
    "hbo_max": (384, 1899),
    "apple_tv": (350,),
    "paramount": (531, 1770, 1853),
    "peacock": (386, 387),
}
"""TMDB's numbers of providers, by platform; plans with advertisements have numbers of their own."""

APPENDED = "watch/providers,external_ids"
AT_A_TIME = 4
"""Requests for details at the same time."""

KEPT = 4000
KEPT_FOR = timedelta(minutes=50)
"""Details serve all platforms and regions of a round, which comes every hour."""

LAST_PAGE = 500
"""The API gives no page after that."""


class Tmdb:
    """The API as a source of availability."""

    key = "tmdb"
    window: timedelta | None = timedelta(days=13)  # the API knows of 14

    def __init__(self, api: JsonApi, regions: Set[str], clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._kept: OrderedDict[tuple[Kind, int], tuple[datetime, Mapping[str, Any] | None]] = OrderedDict()
        self.covers: Mapping[str, Set[str]] = dict.fromkeys(PROVIDERS, frozenset(regions))

    async def page(self, platform: str, region: str, *, since: datetime | None, cursor: str | None) -> SourcePage:
        """Ask for a page, see `AvailabilitySource.page`. A cursor is a kind and the number of a page: `tv|3`."""
        kind, number = _position(cursor)
        if since is None:
            query: dict[str, str | int] = {"watch_region": region, "sort_by": "primary_release_date.asc"}
            query |= {"with_watch_providers": "|".join(map(str, PROVIDERS[platform])), "page": number}
            if kind == "tv":
                query["sort_by"] = "first_air_date.asc"
            answer = await self._api.get(f"/discover/{kind}", query)
        else:
            query = {"start_date": since.date().isoformat(), "page": number}
            answer = await self._api.get(f"/{kind}/changes", query)
        ids = _ids(answer)
        details = await self._details(kind, ids)
        payloads = [found for found in details.values() if found is not None]
        offered = {number for number, found in details.items() if found and _offers(found, platform, region)}
        return SourcePage(
            payloads=payloads,
            observed_at=answer.at,
            next_cursor=_next(kind, number, answer),
            gone=[f"{kind}/{number}" for number in ids if number not in offered],
        )

    async def _details(self, kind: Kind, ids: Sequence[int]) -> dict[int, Mapping[str, Any] | None]:
        found: dict[int, Mapping[str, Any] | None] = {}
        limiter = anyio.CapacityLimiter(AT_A_TIME)

        async def one(number: int) -> None:
            async with limiter:
                found[number] = await self._detail(kind, number)

        try:
            async with anyio.create_task_group() as tasks:
                for number in ids:
                    tasks.start_soon(one, number)
        except ExceptionGroup as group:
            raise _first(group) from None
        return {number: found[number] for number in ids}

    async def _detail(self, kind: Kind, number: int) -> Mapping[str, Any] | None:
        """A title with all that is appended; None when TMDB has removed it."""
        now = self._clock.now()
        kept = self._kept.get((kind, number))
        if kept is not None and now - kept[0] < KEPT_FOR:
            return kept[1]
        try:
            found = (await self._api.get(f"/{kind}/{number}", {"append_to_response": APPENDED})).value
        except NotThere:
            found = None
        self._kept[kind, number] = now, found
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found


def _position(cursor: str | None) -> tuple[Kind, int]:
    kind, _, number = (cursor or "movie|1").partition("|")
    if not number.isdigit():
        raise SourceGarbled("TMDB was asked with a cursor that it never gave.")
    return ("tv" if kind == "tv" else "movie"), int(number)


def _ids(answer: Answer) -> list[int]:
    results = answer.value.get("results")
    if not isinstance(results, list):
        raise SourceGarbled("TMDB answered without results.")
    numbers = (each.get("id") for each in results if isinstance(each, dict) and each.get("adult") is not True)
    return list(dict.fromkeys(number for number in numbers if isinstance(number, int) and number > 0))


def _next(kind: Kind, number: int, answer: Answer) -> str | None:
    pages = answer.value.get("total_pages")
    if not isinstance(pages, int):
        raise SourceGarbled("TMDB answered without the number of pages.")
    if number < min(pages, LAST_PAGE):
        return f"{kind}|{number + 1}"
    return "tv|1" if kind == "movie" else None


def _offers(details: Mapping[str, Any], platform: str, region: str) -> bool:
    """Whether one of the platform's providers has the title in the region."""
    part = details.get("watch/providers")
    results = part.get("results") if isinstance(part, dict) else None
    country = results.get(region) if isinstance(results, dict) else None
    listed = country.values() if isinstance(country, dict) else ()
    providers = (each for kind in listed if isinstance(kind, list) for each in kind if isinstance(each, dict))
    return any(each.get("provider_id") in PROVIDERS[platform] for each in providers)


def _first(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
