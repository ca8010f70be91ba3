"""How fast listings of availability come in, end to end: a platform's payloads become titles, offers and events.

Run with `python -m benchmarks.ingestion.bench_availability [--titles N] [--postgresql URL]`. A row is an offer; a title
has eight of them. The payloads have the shape of the Streaming Availability API, version 4: a shop's film with what it
costs to rent and to buy in three qualities, for subscribers, and as part of a channel. Three syncs of the same listing:
the first, one in which nothing changed, and one in which one film in a hundred costs something else. Seconds are of the
wall clock and of the process's own CPU; PostgreSQL and the process that reads payloads work beside it. Without a URL a
server is started.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Set
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time
from types import SimpleNamespace
from typing import Any

from mcp_gateway_ingestion import plugin
from mcp_gateway_ingestion.platforms.prime_video import PRIME_VIDEO
from mcp_gateway_ingestion.sync.report import TargetReport
from mcp_gateway_ingestion.sync.run import ListingRun
from mcp_gateway_ingestion.sync.source import SourcePage
from mcp_gateway_ingestion.sync.state import Target, Timing
from mcp_gateway_ingestion.sync.store import SyncStore
from sqlalchemy import text

from mcp_gateway.catalog.store import Catalog
from mcp_gateway.clock import SystemClock
from mcp_gateway.main import OBJECTS_BETWEEN_COLLECTIONS
from mcp_gateway.storage.engine import Database, open_database
from mcp_gateway.storage.migrations import CORE_BRANCH, migrate
from mcp_gateway.tests.servers import PostgresServer

PAGE = 1000
TARGET = Target("streaming-availability", PRIME_VIDEO.key, "US")
QUALITIES = ("sd", "hd", "uhd")
BARS = {"postgresql": 20_000, "sqlite": 10_000}
FASTER = 1.3


class Shop:
    """A source that lists the same films each time, at prices that may change."""

    key = TARGET.source
    window: timedelta | None = None

    def __init__(self, titles: int) -> None:
        self.covers: Mapping[str, Set[str]] = {TARGET.platform: {TARGET.region}}
        self.payloads = [_film(number) for number in range(titles)]

    def reprice(self, every: int) -> None:
        """Let one film in so many cost a cent more."""
        for number in range(0, len(self.payloads), every):
            self.payloads[number] = _film(number, cents=50)

    async def page(self, platform: str, region: str, *, since: datetime | None, cursor: str | None) -> SourcePage:
        """A thousand films."""
        first = int(cursor or 0)
        following = first + PAGE
        return SourcePage(
            payloads=self.payloads[first:following],
            observed_at=datetime.now(UTC),
            next_cursor=str(following) if following < len(self.payloads) else None,
        )


def _film(number: int, *, cents: int = 99) -> dict[str, Any]:
    options = [
        _option(kind, quality, price={"amount": f"{3 + place}.{cents:02}", "currency": "USD", "formatted": ""})
        for kind in ("rent", "buy")
        for place, quality in enumerate(QUALITIES)
    ]
    options += [_option("subscription", "uhd"), _option("addon", "hd", addon={"id": "channel", "name": "Channel"})]
    for option in options:
        option["link"] = f"https://www.amazon.com/gp/video/detail/B{number:09}"
    return {
        "itemType": "show",
        "showType": "movie",
        "id": str(number),
        "imdbId": f"tt{8_000_000 + number}",
        "tmdbId": f"movie/{number + 1}",
        "title": f"The Film of Number {number}",
        "overview": "Two brothers, a boat, and what the tide brought them.",
        "releaseYear": 1950 + number % 70,
        "genres": [{"id": "drama", "name": "Drama"}, {"id": "scifi", "name": "Science Fiction"}],
        "directors": [f"Director {number % 5000}"],
        "cast": [f"Actor {number % 9000}", f"Actor {number % 7001}"],
        "rating": number % 100,
        "runtime": 80 + number % 60,
        "streamingOptions": {"us": options},
    }


def _option(kind: str, quality: str, **values: Any) -> dict[str, Any]:
    return {
        "service": {"id": "prime", "name": "Prime Video", "homePage": "https://www.amazon.com/"},
        "type": kind,
        "quality": quality,
        "audios": [{"language": "eng", "region": ""}],
        "subtitles": [{"closedCaptions": True, "locale": {"language": "eng", "region": ""}}],
        "expiresSoon": False,
        "availableSince": 1_704_067_200,
        **values,
    }


async def measure(url: str, titles: int) -> bool:
    """Sync three times, and print a line each; whether the bars hold."""
    shop = Shop(titles)
    async with open_database(url) as db:
        await migrate(db, {**dict([CORE_BRANCH]), "ingestion": plugin.register_migrations()})
        first = await _timed(db, shop, "first")
        second = await _timed(db, shop, "unchanged")
        shop.reprice(100)
        await _timed(db, shop, "1 % changed")
    return second >= FASTER * first and first >= BARS[db.dialect]


async def _timed(db: Database, shop: Shop, what: str) -> float:
    before = await _events(db)
    wall, cpu = perf_counter(), process_time()
    report = await _sync(db, shop)
    wall, cpu = perf_counter() - wall, process_time() - cpu
    rate = report.offers / wall
    events = await _events(db) - before
    print(
        f"{db.dialect:12}{what:14}{report.payloads:>8} titles{report.offers:>9} offers{wall:>8.2f} s{cpu:>8.2f} CPU s"
        f"{rate:>10,.0f} offers/s{report.offers / cpu:>10,.0f} per CPU s{events:>9} events",
        flush=True,
    )
    return rate


async def _sync(db: Database, shop: Shop) -> TargetReport:
    clock = SystemClock()
    services: Any = SimpleNamespace(db=db, clock=clock)
    store = SyncStore(services, lease=timedelta(minutes=3))
    run = ListingRun(shop, PRIME_VIDEO, TARGET, Catalog(db, clock), store, Timing(), clock)
    report = await run.run()
    assert report.outcome == "done", report
    return report


async def _events(db: Database) -> int:
    async with db.reading() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM outbox"))).scalar_one())


@contextmanager
def _postgresql(url: str | None) -> Iterator[str]:
    if url:
        yield url
        return
    with PostgresServer() as server:
        yield server.create_database()


@asynccontextmanager
async def _sqlite() -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{Path(folder) / 'gateway.sqlite3'}"


async def run_all(titles: int, postgresql: str | None) -> None:
    """Measure both databases."""
    async with _sqlite() as url:
        held = await measure(url, titles)
    with _postgresql(postgresql) as url:
        held = await measure(url, titles) and held
    print("bars hold" if held else "bars do not hold", BARS, f"unchanged >= {FASTER} times as fast")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--titles", type=int, default=10_000)
    parser.add_argument("--postgresql", metavar="URL")
    given = parser.parse_args()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)  # as the command does
    asyncio.run(run_all(given.titles, given.postgresql))


if __name__ == "__main__":
    main()
