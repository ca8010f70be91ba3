"""Opens the cache that the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp_gateway.cache.cache import Cache
from mcp_gateway.cache.memory import MemoryCache
from mcp_gateway.clock import Clock
from mcp_gateway.errors import SettingsError, nearest

SCHEMES = ("memory", "redis", "rediss")


@asynccontextmanager
async def open_cache(url: str, *, clock: Clock, max_entries: int = 50_000) -> AsyncIterator[Cache]:
    """Open the cache, and close it in the end.

    Args:
        url: `memory://`, or `redis://host:6379/0`. Redis may be away: each use then raises Unavailable.
        clock: When the entries in memory expire. Redis has its own.
        max_entries: Entries in memory at most.

    Raises:
        SettingsError: The URL names no cache.
    """
    scheme = url.partition(":")[0]
    if scheme == "memory":
        yield MemoryCache(clock, max_entries)
    elif scheme in SCHEMES:
        from mcp_gateway.cache.redis import open_redis_cache

        async with open_redis_cache(url) as cache:
            yield cache
    else:
        close = nearest(scheme, SCHEMES)
        hint = f" Did you mean {close}?" if close else ""
        raise SettingsError(f"cache.url begins with {scheme[:20]!r}; use memory:// or redis://host:6379/0.{hint}")


def prefixed(cache: Cache, prefix: str) -> Cache:
    """The same cache, with keys that begin with the prefix: nobody else's are seen or changed."""
    return _Prefixed(cache, prefix)


class _Prefixed:
    def __init__(self, cache: Cache, prefix: str) -> None:
        self._cache = cache
        self._prefix = prefix

    async def get(self, key: str) -> bytes | None:
        return await self._cache.get(self._prefix + key)

    async def set(self, key: str, value: bytes, *, ttl_seconds: float) -> None:
        await self._cache.set(self._prefix + key, value, ttl_seconds=ttl_seconds)

    async def add(self, key: str, value: bytes, *, ttl_seconds: float) -> bool:
        return await self._cache.add(self._prefix + key, value, ttl_seconds=ttl_seconds)

    async def incr(self, key: str, amount: int = 1, *, ttl_seconds: float) -> int:
        return await self._cache.incr(self._prefix + key, amount, ttl_seconds=ttl_seconds)

    async def delete(self, key: str) -> None:
        await self._cache.delete(self._prefix + key)

    async def ping(self) -> None:
        await self._cache.ping()
