"""Answers where titles can be watched, what is leaving, and which platforms there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from mcp_gateway.api import Call, Cursors, InvalidParams, NoParams, NotFound, Services
from mcp_gateway.catalog.availability import availability_of
from mcp_gateway.catalog.models import Offer, TitleId
from mcp_gateway.catalog.offering import Leaving
from mcp_gateway.catalog.platform_keys import platform_key, platform_name

from ..platforms.money import Price, money
from ..sync.service import AvailabilitySync
from ..sync.state import SyncState, Target
from .freshness import checked_platforms, listed, observed, status_of
from .models import (
    ALL_REGIONS,
    Availability,
    AvailabilityParams,
    AvailabilityRef,
    Expiring,
    ExpiringParams,
    ExpiringRef,
    LeavingItem,
    OfferItem,
    PlatformItem,
    PlatformList,
    SourceItem,
)

MAX_OFFERS = 100
MAX_COMPLETIONS = 100
_NOT_KNOWN = "Nobody said where it can be watched here: that is not known, which does not mean that it cannot."


class AvailabilityDesk:
    """The reading tools on availability."""

    def __init__(self, services: Services, sync: AvailabilitySync, cursors: Cursors, *, interval: timedelta) -> None:
        self._catalog = services.catalog
        self._platforms = services.platforms
        self._clock = services.clock
        self._sync = sync
        self._cursors = cursors
        self._interval = interval

    async def get_availability(self, params: AvailabilityParams, call: Call) -> AvailabilityRef:
        """Where a title can be watched, for how much and how long."""
        region = region_of(params.region)
        title = (await self._catalog.get([params.id])).get(params.id)
        if title is None:
            raise NotFound("title", params.id, nearest=await self._catalog.ids_like(params.id[:-1], 5))
        known = (await self._catalog.offers([title.id])).get(title.id, [])
        asked = [offer for offer in known if region is None or offer.region in {region, None}]
        sources, states = await self._sources(region=region, offers=asked)
        checked = checked_platforms(sources, states)
        now = self._clock.now()
        status = status_of(asked, checked if region else (), now)
        info = availability_of(asked)
        return Availability(
            id=title.id,
            title=title.name[:200],
            region=region or ALL_REGIONS,
            status=status,
            offers=[offer_item(offer) for offer in asked[:MAX_OFFERS]],
            regions=list(availability_of(known).regions),
            subscription_required=info.subscription_required,
            prices=list(dict.fromkeys(money(Price(price.minor, price.currency)) for price in info.prices)) or None,
            available_until=info.available_until.isoformat() if info.available_until else None,
            checked=checked,
            sources=sources,
            note=_note(status, asked, checked),
        )

    async def list_expiring_titles(self, params: ExpiringParams, call: Call) -> ExpiringRef:
        """Titles that soon leave a platform, the next first."""
        region = region_of(params.region)
        platform = await self._platform(params.platform)
        until = self._clock.now() + timedelta(days=params.days)
        leaving = await self._catalog.titles_leaving(until, platform=platform, region=region)
        query = {"platform": platform, "region": region, "days": params.days}
        shown = leaving
        if params.cursor is not None:
            last = self._cursors.decode(params.cursor, query=query, sort="until", caller=call.caller.id)
            shown = [each for each in leaving if _place(each) > tuple(last)]
        page = shown[: params.limit]
        has_more = len(shown) > len(page)
        sources, _ = await self._sources(region=region, platform=platform)
        return Expiring(
            region=region or ALL_REGIONS,
            items=await self._items(page),
            until=until.isoformat(),
            total=len(leaving),
            has_more=has_more,
            next_cursor=self._cursors.encode(_place(page[-1]), query=query, sort="until", caller=call.caller.id)
            if has_more
            else None,
            sources=sources,
            note=None if sources else "No source is asked regularly here: what leaves may not be known.",
        )

    async def list_platforms(self, params: NoParams, call: Call) -> PlatformList:
        """The streaming platforms: their keys, in which regions offers of them are known, and what keeps them right."""
        regions = await self._catalog.offers_by_region()
        states = await self._sync.states()
        items = []
        for key in sorted({*regions, *self._platforms, *(target.platform for target in states)}):
            counts = {region or "unknown": count for region, count in sorted(regions.get(key, {}).items())}
            sources = [self._listed(t, s) for t, s in states.items() if t.platform == key]
            items.append(
                PlatformItem(
                    key=key, name=self._name(key), regions=counts, can_be_read=key in self._platforms, sources=sources
                )
            )
        return PlatformList(items=items)

    async def complete_title(self, typed: str, call: Call) -> Sequence[str]:
        """Ids of titles, for the beginning of an id or a name."""
        return await self._catalog.ids_like(typed, MAX_COMPLETIONS)

    async def complete_region(self, typed: str, call: Call) -> Sequence[str]:
        """Regions that something is known of."""
        regions = {region for counts in (await self._catalog.offers_by_region()).values() for region in counts}
        regions |= {target.region for target in self._sync.targets}
        return sorted(region for region in regions if region and region.startswith(typed.upper()))[:MAX_COMPLETIONS]

    async def complete_platform(self, typed: str, call: Call) -> Sequence[str]:
        """Keys of platforms."""
        return [key for key in await self._platform_keys() if key.startswith(typed.lower())][:MAX_COMPLETIONS]

    async def _items(self, leaving: Sequence[Leaving]) -> list[LeavingItem]:
        titles = await self._catalog.get({each.title_id for each in leaving})
        return [
            LeavingItem(
                id=each.title_id,
                title=titles[each.title_id].name[:200],
                available_until=each.until.isoformat(),
                kind=titles[each.title_id].kind,
                year=titles[each.title_id].year,
                platform=each.platform,
                region=each.region or None,
            )
            for each in leaving
            if each.title_id in titles
        ]

    async def _sources(
        self, *, region: str | None, platform: str | None = None, offers: Iterable[Offer] | None = None
    ) -> tuple[list[SourceItem], dict[Target, SyncState]]:
        """What is synced of a platform and region; with offers, theirs too, and in all regions only theirs."""
        states = await self._sync.states()
        told = list(offers or ())
        theirs = {(offer.platform, offer.region) for offer in told}
        wanted = {
            target: state
            for target, state in states.items()
            if region in {None, target.region} and platform in {None, target.platform}
        }
        if offers is not None and region is None:
            wanted = {target: state for target, state in wanted.items() if target[1:] in theirs}
        items = [self._listed(target, state) for target, state in wanted.items()]
        return items + observed(told, states.keys(), self._clock.now()), states

    def _listed(self, target: Target, state: SyncState) -> SourceItem:
        return listed(target, state, self._clock.now(), self._interval)

    async def _platform(self, key: str | None) -> str | None:
        if not key:
            return None
        known, ours = await self._platform_keys(), platform_key(key.strip().lower())
        if ours not in known:
            raise NotFound("platform", key, nearest=[each for each in known if each[:2] == ours[:2]][:5])
        return ours

    async def _platform_keys(self) -> list[str]:
        return sorted({*self._platforms, *await self._catalog.offers_by_region()})

    def _name(self, key: str) -> str:
        known = self._platforms.get(key)
        return known.name if known else platform_name(key)


def region_of(text: str | None) -> str | None:
    """A region as offers have it.

    Raises:
        InvalidParams: It cannot be one.
    """
    if text is None:
        return None
    region = text.strip().upper()
    if len(region) != 2 or not region.isascii() or not region.isalpha():
        raise InvalidParams("region", f"{text[:20]!r} is not a country of ISO 3166-1 like US, DE or JP")
    return "GB" if region == "UK" else region


def offer_item(offer: Offer) -> OfferItem:
    """An offer as it is sent."""
    price = Price(offer.price_minor, offer.currency) if offer.price_minor is not None and offer.currency else None
    return OfferItem(
        platform=offer.platform,
        kind=offer.kind,
        region=offer.region,
        tier=offer.tier,
        quality=offer.quality,
        price=money(price) if price else None,
        price_minor=price.minor if price else None,
        currency=price.currency if price else None,
        audio=list(offer.audio) or None,
        subtitles=list(offer.subtitles) or None,
        available_from=offer.valid_from.isoformat() if offer.valid_from else None,
        available_until=offer.valid_until.isoformat() if offer.valid_until else None,
        link=offer.link,
        source=offer.source,
        observed_at=offer.observed_at.isoformat(),
        confidence=offer.confidence if offer.confidence < 1 else None,
    )


def _place(leaving: Leaving) -> tuple[str, TitleId, str, str]:
    return (leaving.until.isoformat(timespec="microseconds"), leaving.title_id, leaving.platform, leaving.region)


def _note(status: str, offers: Sequence[Offer], checked: Sequence[str]) -> str | None:
    if status == "not_offered":
        return f"Not offered by {', '.join(checked)}; of other platforms nothing is known here."
    if status == "not_known" and offers:
        return (
            f"Offered by {', '.join(sorted({offer.platform for offer in offers}))}, but in which regions is not known."
        )
    return _NOT_KNOWN if status == "not_known" else None
