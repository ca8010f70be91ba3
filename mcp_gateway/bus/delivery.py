"""Brings the events of a subscription to its handler, one at a time, and tries again what fails."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio
from pydantic import ValidationError

from mcp_gateway.background import Sleep, pause_seconds
from mcp_gateway.bus.bus import Envelope, Subscription
from mcp_gateway.bus.outage import Outage
from mcp_gateway.catalog.events import Event
from mcp_gateway.errors import Unavailable

log = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)

# With these, an event that always fails holds up the ones behind it for about a minute.
TRIES = 8
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0


@dataclass(slots=True)
class SubscriptionHealth:
    """How a subscription does.

    Attributes:
        name: `plugin/type/group`; a number where there is no group.
        is_live: Whether it hears the bus.
        handled: Events that its handler took.
        failures: Tries that failed.
        given_up: Events that failed every time and were left behind.
        undecodable: Events whose fields did not fit the type and were skipped.
        failing: Whether the event that is being handled has failed before.
    """

    name: str
    is_live: bool = False
    handled: int = 0
    failures: int = 0
    given_up: int = 0
    undecodable: int = 0
    failing: bool = False


class Delivery(Generic[E]):
    """One subscription of a plugin.

    A handler that raises is called again, after growing pauses. Unavailable means that something it needs is
    away: that is waited for, however long it takes. Anything else, and taking longer than `handler_seconds`, is
    tried TRIES times; then the event is given up, which the log and health say, and the next one follows.

    Args:
        name: For the log and health.
        listen: Opens the subscription.
    """

    def __init__(
        self,
        name: str,
        event_type: type[E],
        handler: Callable[[E], Awaitable[None]],
        listen: Callable[[], AbstractAsyncContextManager[Subscription]],
        *,
        handler_seconds: float,
        sleep: Sleep = anyio.sleep,
    ) -> None:
        self.health = SubscriptionHealth(name)
        self.live = anyio.Event()
        self._event_type = event_type
        self._handler = handler
        self._listen = listen
        self._handler_seconds = handler_seconds
        self._sleep = sleep
        self._outage = Outage("event bus", sleep=sleep)

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            try:
                await self._deliver_all()
            except* Unavailable as errors:
                await self._outage.wait(errors.exceptions[0])

    async def _deliver_all(self) -> None:
        try:
            async with self._listen() as subscription:
                self._outage.over()
                self.health.is_live = True
                self.live.set()
                while True:
                    for envelope in await subscription.receive():
                        await self._deliver(envelope)
                    await subscription.acknowledge()
        finally:
            self.health.is_live = False

    async def _deliver(self, envelope: Envelope) -> None:
        event = self._decoded(envelope)
        if event is None:
            return
        tries = failures = 0
        while tries < TRIES:
            error = await self._handle(event)
            if error is None:
                self.health.handled += 1
                break
            failures += 1
            tries += not isinstance(error, Unavailable)
            self._note(error, envelope, failures)
            if tries < TRIES:
                await self._sleep(pause_seconds(failures, first=FIRST_PAUSE_SECONDS, longest=LONGEST_PAUSE_SECONDS))
        else:
            self.health.given_up += 1
            log.error("event given up, the handler fails every time", extra=self._facts(envelope))
        self.health.failing = False

    def _decoded(self, envelope: Envelope) -> E | None:
        try:
            return self._event_type.model_validate(envelope.data)
        except ValidationError as error:
            self.health.undecodable += 1
            log.warning("event does not fit its type, skipped", extra=self._facts(envelope) | _problems(error))
            return None

    async def _handle(self, event: E) -> Exception | None:
        try:
            with anyio.fail_after(self._handler_seconds):
                await self._handler(event)
        except Exception as error:
            return error
        return None

    def _note(self, error: Exception, envelope: Envelope, failures: int) -> None:
        self.health.failures += 1
        self.health.failing = True
        facts = self._facts(envelope) | {"failures": failures, "error": type(error).__name__}
        if failures == 1:
            log.error("event handler failed, it is called again", extra=facts, exc_info=error)
        else:
            log.warning("event handler failed again", extra=facts)

    def _facts(self, envelope: Envelope) -> dict[str, object]:
        return {"subscription": self.health.name, "event_id": envelope.id, "event_type": envelope.type}


def _problems(error: ValidationError) -> dict[str, object]:
    """Which fields do not fit, without their values."""
    return {"problems": [f"{'.'.join(map(str, fault['loc']))}: {fault['type']}" for fault in error.errors()]}
