"""The relay: carries events from the outbox to the bus, in order.

Where other processes hear the bus, one instance at a time relays for all, and the position is in the database: it
moves only when the backend has the events. On a bus within the process, every process relays for itself, from
the moment it started.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio

from mcp_gateway.background import Sleep
from mcp_gateway.bus.bus import Bus, Envelope
from mcp_gateway.bus.follower import Follower, Tail, follow_as
from mcp_gateway.bus.outage import Outage
from mcp_gateway.bus.outbox import Backlog, Outbox
from mcp_gateway.bus.positions import Positions
from mcp_gateway.errors import Unavailable

NAME = "relay"
_BATCH = 500


class Relay:
    """Carries events until it is cancelled."""

    def __init__(
        self, bus: Bus, outbox: Outbox, tail: Tail, positions: Positions, *, sleep: Sleep = anyio.sleep
    ) -> None:
        self._bus = bus
        self._outbox = outbox
        self._tail = tail
        self._positions = positions
        self._outage = Outage("event bus", sleep=sleep)
        self._position = tail.position

    @property
    def is_blocked(self) -> bool:
        """Whether the bus took nothing at the last try."""
        return self._outage.lasts

    async def backlog(self) -> Backlog:
        """The events that are not on the bus yet."""
        position = await self._positions.look(NAME) if self._bus.shared else self._position
        return await self._outbox.backlog(position)

    async def run(self) -> None:
        """Relay for ever."""
        async with self._source() as source:
            while True:
                while not self._bus.is_heard:
                    await self._tail.wait_beyond(source.position)
                    if not self._bus.is_heard:  # somebody may have begun to listen meanwhile
                        source.position = self._position = self._tail.position
                await self._publish(await source.receive(_BATCH))
                await source.acknowledge()
                self._position = source.position

    @asynccontextmanager
    async def _source(self) -> AsyncIterator[Follower]:
        if self._bus.shared:
            async with follow_as(
                NAME, outbox=self._outbox, tail=self._tail, types=(), positions=self._positions
            ) as source:
                yield source
        else:
            yield Follower(self._outbox, self._tail, (), start=self._position)

    async def _publish(self, events: Sequence[Envelope]) -> None:
        while True:
            try:
                await self._bus.publish(events)
            except Unavailable as error:
                await self._outage.wait(error)
            else:
                self._outage.over()
                return
