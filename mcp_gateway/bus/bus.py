"""The event bus's interface, the same on every backend.

A bus carries CloudEvents 1.0. Delivery is at least once: whoever handles an event may see it again, with
the same id. Events of one subject keep their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Envelope:
    """A CloudEvent.

    Attributes:
        id: Unique per source; the same when the event is sent again.
        type: e.g. `media.title.changed`.
        source: Who says so, a URI reference.
        subject: What it is about; keeps the order.
        time: When it happened, aware, UTC.
        data: The event's fields, JSON.
        position: The outbox row it came from; None on buses that do not carry it.
    """

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    data: dict[str, Any]
    position: int | None = None


class Subscription(Protocol):
    """A place in the stream of events."""

    async def receive(self, max_events: int = 100) -> Sequence[Envelope]:
        """Wait for the next events, oldest first; at least one."""
        ...

    async def acknowledge(self) -> None:
        """All that was received so far has been handled and need not come again to this group."""
        ...


class Bus(Protocol):
    """Carries events between publishers and subscribers."""

    shared: bool
    """Whether other processes see what is published here."""

    async def publish(self, events: Sequence[Envelope]) -> None:
        """Hand over events, in order. Returns once the backend has them; raises Unavailable otherwise."""
        ...

    def subscribe(
        self, types: Sequence[str], *, group: str | None = None
    ) -> AbstractAsyncContextManager[Subscription]:
        """Listen to some types of event.

        Args:
            types: Event types; empty is all.
            group: None: every subscriber gets every event from now on. A name: the events are shared out
                among the subscribers of that group, and what was not acknowledged comes again after a crash.
        """
        ...

    async def ping(self) -> None:
        """Raise Unavailable when the backend does not answer."""
        ...
