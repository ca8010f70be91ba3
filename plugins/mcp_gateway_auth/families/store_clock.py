"""The store's clock, on every instance: whose own clock is wrong still agrees with the others on what has expired."""

from __future__ import annotations

from datetime import datetime, timedelta

from mcp_gateway.api import Clock

from .errors import StoreUnavailable
from .store import FamilyStore
from .times import moment


class StoreClock:
    """Shows what the store's clock shows, by the seconds since it was last asked, which no jump of ours changes.

    Until the store has answered once, and where it is on this machine, it shows the machine's time.
    """

    def __init__(self, clock: Clock, store: FamilyStore) -> None:
        self._clock = clock
        self._store = store
        self._told: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Aware, UTC."""
        if self._told is None:
            return self._clock.now()
        at, elapsed = self._told
        return at + timedelta(seconds=self._clock.monotonic() - elapsed)

    def monotonic(self) -> float:
        """The machine's."""
        return self._clock.monotonic()

    async def synchronise(self) -> None:
        """Ask the store. One that is away is asked the next time."""
        asked = self._clock.monotonic()
        try:
            told_ms = await self._store.now_ms()
        except StoreUnavailable:
            return
        if told_ms is not None:  # it was told somewhere between question and answer
            self._told = moment(told_ms), (asked + self._clock.monotonic()) / 2
