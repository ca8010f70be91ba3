"""Opens the bus that a URL names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from mcp_gateway.bus.bus import Bus
from mcp_gateway.bus.memory import MemoryBus
from mcp_gateway.clock import Clock
from mcp_gateway.errors import SettingsError

_ALLOWED = (
    "`memory://`, `redis://[user:password@]host:port/database`, `rediss://…`, "
    "`kafka://[user:password@]host:port[,host:port][/topic]` or `kafka+ssl://…`"
)


@asynccontextmanager
async def open_bus(
    url: str, *, clock: Clock, retention_hours: float = 24, lease_seconds: float = 10
) -> AsyncIterator[Bus]:
    """The bus at a URL, until the context is left. Does not wait for the backend: `ping()` says whether it answers.

    Args:
        url: As the setting `events.url`.
        clock: Tells how old events are.
        retention_hours: How long Redis keeps events; a Kafka topic has its own setting for that.
        lease_seconds: So long after a subscriber died, another one of its group takes over.

    Raises:
        SettingsError: The URL names no bus that we know, or its driver is not installed.
    """
    match _scheme(url):
        case "memory":
            yield MemoryBus()
        case "redis" | "rediss":
            async with _redis(url, clock, retention_hours, lease_seconds) as bus:
                yield bus
        case "kafka" | "kafka+ssl":
            from mcp_gateway.bus.kafka import open_kafka

            async with open_kafka(url, lease_seconds=lease_seconds) as bus:
                yield bus
        case _:
            raise SettingsError(f"events.url: this is no event bus. Allowed: {_ALLOWED}.")


@asynccontextmanager
async def _redis(url: str, clock: Clock, retention_hours: float, lease_seconds: float) -> AsyncIterator[Bus]:
    from mcp_gateway.bus.redis_streams import RedisBus, connect

    try:
        client = connect(url)
    except ValueError:  # its text may quote the URL
        raise SettingsError(f"events.url: not a valid Redis address. Allowed: {_ALLOWED}.") from None
    async with client:
        yield RedisBus(client, clock, retention_hours=retention_hours, lease_seconds=lease_seconds)


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""
