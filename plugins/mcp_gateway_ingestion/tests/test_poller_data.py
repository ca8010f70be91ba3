"""Real answers of the APIs, replayed by a local server with a rate limit and an error between them, up to offers."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from mcp_gateway.catalog.models import Offer
from mcp_gateway.catalog.store import Catalog
from mcp_gateway.testing import FakeClock
from mcp_gateway.tests.catalogues import NOW, opened
from mcp_gateway.tests.offer_replay import outbox_of, replay, standing_offers
from mcp_gateway_ingestion import plugin
from mcp_gateway_ingestion.platforms import BUILT_IN
from mcp_gateway_ingestion.pollers.settings import StreamingAvailabilitySettings, TmdbSettings
from mcp_gateway_ingestion.pollers.sources import open_sources
from mcp_gateway_ingestion.sync.report import TargetReport
from mcp_gateway_ingestion.sync.service import AvailabilitySync, Wish
from mcp_gateway_ingestion.sync.state import Timing
from mcp_gateway_ingestion.tests.http_servers import Asked, Reply, serving

DATA = Path(__file__).resolve().parents[3] / "../shared/data"
TMDB = DATA / "tmdb/fixtures"

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.data,
    pytest.mark.skipif(not TMDB.exists(), reason="the real answers are not beside the checkout"),
]

TROUBLE = {2: Reply(429, b"", {"Retry-After": "170"}), 4: Reply(500, b"upstream connect error")}
"""What the second and the fourth request get instead of an answer."""


@dataclass
class Api:
    """Answers as an API does, but for some of the first requests."""

    answer: Callable[[Asked], Any]
    requests: list[Asked] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Reply:
        self.requests.append(asked)
        trouble = TROUBLE.get(len(self.requests))
        return trouble or reply(self.answer(asked))


def reply(value: Any) -> Reply:
    body = json.dumps(value).encode()
    status = {34: 404, 22: 400}.get(value.get("status_code"), 200)
    return Reply(status, body, {"Date": "Thu, 01 Jan 2026 12:00:00 GMT"})


class Syncing:
    """A catalogue that is kept up to date by the real pollers and normalizers."""

    def __init__(self, db: Any, sources: Any, clock: FakeClock) -> None:
        self.db, self.clock, self.catalog = db, clock, Catalog(db, clock)
        services: Any = SimpleNamespace(
            db=db,
            clock=clock,
            catalog=self.catalog,
            platforms={each.key: each for each in BUILT_IN},
            shutdown=SimpleNamespace(draining=anyio.Event()),
        )
        self.sync = AvailabilitySync(services, sources, Timing())

    async def reports(self, platform: str) -> list[TargetReport]:
        """Sync until it is done, each time as soon as the source may be asked again."""
        reports: list[TargetReport] = []
        while not reports or reports[-1].outcome == "failed":
            reports += await self.sync.sync(Wish(platforms={platform}))
            self.clock.advance(3600)
            assert len(reports) < 5, reports
        return reports

    async def offers(self) -> dict[str, list[Offer]]:
        """What stands, by the name of the title; the events alone make the same."""
        assert replay(await outbox_of(self.db)) == await standing_offers(self.db)
        ids = [title.id async for batch in self.catalog.changed_since(0) for title in batch]
        names = {title.id: title.name for title in (await self.catalog.get(ids)).values()}
        return {names[title_id]: found for title_id, found in (await self.catalog.offers(ids)).items() if found}


@asynccontextmanager
async def syncing(database_url: str, api: Api, key: str, region: str) -> AsyncIterator[Syncing]:
    clock = FakeClock(NOW)
    with serving(api) as (url, _):
        secret = {"base_url": url, "regions": (region,)}
        tmdb = TmdbSettings(token=SecretStr("k") if key == "tmdb" else None, **secret)
        streaming = StreamingAvailabilitySettings(key=SecretStr("k") if key != "tmdb" else None, **secret)
        async with (
            open_sources(tmdb, streaming, clock) as sources,
            opened(database_url, ingestion=plugin.register_migrations()) as (db, _),
        ):
            yield Syncing(db, sources, clock)


def shows_of_india(asked: Asked) -> Any:
    """A real page of twenty shows, five at a time."""
    path = DATA / "availability_samples/streaming_availability_v4_search.json.gz"
    page = json.loads(gzip.decompress(path.read_bytes()))
    cursor = asked.query.get("cursor", "0:")
    first = int(cursor.partition(":")[0])
    shows = page["shows"][first : first + 5]
    return page | {"shows": shows, "hasMore": first < 15, "nextCursor": f"{first + 5}:{shows[-1]['title']}"}


async def test_real_shows_of_streaming_availability_become_offers_whatever_comes_between(sqlite_url: str) -> None:
    api = Api(shows_of_india)
    async with syncing(sqlite_url, api, "streaming-availability", "IN") as world:
        reports = await world.reports("netflix")
        offers = await world.offers()

    assert [report.outcome for report in reports] == ["failed", "failed", "done"]
    assert reports[0].retry_at == NOW + timedelta(seconds=170)
    assert len(api.requests) == 4 + len(TROUBLE)  # each page once, and no page again for the trouble between
    assert (len(offers), sum(report.payloads for report in reports)) == (20, 20)
    assert {(o.platform, o.region, o.kind) for found in offers.values() for o in found} == {
        ("netflix", "IN", "flatrate")
    }
    assert all("netflix.com" in (offer.link or "") for found in offers.values() for offer in found)


def tmdb_of(asked: Asked) -> Any:
    """Real details of two films and two series, in the envelopes of real lists; what it never had is not found."""
    if asked.path.startswith("/discover/"):
        kind = asked.path.rpartition("/")[2]
        name = {"movie": "movie-pageable-list", "tv": "tv-series-pageable-list"}[kind]
        page = json.loads((TMDB / f"tmdbswift_{name}.json").read_bytes())
        return page | {"results": [*page["results"], *({"id": n} for k, n in DETAILS if k == kind)]}
    _, kind, number = asked.path.split("/")
    name = DETAILS.get((kind, int(number)), "")
    return json.loads((TMDB / f"{name}.json").read_bytes()) if name else {"status_code": 34, "success": False}


DETAILS = {
    ("movie", 550): "tmdbswift_movie-details-append-response",
    ("movie", 87421): "phptmdb_movie_all",
    ("tv", 1399): "tmdbswift_tv-series-details-append-response",
    ("tv", 1396): "phptmdb_tv_all",
}


@pytest.mark.parametrize(
    ("platform", "offered"), [("netflix", {"Fight Club", "Breaking Bad"}), ("hbo_max", {"Game of Thrones"})]
)
async def test_real_details_of_tmdb_become_offers_whatever_comes_between(
    sqlite_url: str, platform: str, offered: set[str]
) -> None:
    api = Api(tmdb_of)
    async with syncing(sqlite_url, api, "tmdb", "US") as world:
        reports = await world.reports(platform)
        offers = await world.offers()

    assert (reports[0].outcome, reports[-1].outcome) == ("failed", "done")
    assert {name for name, found in offers.items() if any(offer.region == "US" for offer in found)} == offered
    assert {offer.platform for found in offers.values() for offer in found} == {platform}


async def test_a_real_error_of_tmdb_is_said_in_our_words(sqlite_url: str) -> None:
    error = json.loads((TMDB / "tmdbswift_error-status-400.json").read_bytes())
    async with syncing(sqlite_url, Api(lambda _: error), "tmdb", "US") as world:
        (report,) = await world.sync.sync(Wish(platforms={"netflix"}))

    assert report.outcome == "failed"
    assert "answered with status 400" in (report.error or "")
    assert error["status_message"] not in (report.error or "")
