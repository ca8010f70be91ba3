"""The events that plugins publish and hear, typed: `services.events`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import anyio
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from mcp_gateway.background import BackgroundJobs, JobHealth, PluginJobs, Sleep
from mcp_gateway.bus.bus import Bus, Subscription
from mcp_gateway.bus.delivery import Delivery, SubscriptionHealth
from mcp_gateway.bus.follower import Tail, follow_as
from mcp_gateway.bus.outbox import END, Outbox, append, on_commit
from mcp_gateway.bus.positions import Positions
from mcp_gateway.bus.relay import NAME, Relay
from mcp_gateway.catalog.events import Event
from mcp_gateway.clock import Clock
from mcp_gateway.storage.engine import Database

E = TypeVar("E", bound=Event)

TRIM_SECONDS = 600
# Events that a reader has not come to are kept longer than others, but not for ever: its plugin may be gone.
UNREAD_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class EventsHealth:
    """How the events do.

    Attributes:
        waiting: Events in the outbox that are not on the bus yet, counted up to 10,000.
        oldest_seconds: The age of the oldest of them; 0 when none waits.
        bus_answers: Whether the bus took the last events it was given.
        subscriptions: Those of all plugins.
        jobs: What relays, polls and trims.
    """

    waiting: int
    oldest_seconds: float
    bus_answers: bool
    subscriptions: list[SubscriptionHealth]
    jobs: list[JobHealth]

    @property
    def is_well(self) -> bool:
        """Whether events reach all handlers."""
        subscribed = all(each.is_live and not each.failing for each in self.subscriptions)
        return self.bus_answers and subscribed and all(job.is_well for job in self.jobs)


class EventService:
    """Carries events from the outbox over the bus to the plugins' handlers while its context is open.

    Args:
        poll_seconds: How soon events that another process wrote are heard of, at the latest.
        retention_hours: How long events that all readers have seen are kept in the outbox.
        lease_seconds: So long after a process died, another one takes over its place.
        handler_seconds: How long a handler may take for an event.
        sleep: Waits between tries.
    """

    def __init__(
        self,
        db: Database,
        bus: Bus,
        clock: Clock,
        *,
        poll_seconds: float = 0.25,
        retention_hours: float = 24,
        lease_seconds: float = 10,
        handler_seconds: float = 300,
        sleep: Sleep = anyio.sleep,
    ) -> None:
        self.clock = clock
        self.handler_seconds = handler_seconds
        self.sleep = sleep
        self._db = db
        self._bus = bus
        self._retention = timedelta(hours=retention_hours)
        self._outbox = Outbox(db)
        self._tail = Tail(self._outbox, poll_seconds=poll_seconds)
        self._positions = Positions(db, holder=uuid4().hex, lease_seconds=lease_seconds)
        self._jobs = BackgroundJobs(clock, sleep=sleep)
        self._plugins: list[PluginEvents] = []
        self._stack = AsyncExitStack()
        self._relay: Relay | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._outbox.adopt_restored()
            await self._tail.look()
            if self._bus.shared:
                await self._positions.ensure(NAME)
            stack.enter_context(on_commit(self._db, self._tail.wake))
            await stack.enter_async_context(self._jobs)
            self._relay = Relay(self._bus, self._outbox, self._tail, self._positions, sleep=self.sleep)
            jobs = self._jobs.for_plugin("events")
            jobs.start(self._tail.run, name="poll")
            jobs.start(self._relay.run, name="relay")
            jobs.every(TRIM_SECONDS, self.trim, name="trim")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def for_plugin(self, name: str) -> PluginEvents:
        """One plugin's events."""
        view = PluginEvents(name, self, self._jobs.for_plugin("events"))
        self._plugins.append(view)
        return view

    def forget(self, view: PluginEvents) -> None:
        """The plugin is over: show its subscriptions no longer."""
        if view in self._plugins:
            self._plugins.remove(view)

    async def publish(self, event: Event, *, tx: AsyncConnection | None = None) -> None:
        """Write the event into the outbox: in the given transaction, or in one of its own."""
        if tx is not None:
            await append(tx, [event], now=self.clock.now())
            return
        async with self._db.transaction() as own:
            await append(own, [event], now=self.clock.now())

    def listen(self, event_type: str, group: str | None) -> AbstractAsyncContextManager[Subscription]:
        """Open a subscription where its events are to be had.

        A group on a bus within the process follows the outbox itself: there its place outlives the process, and
        other processes with the same database take turns.
        """
        if group is None or self._bus.shared:
            return self._bus.subscribe([event_type], group=group)
        return follow_as(
            f"group:{group}", outbox=self._outbox, tail=self._tail, types=[event_type], positions=self._positions
        )

    async def trim(self) -> None:
        """Forget old events that every reader has seen, and very old ones."""
        now = self.clock.now()
        await self._outbox.trim(await self._positions.lowest() or END, before=now - self._retention)
        await self._outbox.trim(END, before=now - max(self._retention, UNREAD_KEPT))

    async def health(self) -> EventsHealth:
        """How relaying and every subscription do.

        Raises:
            Unavailable: The database does not answer.
        """
        if self._relay is None:
            raise RuntimeError("enter the context first")
        backlog = await self._relay.backlog()
        age = (self.clock.now() - backlog.oldest_at).total_seconds() if backlog.oldest_at else 0.0
        return EventsHealth(
            waiting=backlog.events,
            oldest_seconds=max(0.0, age),
            bus_answers=not self._relay.is_blocked,
            subscriptions=[health for view in self._plugins for health in view.health()],
            jobs=self._jobs.health(),
        )


class PluginEvents:
    """One plugin's events; implements `services.Events`. Subscriptions end when its context is left or on `close()`."""

    def __init__(self, plugin: str, service: EventService, jobs: PluginJobs) -> None:
        self._plugin = plugin
        self._service = service
        self._jobs = jobs
        self._deliveries: dict[str, Delivery[Any]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def publish(self, event: Event, *, tx: AsyncConnection | None = None) -> None:
        """Publish; with `tx`, if and only if that transaction commits."""
        await self._service.publish(event, tx=tx)

    def subscribe(
        self, event_type: type[E], handler: Callable[[E], Awaitable[None]], *, group: str | None = None
    ) -> None:
        """Call the handler for every event of the type; see `services.Events`. It is live after `ready()`.

        Raises:
            ValueError: The plugin has subscribed to this type with this group already.
        """
        # The plugin and the type are part of the group's name: two plugins must not take one another's events.
        name = f"{self._plugin}/{event_type.event_type}/{group or len(self._deliveries) + 1}"
        if name in self._deliveries:
            raise ValueError(f"{name} is subscribed already")
        delivery = Delivery(
            name,
            event_type,
            handler,
            partial(self._service.listen, event_type.event_type, group and name),
            handler_seconds=self._service.handler_seconds,
            sleep=self._service.sleep,
        )
        self._deliveries[name] = delivery
        self._jobs.start(delivery.run, name=name)

    async def ready(self) -> None:
        """Return when all subscriptions so far hear the bus."""
        for delivery in list(self._deliveries.values()):
            await delivery.live.wait()

    async def close(self) -> None:
        """End the subscriptions; waits for handlers to clean up."""
        await self._jobs.close()
        self._service.forget(self)

    def health(self) -> list[SubscriptionHealth]:
        """Each subscription."""
        return [delivery.health for delivery in self._deliveries.values()]
