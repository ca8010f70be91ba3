"""The APIs that the settings have a key for, opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

from mcp_gateway.api import Clock

from ..sync.source import AvailabilitySource
from .json_api import JsonApi, http_client
from .settings import StreamingAvailabilitySettings, TmdbSettings
from .streaming_availability import StreamingAvailability
from .tmdb import Tmdb


@asynccontextmanager
async def open_sources(
    tmdb: TmdbSettings, streaming_availability: StreamingAvailabilitySettings, clock: Clock
) -> AsyncIterator[list[AvailabilitySource]]:
    """The sources of availability that can be asked; none without a key."""
    sources: list[AvailabilitySource] = []
    async with AsyncExitStack() as stack:
        if streaming_availability.key is not None:
            client = await stack.enter_async_context(http_client(streaming_availability.request_seconds))
            headers = _key_headers(streaming_availability.base_url, streaming_availability.key.get_secret_value())
            api = JsonApi(client, streaming_availability.base_url, headers, clock)
            sources.append(StreamingAvailability(api, frozenset(streaming_availability.regions)))
        if tmdb.token is not None:
            client = await stack.enter_async_context(http_client(tmdb.request_seconds))
            headers = {"Authorization": f"Bearer {tmdb.token.get_secret_value()}", "Accept": "application/json"}
            sources.append(Tmdb(JsonApi(client, tmdb.base_url, headers, clock), frozenset(tmdb.regions), clock))
        yield sources


def _key_headers(base_url: str, key: str) -> dict[str, str]:
    """The API is sold through RapidAPI, which has header names of its own, and directly."""
    host = urlsplit(base_url).hostname or ""
    return {"X-RapidAPI-Key": key, "X-RapidAPI-Host": host} if host.endswith("rapidapi.com") else {"X-API-Key": key}
