"""Waiting for a backend that is away."""

from __future__ import annotations

import logging

import anyio

from mcp_gateway.background import Sleep, pause_seconds

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0


class Outage:
    """Says once that something does not answer, waits longer and longer, and says when it is back.

    Args:
        what: What may be away, for the log: `the event bus`.
    """

    def __init__(self, what: str, *, sleep: Sleep = anyio.sleep) -> None:
        self._what = what
        self._sleep = sleep
        self._failures = 0

    @property
    def lasts(self) -> bool:
        """Whether the last try failed."""
        return self._failures > 0

    async def wait(self, error: Exception) -> None:
        """Pause before the next try."""
        if not self._failures:
            log.warning("no answer, waiting for it", extra={"backend": self._what, "error": type(error).__name__})
        self._failures += 1
        await self._sleep(pause_seconds(self._failures, first=FIRST_PAUSE_SECONDS, longest=LONGEST_PAUSE_SECONDS))

    def over(self) -> None:
        """It answered."""
        if self._failures:
            log.info("answers again", extra={"backend": self._what, "failures": self._failures})
        self._failures = 0
