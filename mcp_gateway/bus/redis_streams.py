"""The bus in Redis Streams.

All events are in one stream, which Redis trims by age and length: a group that is further behind than that has
lost events, so size both for the longest outage. Redis needs its append-only file, or events that it had taken
but not handed on are lost when it crashes.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import anyio
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from mcp_gateway.bus.bus import Envelope, Subscription
from mcp_gateway.bus.cloudevents import decode, encode
from mcp_gateway.bus.outage import Outage
from mcp_gateway.clock import Clock
from mcp_gateway.errors import Unavailable

log = logging.getLogger(__name__)

# One consumer name for whoever holds the group: what a dead holder left unacknowledged is the next one's own.
_CONSUMER = "holder"
_FIELD = b"event"
_WAIT_SECONDS = 1.0
_FROM_PENDING, _FROM_NEW = "0", ">"

# Several consumers on one stream would share out the events of one subject, and their order would be gone. So a
# group has one holder at a time, by a lease. A holder that was suspended past its lease must not take events from
# its successor: hence lease and reading in one step. Without new events it returns where to wait from.
_READ = """
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return {'standby'} end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
local found = redis.call('XREADGROUP', 'GROUP', ARGV[3], ARGV[4], 'COUNT', ARGV[5], 'STREAMS', KEYS[1], ARGV[6])
if found and #found[1][2] > 0 then return {'events', found[1][2]} end
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' then return {'none', info[i + 1]} end
end
"""
_ACKNOWLEDGE = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
for i = 3, #ARGV do redis.call('XACK', KEYS[1], ARGV[2], ARGV[i]) end
return 1
"""
_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end"
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"

_Entries = list[tuple[bytes, dict[bytes, bytes]]]


class RedisBus:
    """A bus on a Redis server. See `open_bus`.

    Args:
        lease_seconds: So long after its holder died, a group's next subscriber takes over.
        retention_hours: How long Redis keeps events.
        max_events: How many it keeps at most, roughly.
    """

    shared = True
    is_heard = True

    def __init__(
        self,
        client: Redis,
        clock: Clock,
        *,
        stream: str = "media-gateway:events",
        lease_seconds: float = 10,
        retention_hours: float = 24,
        max_events: int = 1_000_000,
    ) -> None:
        self.client = client
        self.stream = stream
        self.lease_seconds = lease_seconds
        self._clock = clock
        self._retention_seconds = retention_hours * 3600
        self._max_events = max_events

    async def publish(self, events: Sequence[Envelope]) -> None:
        """Add all events to the stream, or none."""
        oldest_ms = int((self._clock.now().timestamp() - self._retention_seconds) * 1000)
        try:
            async with self.client.pipeline(transaction=True) as pipeline:
                for event in events:
                    pipeline.xadd(self.stream, {_FIELD: encode(event)}, maxlen=self._max_events)
                pipeline.xtrim(self.stream, minid=f"{max(oldest_ms, 0)}-0")
                await pipeline.execute()
        except (RedisError, OSError) as error:
            raise _unavailable() from error

    @asynccontextmanager
    async def subscribe(self, types: Sequence[str], *, group: str | None = None) -> AsyncIterator[Subscription]:
        """Listen. Of a group, one subscriber is at work; the others stand by."""
        if group is None:
            yield _Listener(self, frozenset(types), await self._end())
            return
        member = _Member(self, frozenset(types), group)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(member.keep_lease)
            try:
                yield member
            finally:
                tasks.cancel_scope.cancel()
                await member.release()

    async def ping(self) -> None:
        """Raise Unavailable when Redis does not answer."""
        try:
            await self.client.ping()
        except (RedisError, OSError) as error:
            raise _unavailable() from error

    async def wait_beyond(self, entry: bytes, *, count: int) -> _Entries:
        """Entries after this one; waits a moment for the first."""
        found: Any = await self.client.xread({self.stream: entry}, count=count, block=int(_WAIT_SECONDS * 1000))
        entries: _Entries = found[0][1] if found else []
        return entries

    async def run(self, script: str, keys: Sequence[str], *arguments: str | int | bytes) -> Any:
        """Run a Lua script; its answer as the protocol has it."""
        return await self.client.eval(script, len(keys), *keys, *arguments)

    async def _end(self) -> bytes:
        try:
            newest: Any = await self.client.xrevrange(self.stream, count=1)
        except (RedisError, OSError) as error:
            raise _unavailable() from error
        end: bytes = newest[0][0] if newest else b"0-0"
        return end


class _Listener:
    """A subscription of its own: every event."""

    def __init__(self, bus: RedisBus, types: frozenset[str], position: bytes) -> None:
        self._bus = bus
        self._types = types
        self._position = position
        self._outage = Outage("Redis event bus")

    async def receive(self, max_events: int = 100) -> Sequence[Envelope]:
        """Wait for the next events."""
        while True:
            try:
                entries = await self._bus.wait_beyond(self._position, count=max_events)
                self._outage.over()
            except (RedisError, OSError) as error:
                await self._outage.wait(error)
                continue
            if entries:
                self._position = entries[-1][0]
            if events := _decoded(entries, self._types):
                return events

    async def acknowledge(self) -> None:
        """Nothing is kept for this subscription."""


class _Member:
    """A subscription that shares a group's events with others."""

    def __init__(self, bus: RedisBus, types: frozenset[str], group: str) -> None:
        self._bus = bus
        self._types = types
        self._group = group
        self._me = uuid4().hex
        self._keys = [bus.stream, f"{bus.stream}:{group}:holder"]
        self._lease_ms = int(bus.lease_seconds * 1000)
        self._unacknowledged: list[bytes] = []
        self._read_from = _FROM_PENDING
        self._outage = Outage("Redis event bus")

    async def receive(self, max_events: int = 100) -> Sequence[Envelope]:
        """Wait for the group's next events, and for our turn to hold it."""
        while True:
            try:
                entries = await self._next(max_events)
                self._outage.over()
            except (RedisError, OSError) as error:
                await self._lost(error)
                continue
            self._unacknowledged += [entry for entry, _ in entries]
            if events := _decoded(entries, self._types):
                return events
            if entries:
                await self.acknowledge()

    async def acknowledge(self) -> None:
        """Take what was received off the group's list; when that fails, it comes again."""
        entries, self._unacknowledged = self._unacknowledged, []
        if not entries:
            return
        try:
            noted = await self._bus.run(_ACKNOWLEDGE, self._keys, self._me, self._group, *entries)
        except (RedisError, OSError) as error:
            await self._lost(error)
            return
        if not noted:
            self._read_from = _FROM_PENDING

    async def keep_lease(self) -> None:
        """Keep holding the group while its events are handled."""
        while True:
            await anyio.sleep(self._bus.lease_seconds / 3)
            try:
                await self._bus.run(_RENEW, self._keys[1:], self._me, self._lease_ms)
            except (RedisError, OSError):
                continue  # receiving reports the outage

    async def release(self) -> None:
        """Let the next subscriber take over at once."""
        with anyio.move_on_after(1, shield=True):
            try:
                await self._bus.run(_RELEASE, self._keys[1:], self._me)
            except (RedisError, OSError):
                return  # the lease ends by itself

    async def _next(self, max_events: int) -> _Entries:
        """Some entries, or none after a wait; first what was left unacknowledged, then what is new."""
        state, *rest = await self._read(max_events)
        if state == b"standby":
            self._read_from = _FROM_PENDING
            await anyio.sleep(min(_WAIT_SECONDS, self._bus.lease_seconds / 3))
        elif state == b"events":
            if self._read_from != _FROM_NEW:
                self._read_from = rest[0][-1][0].decode()
            return [(entry, _pairs(fields)) for entry, fields in rest[0]]
        elif self._read_from != _FROM_NEW:
            self._read_from = _FROM_NEW
        else:
            await self._bus.wait_beyond(rest[0], count=1)
        return []

    async def _read(self, max_events: int) -> Any:
        arguments = (self._me, self._lease_ms, self._group, _CONSUMER, max_events, self._read_from)
        try:
            return await self._bus.run(_READ, self._keys, *arguments)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
        # New, or Redis has lost it: what the stream holds has not been seen.
        await self._bus.client.xgroup_create(self._bus.stream, self._group, id="0", mkstream=True)
        return await self._bus.run(_READ, self._keys, *arguments)

    async def _lost(self, error: Exception) -> None:
        self._read_from = _FROM_PENDING
        self._unacknowledged = []
        await self._outage.wait(error)


def connect(url: str) -> Redis:
    """A client for the bus. Trying again is the caller's, so that an outage shows at once."""
    retry = Retry(NoBackoff(), 1)  # a connection that the server closed while it was idle
    return Redis.from_url(url, protocol=2, socket_timeout=_WAIT_SECONDS + 9, socket_connect_timeout=5, retry=retry)


def _pairs(fields: list[bytes] | None) -> dict[bytes, bytes]:
    """None: the entry was trimmed before it was acknowledged."""
    return dict(zip(fields[::2], fields[1::2], strict=True)) if fields else {}


def _decoded(entries: _Entries, types: frozenset[str]) -> list[Envelope]:
    events = []
    for entry, fields in entries:
        try:
            event = decode(fields.get(_FIELD, b""))
        except ValueError as error:
            log.warning("not an event, skipped", extra={"entry": entry.decode(), "problem": str(error)})
            continue
        if not types or event.type in types:
            events.append(event)
    return events


def _unavailable() -> Unavailable:
    return Unavailable("The event bus does not answer; try again later.")
