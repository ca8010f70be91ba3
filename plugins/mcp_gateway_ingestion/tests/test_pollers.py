"""APIs that are asked over the network: what they answer becomes pages, and what goes wrong is said in our words."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from mcp_gateway.catalog.platforms import PlatformRecord, Sighting
from mcp_gateway.tests.catalogues import NOW, StandingClock
from mcp_gateway_ingestion.platforms import BUILT_IN
from mcp_gateway_ingestion.pollers import json_api
from mcp_gateway_ingestion.pollers.json_api import retry_after
from mcp_gateway_ingestion.pollers.settings import StreamingAvailabilitySettings, TmdbSettings
from mcp_gateway_ingestion.pollers.sources import open_sources
from mcp_gateway_ingestion.sync.source import (
    AvailabilitySource,
    CursorRejected,
    SourceBusy,
    SourceDown,
    SourceError,
    SourceGarbled,
    SourcePage,
    SourceRefuses,
)
from mcp_gateway_ingestion.tests.http_servers import Asked, Reply, serving

pytestmark = pytest.mark.anyio

SECRET = "the-key-nobody-may-see"
DATE = {"Date": "Thu, 01 Jan 2026 12:00:00 GMT"}
SINCE = NOW - timedelta(hours=2)
PLATFORMS = {each.key: each for each in BUILT_IN}


def reply(value: Any, **headers: str) -> Reply:
    return Reply(200, json.dumps(value).encode(), {**DATE, **headers})


@asynccontextmanager
async def source(
    key: str, answer: Callable[[Asked], Reply], seconds: float = 5
) -> AsyncIterator[tuple[AvailabilitySource, list[Asked]]]:
    with serving(answer) as (url, asked):
        tmdb = TmdbSettings(token=SecretStr(SECRET), base_url=url, request_seconds=seconds)
        streaming = StreamingAvailabilitySettings(key=SecretStr(SECRET), base_url=url, request_seconds=seconds)
        async with open_sources(tmdb, streaming, StandingClock()) as sources:
            yield next(each for each in sources if each.key == key), asked


async def pages_of(asking: AvailabilitySource, platform: str, since: datetime | None) -> list[SourcePage]:
    found = [await asking.page(platform, "US", since=since, cursor=None)]
    while (cursor := found[-1].next_cursor) is not None:
        found.append(await asking.page(platform, "US", since=since, cursor=cursor))
    return found


def show(number: int, *services: str) -> dict[str, Any]:
    options = [{"service": {"id": service}, "type": "subscription"} for service in services]
    return {
        "itemType": "show", "showType": "movie", "id": str(number), "imdbId": f"tt000000{number}",
        "tmdbId": f"movie/{number}", "title": f"Film {number}", "releaseYear": 2001,
        "streamingOptions": {"us": options},
    }  # fmt: skip


async def test_streaming_availability_lists_all_that_a_service_has(caplog: pytest.LogCaptureFixture) -> None:
    def answer(asked: Asked) -> Reply:
        second = "cursor" in asked.query
        return reply({"shows": [show(2 if second else 1, "hbo")], "hasMore": not second, "nextCursor": "1:Film 1"})

    with caplog.at_level(logging.DEBUG):
        async with source("streaming-availability", answer) as (asking, asked):
            pages = await pages_of(asking, "hbo_max", None)

    assert [[payload["id"] for payload in page.payloads] for page in pages] == [["1"], ["2"]]
    assert pages[0].observed_at == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert asked[1].path == "/shows/search/filters"
    assert asked[1].query["cursor"] == "1:Film 1"
    assert (asked[1].query["country"], asked[1].query["catalogs"]) == ("us", "hbo")
    assert asked[0].headers["x-api-key"] == SECRET
    assert SECRET not in caplog.text
    assert all(SECRET not in str(request.query) for request in asked)


async def test_streaming_availability_tells_what_is_new_changed_and_gone() -> None:
    def answer(asked: Asked) -> Reply:
        number = {"new": 1, "updated": 2, "removed": 3}[asked.query["change_type"]]
        listed = show(number) if number == 3 else show(number, "netflix", "hbo")
        return reply({"changes": [], "shows": {str(number): listed}, "hasMore": False, "nextCursor": None})

    async with source("streaming-availability", answer) as (asking, asked):
        pages = await pages_of(asking, "netflix", SINCE)

    normalizer = PLATFORMS["netflix"]
    records = [normalizer.normalize(payload, Sighting(observed_at=NOW)) for payload in pages[0].payloads]
    assert [request.query["change_type"] for request in asked] == ["new", "updated", "removed"]
    assert asked[0].query["from"] == str(int(SINCE.timestamp()))
    assert [list(page.gone) for page in pages] == [[], [], ["tt0000003"]]
    assert isinstance(records[0], PlatformRecord)
    assert [title.key for title in records[0].titles] == ["tt0000001"]


FILMS = {
    1: {"id": 1, "title": "A", "watch/providers": {"results": {"US": {"flatrate": [{"provider_id": 1796}]}}}},
    2: {"id": 2, "title": "B", "watch/providers": {"results": {"US": {"rent": [{"provider_id": 10}]}}}},
}


def tmdb(asked: Asked) -> Reply:
    if asked.path in {"/movie/changes", "/discover/movie"}:
        first = asked.query["page"] == "1"
        results = [{"id": 1, "adult": False}, {"id": 2}] if first else [{"id": 3}, {"id": 4, "adult": True}]
        return reply({"results": results, "page": int(asked.query["page"]), "total_pages": 2})
    if asked.path in {"/tv/changes", "/discover/tv"}:
        return reply({"results": [], "page": 1, "total_pages": 0})
    number = int(asked.path.rpartition("/")[2])
    return reply(FILMS[number]) if number in FILMS else Reply(404, b'{"status_code": 34}')


@pytest.mark.parametrize("since", [None, SINCE])
async def test_tmdb_gives_details_of_titles_and_those_that_a_platform_no_longer_has(since: datetime | None) -> None:
    async with source("tmdb", tmdb) as (asking, asked):
        pages = await pages_of(asking, "netflix", since)
        requests = len(asked)
        await pages_of(asking, "hulu", since)

    normalizer = PLATFORMS["netflix"]
    record = normalizer.normalize(pages[0].payloads[0], Sighting(observed_at=NOW))
    assert [[payload["id"] for payload in page.payloads] for page in pages] == [[1, 2], [], []]
    assert [list(page.gone) for page in pages] == [["movie/2"], ["movie/3"], []]
    assert isinstance(record, PlatformRecord)
    assert record.titles[0].key == "movie/1"
    assert asked[0].headers["authorization"] == f"Bearer {SECRET}"
    assert asked[0].query.get("with_watch_providers") == (None if since else "8|1796")
    assert len(asked) - requests == 3  # details that were fetched for one platform serve the others


@pytest.mark.parametrize(
    ("answer", "error", "wait"),
    [
        (Reply(429, headers={"Retry-After": "17"}), SourceBusy, 17),
        (Reply(429, headers={"Retry-After": "Fri, 02 Jan 2026 03:05:05 GMT"}), SourceBusy, 59.321099),
        (Reply(429, headers={"Retry-After": "soon"}), SourceBusy, None),
        (Reply(500), SourceDown, None),
        (Reply(503, headers={"Retry-After": "5"}), SourceDown, 5),
        (Reply(401), SourceRefuses, None),
        (Reply(302, headers={"Location": "http://elsewhere.invalid/"}), SourceGarbled, None),
        (Reply(200, b'{"shows": [{"id": "1"', DATE), SourceGarbled, None),
        (Reply(200, b'{"shows": [], "hasMore": false}', DATE, sent=9), SourceDown, None),
        (Reply(200, b"<html>", DATE), SourceGarbled, None),
        (Reply(200, b"[]", DATE), SourceGarbled, None),
        (Reply(200, b'{"shows": 7, "results": 7}', DATE), SourceGarbled, None),
        (Reply(200, b'{"shows": [], "hasMore": true, "results": [], "total_pages": "2"}', DATE), SourceGarbled, None),
        (Reply(200, b'{"x": "' + b"x" * 5000 + b'"}', DATE), SourceGarbled, None),
    ],
)
@pytest.mark.parametrize("key", ["tmdb", "streaming-availability"])
async def test_what_goes_wrong_is_said_in_our_words(
    key: str, answer: Reply, error: type[SourceError], wait: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_api, "MAX_ANSWER_BYTES", 4000)

    async with source(key, lambda _: answer) as (asking, _):
        with pytest.raises(error) as raised:
            await asking.page("netflix", "US", since=None, cursor=None)

    assert raised.value.retry_after_seconds == wait
    assert SECRET not in str(raised.value)


async def test_a_cursor_that_is_refused_is_told_apart_from_other_refusals() -> None:
    async with source("streaming-availability", lambda _: Reply(400)) as (asking, _):
        with pytest.raises(CursorRejected):
            await asking.page("netflix", "US", since=None, cursor="old")
        with pytest.raises(SourceGarbled):
            await asking.page("netflix", "US", since=None, cursor=None)
        with pytest.raises(SourceGarbled, match="never gave"):
            await asking.page("netflix", "US", since=SINCE, cursor="nonsense|x")


async def test_a_server_that_is_away_is_down() -> None:
    async with source("tmdb", tmdb) as (asking, _):
        pass
    with serving(tmdb) as (url, _):
        settings = TmdbSettings(token=SecretStr(SECRET), base_url=url)
    async with open_sources(settings, StreamingAvailabilitySettings(), StandingClock()) as (asking,):
        with pytest.raises(SourceDown, match="did not answer"):
            await asking.page("netflix", "US", since=None, cursor=None)


async def test_without_a_key_nothing_is_asked() -> None:
    async with open_sources(TmdbSettings(), StreamingAvailabilitySettings(), StandingClock()) as sources:
        assert sources == []


def test_a_time_to_stay_away_is_never_longer_than_a_day() -> None:
    assert retry_after("99999999999", NOW) == 86400
    assert retry_after("Thu, 01 Jan 2026 12:00:00 GMT", NOW) == 0
    assert retry_after(None, NOW) is None
