"""Access tokens that were found good a moment ago.

Agents call in bursts. A token that opened something within the last half second opens the next thing without asking
the store again, so a burst costs the store two questions a second, and a token that was revoked still opens nothing a
second later, on any instance, whether or not a message about it arrives.
"""

from __future__ import annotations

from mcp_gateway.api import Clock

from .models import Access

GOOD_SECONDS = 0.5
MAX_TOKENS = 10_000


class CheckedTokens:
    """Tokens by their text, each until half a second after the store was asked. No jump of the wall clock matters."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._good: dict[str, tuple[float, Access]] = {}

    def get(self, token: str) -> Access | None:
        """What a token says that was found good within the last half second."""
        until, access = self._good.get(token, (float("-inf"), None))
        return access if self._clock.monotonic() < until else None

    def add(self, token: str, access: Access, *, asked_at: float) -> None:
        """It was found good by a question asked at this moment of the monotonic clock: an answer may be slow."""
        if len(self._good) >= MAX_TOKENS:
            self.clear()
        self._good[token] = (asked_at + GOOD_SECONDS, access)

    def clear(self) -> None:
        """Ask again about each."""
        self._good.clear()
