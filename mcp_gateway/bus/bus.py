"""The event bus's interface, the same on every backend.

A bus carries CloudEvents 1.0. Delivery is at least once: whoever handles an event may see it again, with
the same id. Events of one subject keep their order: a subscriber sees them in the order of publication, and
in a group only one subscriber at a time is given them. (When another takes over, because the first seemed dead
or the group grew, the first may still be busy with its last events.) An event that comes again is followed by
those that came after it.
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
    """

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    data: dict[str, Any]


class Subscription(Protocol):
    """A place in the stream of events."""

    async def receive(self, max_events: int = 100) -> Sequence[Envelope]:
        """Wait for the next events, oldest first; at least one. Waits on while the backend is away."""
        ...

    async def acknowledge(self) -> None:
        """All that was received so far has been handled and need not come again to this group.

        When it cannot be noted, because the backend is away or another subscriber has taken over, the events
        come again.
        """
        ...


class Bus(Protocol):
    """Carries events between publishers and subscribers."""

    shared: bool
    """Whether other processes see what is published here."""

    @property
    def is_heard(self) -> bool:
        """Whether somebody may be listening; what nobody hears need not be read and published."""
        ...

    async def publish(self, events: Sequence[Envelope]) -> None:
        """Hand over events, in order. Returns once the backend has them; raises Unavailable otherwise.

        After Unavailable some of them may have gone out: publish all of them again.
        """
        ...

    def subscribe(self, types: Sequence[str], *, group: str | None = None) -> AbstractAsyncContextManager[Subscription]:
        """Listen to some types of event. On entering, the subscription is live.

        Args:
            types: Event types; empty is all.
            group: None: every subscriber gets every event from now on. A name: each event goes to one
                subscriber of that group, and what was not acknowledged comes again, to the next one. All
                subscribers of a group ask for the same types. A new group begins with the oldest event that the
                backend still keeps.

        Raises:
            Unavailable: The backend does not answer.
        """
        ...

    async def ping(self) -> None:
        """Raise Unavailable when the backend does not answer."""
        ...
