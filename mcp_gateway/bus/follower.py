"""Subscriptions to the outbox itself: the relay's, and those of groups when no other process hears the bus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import anyio

from mcp_gateway.bus.bus import Envelope
from mcp_gateway.bus.outage import Outage
from mcp_gateway.bus.outbox import Outbox, Position
from mcp_gateway.bus.positions import Positions
from mcp_gateway.errors import Unavailable

_FIRST_POLL_SECONDS = 0.002
_STANDBY_SECONDS = 1.0
_RELEASE_SECONDS = 2.0


class Tail:
    """Knows how far the outbox reaches, so that all who follow it cost one small query every `poll_seconds`."""

    def __init__(self, outbox: Outbox, *, poll_seconds: float) -> None:
        self._outbox = outbox
        self._poll_seconds = poll_seconds
        self._outage = Outage("database")
        self._grown = anyio.Event()
        self._woken = anyio.Event()
        self.position = Position()

    def wake(self) -> None:
        """Look soon: events are about to be committed."""
        self._woken.set()

    async def look(self) -> None:
        """Look now."""
        end = await self._outbox.end()
        if end > self.position:
            self.position = end
            self._grown.set()
            self._grown = anyio.Event()

    async def wait_beyond(self, position: Position) -> None:
        """Return once there are events behind a position."""
        while self.position <= position:
            await self._grown.wait()

    async def run(self) -> None:
        """Look for ever: often after `wake()`, then ever less."""
        pause = self._poll_seconds
        while True:
            try:
                await self.look()
                self._outage.over()
            except Unavailable as error:
                await self._outage.wait(error)
            with anyio.move_on_after(pause) as idle:
                await self._woken.wait()
                self._woken = anyio.Event()
            pause = min(pause * 2, self._poll_seconds) if idle.cancelled_caught else _FIRST_POLL_SECONDS


class Follower:
    """A subscription from a position on, which only this process remembers."""

    def __init__(self, outbox: Outbox, tail: Tail, types: Sequence[str], *, start: Position) -> None:
        self._outbox = outbox
        self._tail = tail
        self._types = frozenset(types)
        self._outage = Outage("database")
        self.position = start

    async def receive(self, max_events: int = 100) -> Sequence[Envelope]:
        """Wait for the next events."""
        while True:
            try:
                events = await self._next(max_events)
                self._outage.over()
            except Unavailable as error:
                await self._lost(error)
                continue
            if events:
                return events

    async def acknowledge(self) -> None:
        """Nothing is kept for this subscription."""

    async def _next(self, max_events: int) -> list[Envelope]:
        await self._tail.wait_beyond(self.position)
        return await self._read(max_events) or []

    async def _read(self, max_events: int) -> list[Envelope] | None:
        """Go on by some rows; the wanted events among them, or None at the end."""
        end = self._tail.position
        rows = await self._outbox.read(self.position, max_events=max_events)
        if not rows:
            self.position = max(self.position, end)  # what was there has been trimmed
            return None
        self.position = rows[-1][0]
        return [event for _, event in rows if not self._types or event.type in self._types]

    async def _lost(self, error: Unavailable) -> None:
        await self._outage.wait(error)


class NamedFollower(Follower):
    """A subscription whose position is in the database: it goes on where it left off, in whichever process.

    One process at a time is at work. It claims the name when there is something to do and releases it when there is
    nothing left, so that others can take over at once and an idle gateway writes nothing.
    """

    def __init__(self, outbox: Outbox, tail: Tail, types: Sequence[str], *, name: str, positions: Positions) -> None:
        super().__init__(outbox, tail, types, start=Position())
        self._name = name
        self._positions = positions
        self._acknowledged = Position()
        self._holds = False
        self._handed_out = False

    async def acknowledge(self) -> None:
        """Remember the position, unless another process has taken over: then the events are its business."""
        try:
            self._holds = self._holds and await self._positions.save(self._name, self.position)
        except Unavailable as error:
            await self._lost(error)
            return
        self._handed_out = False
        self._acknowledged = self.position

    async def keep_hold(self) -> None:
        """Hold on to the name while events are handled."""
        while True:
            await anyio.sleep(self._positions.lease_seconds / 3)
            if self._holds:
                try:
                    self._holds = await self._positions.renew(self._name)
                except Unavailable:
                    continue  # receiving reports the outage

    async def release(self) -> None:
        """Let another process go on; what was not acknowledged comes again there."""
        if self._holds:
            self._holds = False
            await self._positions.release(self._name)

    async def _next(self, max_events: int) -> list[Envelope]:
        if not self._holds:
            await self._take_hold()
        events = await self._read(max_events)
        if events:
            self._handed_out = True
        elif events is None:
            await self._rest()
        return events or []

    async def _take_hold(self) -> None:
        while True:
            await self._tail.wait_beyond(await self._positions.look(self._name))
            position = await self._positions.claim(self._name)
            if position is not None:
                self._holds, self._handed_out = True, False
                self.position = self._acknowledged = position
                return
            await anyio.sleep(min(_STANDBY_SECONDS, self._positions.lease_seconds / 3))

    async def _rest(self) -> None:
        """Nothing is left to read. Events that are not acknowledged yet must not go to another process."""
        if not self._handed_out:
            if self.position > self._acknowledged:
                await self._positions.save(self._name, self.position)
            await self.release()
        await self._tail.wait_beyond(self.position)

    async def _lost(self, error: Unavailable) -> None:
        self._holds = False
        await super()._lost(error)


@asynccontextmanager
async def follow_as(
    name: str, *, outbox: Outbox, tail: Tail, types: Sequence[str], positions: Positions
) -> AsyncIterator[NamedFollower]:
    """Follow the outbox under a name. A new name begins with the oldest event there is.

    Raises:
        Unavailable: The database does not answer.
    """
    await positions.ensure(name)
    follower = NamedFollower(outbox, tail, types, name=name, positions=positions)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.keep_hold)
        try:
            yield follower
        finally:
            tasks.cancel_scope.cancel()
            # Should this fail, the hold ends by itself.
            with anyio.move_on_after(_RELEASE_SECONDS, shield=True), suppress(Unavailable):
                await follower.release()
