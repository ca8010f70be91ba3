"""The bus within one process."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio

from mcp_gateway.bus.bus import Envelope, Subscription

log = logging.getLogger(__name__)


class MemoryBus:
    """Hands events over within the process. What nobody subscribed to is gone.

    Publishing waits while a subscriber is `capacity` events behind. A group outlives its subscribers: it keeps
    up to `capacity` events for the next one, then forgets the oldest.
    """

    shared = False

    def __init__(self, *, capacity: int = 1000) -> None:
        self._capacity = capacity
        self._lines: list[_Line] = []
        self._groups: dict[str, _Line] = {}
        self._in_order = anyio.Lock()

    @property
    def is_heard(self) -> bool:
        """Whether anybody would get what is published."""
        return bool(self._lines)

    async def publish(self, events: Sequence[Envelope]) -> None:
        """Hand over events; returns once every subscriber has room for them."""
        async with self._in_order:
            for line in list(self._lines):
                await line.put([event for event in events if line.wants(event)])

    @asynccontextmanager
    async def subscribe(self, types: Sequence[str], *, group: str | None = None) -> AsyncIterator[Subscription]:
        """Listen. Of a group, the subscriber that came first is at work; the others stand by."""
        line = self._line(types, group)
        member = _Member(line)
        line.members.append(member)
        try:
            yield member
        finally:
            if group is None:
                self._lines.remove(line)
            line.leave(member)

    async def ping(self) -> None:
        """Nothing can be away."""

    def _line(self, types: Sequence[str], group: str | None) -> _Line:
        line = self._groups.get(group) if group is not None else None
        if line is None:
            line = _Line(frozenset(types), self._capacity)
            self._lines.append(line)
            if group is not None:
                self._groups[group] = line
        return line


class _Line:
    """Events that wait for one subscriber or one group; the first member in it is served."""

    def __init__(self, types: frozenset[str], capacity: int) -> None:
        self._types = types
        self._capacity = capacity
        self._waiting: deque[Envelope] = deque()
        self._taken: list[Envelope] = []
        self._changed = anyio.Event()
        self.members: list[_Member] = []

    def wants(self, event: Envelope) -> bool:
        return not self._types or event.type in self._types

    async def put(self, events: Sequence[Envelope]) -> None:
        rest = deque(events)
        while rest and self.members:
            room = self._capacity - len(self._waiting)
            if room == 0:
                await self._changed.wait()
            elif room > 0:
                self._waiting.extend(rest.popleft() for _ in range(min(room, len(rest))))
                self._wake()
        self._keep(rest)

    async def take(self, member: _Member, max_events: int) -> list[Envelope]:
        while self.members[0] is not member or not self._waiting:
            await self._changed.wait()
        events = [self._waiting.popleft() for _ in range(min(max_events, len(self._waiting)))]
        self._taken += events
        self._wake()
        return events

    def acknowledge(self, member: _Member) -> None:
        if self.members[0] is member:
            self._taken.clear()

    def leave(self, member: _Member) -> None:
        if self.members[0] is member:
            self._waiting.extendleft(reversed(self._taken))
            self._taken.clear()
        self.members.remove(member)
        self._wake()

    def _keep(self, events: Sequence[Envelope]) -> None:
        """Keep the newest for the next member; nobody is there now."""
        self._waiting.extend(events)
        forgotten = max(0, len(self._waiting) - self._capacity)
        for _ in range(forgotten):
            self._waiting.popleft()
        if forgotten:
            log.warning(
                "a group without subscribers is full, its oldest events are forgotten", extra={"events": forgotten}
            )

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class _Member:
    """A subscription to a MemoryBus."""

    def __init__(self, line: _Line) -> None:
        self._line = line

    async def receive(self, max_events: int = 100) -> Sequence[Envelope]:
        """Wait for the next events."""
        return await self._line.take(self, max_events)

    async def acknowledge(self) -> None:
        """Forget what was received."""
        self._line.acknowledge(self)
