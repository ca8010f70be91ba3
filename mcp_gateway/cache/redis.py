"""The cache in Redis, shared by all instances that name the same server."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from mcp_gateway.cache.ttl import check_ttl
from mcp_gateway.errors import SettingsError, Unavailable

log = logging.getLogger(__name__)

# A cache that answers later than this is of no use.
ANSWER_SECONDS = 2
MAX_CONNECTIONS = 32


class RedisCache:
    """Entries in Redis. Every operation raises Unavailable when Redis is away; the next one connects anew."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def get(self, key: str) -> bytes | None:
        """The value, or None when absent or expired."""
        with _translated():
            return cast("bytes | None", await self._client.get(key))

    async def set(self, key: str, value: bytes, *, ttl_seconds: float) -> None:
        """Store, replacing what is there."""
        with _translated():
            await self._client.set(key, value, px=_milliseconds(ttl_seconds))

    async def add(self, key: str, value: bytes, *, ttl_seconds: float) -> bool:
        """Store only when the key is absent; whether it was. Atomic across instances."""
        with _translated():
            return bool(await self._client.set(key, value, px=_milliseconds(ttl_seconds), nx=True))

    async def incr(self, key: str, amount: int = 1, *, ttl_seconds: float) -> int:
        """Add to a counter that starts at 0; the new value. ValueError when the value is no number."""
        with _translated():
            async with self._client.pipeline(transaction=True) as commands:
                commands.set(key, 0, px=_milliseconds(ttl_seconds), nx=True)
                commands.incrby(key, amount)
                _, total = await commands.execute()
                return int(total)

    async def delete(self, key: str) -> None:
        """Forget the key, if it is there."""
        with _translated():
            await self._client.delete(key)

    async def ping(self) -> None:
        """Raise Unavailable when Redis does not answer."""
        with _translated():
            await self._client.ping()


@asynccontextmanager
async def open_redis_cache(url: str) -> AsyncIterator[RedisCache]:
    """A cache at `redis://[user:password@]host:port/database`, or `rediss://` with TLS. Connects when first used."""
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=ANSWER_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            protocol=2,
            # A command whose answer was lost may have been done: sending it again would count twice.
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        raise SettingsError("cache.url is not as redis://user:password@host:6379/0.") from None
    client = Redis.from_pool(pool)
    try:
        yield RedisCache(client)
    finally:
        await client.aclose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        if isinstance(error, ResponseError) and "not an integer" in str(error):
            raise ValueError("the value is not a number") from error
        log.warning("cache unavailable", extra={"cause": f"{type(error).__name__}: {error}"})
        raise Unavailable("The cache is not available at the moment; try again later.") from error


def _milliseconds(ttl_seconds: float) -> int:
    return round(check_ttl(ttl_seconds) * 1000)
