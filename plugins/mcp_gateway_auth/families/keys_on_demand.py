"""The signing keys for the command line, opened when somebody asks for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mcp_gateway.api import TokenKeyEntry

if TYPE_CHECKING:
    from .keys import SigningKey
    from .opening import Opened


class KeysOnDemand:
    """Implements `TokenKeys`.

    Args:
        opened: Gives the sign-ins and the keys, opened once.
    """

    def __init__(self, opened: Callable[[], Awaitable[Opened]]) -> None:
        self._opened = opened

    async def list(self) -> Sequence[TokenKeyEntry]:
        """As `TokenKeys`."""
        keys = (await self._opened()).keys
        return [_entry(key) for key in keys.all()]

    async def rotate(self) -> TokenKeyEntry:
        """As `TokenKeys`."""
        return _entry(await (await self._opened()).keys.rotate())


def _entry(key: SigningKey) -> TokenKeyEntry:
    until = key.signs_until_ms
    return TokenKeyEntry(key.kid, _time(key.signs_from_ms), None if until is None else _time(until))


def _time(time_ms: int) -> datetime:
    """To the second: nobody rotates by the millisecond."""
    return datetime.fromtimestamp(time_ms // 1000, UTC)
