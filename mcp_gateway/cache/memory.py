"""The cache in this process's memory: bounded, least recently used goes first."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from dataclasses import dataclass

from mcp_gateway.cache.ttl import check_ttl
from mcp_gateway.clock import Clock


@dataclass(slots=True)
class _Entry:
    value: bytes
    expires_at: float


class MemoryCache:
    """Entries of one process. Each operation is atomic: none of them waits for anything."""

    def __init__(self, clock: Clock, max_entries: int) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._expiries: list[tuple[float, str]] = []  # a heap; outdated pairs stay until they come up

    def __len__(self) -> int:
        """Entries held."""
        return len(self._entries)

    async def get(self, key: str) -> bytes | None:
        """The value, or None when absent or expired."""
        entry = self._live(key)
        return entry.value if entry else None

    async def set(self, key: str, value: bytes, *, ttl_seconds: float) -> None:
        """Store, replacing what is there."""
        self._store(key, value, check_ttl(ttl_seconds))

    async def add(self, key: str, value: bytes, *, ttl_seconds: float) -> bool:
        """Store only when the key is absent; whether it was."""
        check_ttl(ttl_seconds)
        if self._live(key):
            return False
        self._store(key, value, ttl_seconds)
        return True

    async def incr(self, key: str, amount: int = 1, *, ttl_seconds: float) -> int:
        """Add to a counter that starts at 0; the new value. ValueError when the value is no number."""
        check_ttl(ttl_seconds)
        entry = self._live(key)
        if entry is None:
            self._store(key, b"%d" % amount, ttl_seconds)
            return amount
        total = int(entry.value) + amount
        entry.value = b"%d" % total
        return total

    async def delete(self, key: str) -> None:
        """Forget the key, if it is there."""
        self._entries.pop(key, None)

    async def ping(self) -> None:
        """Always answers."""

    def _live(self, key: str) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires_at <= self._clock.monotonic():
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry

    def _store(self, key: str, value: bytes, ttl_seconds: float) -> None:
        expires_at = self._clock.monotonic() + ttl_seconds
        self._entries[key] = _Entry(value, expires_at)
        self._entries.move_to_end(key)
        heapq.heappush(self._expiries, (expires_at, key))
        self._drop_expired()
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
        if len(self._expiries) > 2 * len(self._entries) + 100:
            self._expiries = [(entry.expires_at, key) for key, entry in self._entries.items()]
            heapq.heapify(self._expiries)

    def _drop_expired(self) -> None:
        now = self._clock.monotonic()
        while self._expiries and self._expiries[0][0] <= now:
            _, key = heapq.heappop(self._expiries)
            entry = self._entries.get(key)
            if entry and entry.expires_at <= now:
                del self._entries[key]
