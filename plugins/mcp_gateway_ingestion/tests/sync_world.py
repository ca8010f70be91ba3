"""A world to sync with: a source with a memory and faults, a normalizer of its payloads, and a catalogue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import anyio

from mcp_gateway.catalog.models import Offer, OfferKind, TitleFacts
from mcp_gateway.catalog.platforms import OfferFacts, PlatformRecord, PlatformTitle, Rejected, Sighting
from mcp_gateway.catalog.store import Catalog
from mcp_gateway.storage.engine import Database
from mcp_gateway.testing import FakeClock
from mcp_gateway.tests.catalogues import NOW, opened
from mcp_gateway.tests.offer_replay import outbox_of, replay, standing_offers
from mcp_gateway_ingestion import plugin
from mcp_gateway_ingestion.sync.report import TargetReport
from mcp_gateway_ingestion.sync.service import AvailabilitySync, Wish
from mcp_gateway_ingestion.sync.source import SourcePage
from mcp_gateway_ingestion.sync.state import Timing

PLATFORMS = ("acme", "other")


class PlainNormalizer:
    """Reads `{"id", "prices": {kind or tier: price}, "until"}`."""

    link_hosts: frozenset[str] = frozenset()

    def __init__(self, key: str) -> None:
        self.key = key
        self.name = key.title()

    def normalize(self, payload: Any, seen: Sighting) -> PlatformRecord | Rejected:
        """A film and its offers."""
        if not isinstance(payload, dict) or "id" not in payload:
            return Rejected("id: is missing")
        until = datetime.fromisoformat(payload["until"]) if payload.get("until") else None
        offers = tuple(
            OfferFacts(
                kind=OfferKind.RENT if price else OfferKind.FLATRATE,
                region=seen.region,
                tier=tier,
                price_minor=price or None,
                currency="USD" if price else None,
                valid_until=until,
            )
            for tier, price in payload["prices"].items()
        )
        facts = TitleFacts(kind="movie", name=f"Film {payload['id']}", year=2008)
        return PlatformRecord((PlatformTitle(key=payload["id"], facts=facts, offers=offers),))


@dataclass
class RememberingSource:
    """A server of offers: what changed, and for how long that is remembered.

    Attributes:
        shelf: Payloads by id, with when they changed.
        fault: Called with platform and cursor before each answer; may raise, wait, or give another page.
        asked: `since` and cursor of each question.
    """

    clock: FakeClock
    key: str = "acme-api"
    covers: Mapping[str, Set[str]] = field(default_factory=lambda: {"acme": {"US"}})
    window: timedelta | None = timedelta(days=31)
    page_size: int = 3
    shelf: dict[str, tuple[datetime, Any]] = field(default_factory=dict)
    removed: dict[str, datetime] = field(default_factory=dict)
    fault: Callable[[str, str | None], Any] | None = None
    asked: list[tuple[datetime | None, str | None]] = field(default_factory=list)

    def put(self, *ids: str, prices: dict[str, int] | None = None, **values: Any) -> None:
        """Offer titles, or offer them differently."""
        for key in ids:
            self.shelf[key] = self.clock.now(), {"id": key, "prices": prices or {"Standard": 0}, **values}
            self.removed.pop(key, None)

    def remove(self, *ids: str) -> None:
        """Offer titles no more."""
        for key in ids:
            del self.shelf[key]
            self.removed[key] = self.clock.now()

    async def page(self, platform: str, region: str, *, since: datetime | None, cursor: str | None) -> SourcePage:
        """Titles in the order of their ids."""
        await anyio.lowlevel.checkpoint()
        self.asked.append((since, cursor))
        if self.fault is not None:
            page = self.fault(platform, cursor)
            if page is not None:
                answer: SourcePage = await page if hasattr(page, "__await__") else page
                return answer
        now = self.clock.now()
        forgotten = now - self.window if self.window else now
        start = since or datetime.min.replace(tzinfo=now.tzinfo)
        listed = [(k, p) for k, (at, p) in sorted(self.shelf.items()) if since is None or at >= max(start, forgotten)]
        first = int(cursor or 0)
        shown = listed[first : first + self.page_size]
        more = first + self.page_size < len(listed)
        gone = (
            [k for k, at in sorted(self.removed.items()) if since and at >= max(start, forgotten)] if not more else []
        )
        return SourcePage(
            payloads=[payload for _, payload in shown],
            observed_at=now,
            next_cursor=str(first + self.page_size) if more else None,
            gone=[] if more else gone,
            total=len(listed),
        )


class SyncWorld:
    """A catalogue, sources and their sync. One process of perhaps several."""

    def __init__(
        self, db: Database, clock: FakeClock, *sources: RememberingSource, normalizers: Iterable[Any] = ()
    ) -> None:
        self.db = db
        self.clock = clock
        self.sources = sources or (RememberingSource(clock),)
        self.source = self.sources[0]
        self.catalog = Catalog(db, clock)
        platforms = {each.key: each for each in (*map(PlainNormalizer, PLATFORMS), *normalizers)}
        shutdown = SimpleNamespace(draining=anyio.Event())
        services: Any = SimpleNamespace(
            db=db, clock=clock, catalog=self.catalog, platforms=platforms, shutdown=shutdown
        )
        self.sync = AvailabilitySync(services, self.sources, Timing())

    async def run(self, **wish: Any) -> TargetReport:
        """Sync the first listing."""
        return (await self.sync.sync(Wish(**wish)))[0]

    async def offered(self) -> dict[str, list[Offer]]:
        """The standing offers by the name of their film."""
        ids = [title.id async for batch in self.catalog.changed_since(0) for title in batch]
        names = {title.id: title.name.removeprefix("Film ") for title in (await self.catalog.get(ids)).values()}
        return {names[title_id]: found for title_id, found in sorted((await self.catalog.offers(ids)).items())}

    async def is_right(self) -> bool:
        """Whether the offers are those of the source, and the events alone make the same."""
        names = set(await self.offered())
        return names == set(self.source.shelf) and await self.agrees()

    async def agrees(self) -> bool:
        """Whether the events alone make the offers of the table."""
        return replay(await outbox_of(self.db)) == await standing_offers(self.db)


@asynccontextmanager
async def sync_world(url: str, *sources: Callable[[FakeClock], RememberingSource]) -> AsyncIterator[SyncWorld]:
    """On an empty database."""
    async with opened(url, ingestion=plugin.register_migrations()) as (db, _):
        clock = FakeClock(NOW)
        yield SyncWorld(db, clock, *(make(clock) for make in sources))
