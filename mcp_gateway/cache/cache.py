"""The cache's interface, the same on every backend. Values are bytes; every entry expires."""

from __future__ import annotations

from typing import Protocol


class Cache(Protocol):
    """A cache shared by whoever has the same URL. Keys are text; a miss is None."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None when absent or expired."""
        ...

    async def set(self, key: str, value: bytes, *, ttl_seconds: float) -> None:
        """Store, replacing what is there."""
        ...

    async def add(self, key: str, value: bytes, *, ttl_seconds: float) -> bool:
        """Store only when the key is absent; whether it was. Atomic across instances."""
        ...

    async def incr(self, key: str, amount: int = 1, *, ttl_seconds: float) -> int:
        """Add to a counter that starts at 0; the new value. The life is set when the counter begins."""
        ...

    async def delete(self, key: str) -> None:
        """Forget the key, if it is there."""
        ...

    async def ping(self) -> None:
        """Raise Unavailable when the backend does not answer."""
        ...
