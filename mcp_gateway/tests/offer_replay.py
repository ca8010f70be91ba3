"""Offers as the events tell of them, and as the table has them: both must be the same."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select

from mcp_gateway.bus.bus import Envelope
from mcp_gateway.bus.outbox import Outbox, Position
from mcp_gateway.catalog.events import AvailabilityChanged, AvailabilityExpired, OfferTerms
from mcp_gateway.catalog.offer_rows import SHOWN, key_of, offer_of
from mcp_gateway.catalog.tables import offers
from mcp_gateway.storage.engine import Database

Offers = dict[tuple[str, ...], tuple[OfferTerms, datetime]]


async def outbox_of(db: Database) -> list[Envelope]:
    """All events, in order."""
    return (await outbox_after(db, Position()))[0]


async def outbox_after(db: Database, position: Position) -> tuple[list[Envelope], Position]:
    """The events after a position, in order, and the position of the last."""
    found: list[Envelope] = []
    while read := await Outbox(db).read(position, max_events=5000):
        found += [envelope for _, envelope in read]
        position = read[-1][0]
    return found, position


class Replay:
    """Hears events, each once by its id, and knows the offers that remain.

    Attributes:
        standing: The offers.
        repeated: How many events came again.
    """

    def __init__(self) -> None:
        self.standing: Offers = {}
        self.repeated = 0
        self._heard: dict[str, Envelope] = {}

    def hear(self, events: Iterable[Envelope]) -> Offers:
        """Hear more events, in order.

        Raises:
            AssertionError: An event tells of a change to something that did not stand so.
        """
        for envelope in events:
            if not envelope.type.startswith("media.availability."):
                continue
            if envelope.id in self._heard:
                assert self._heard[envelope.id].data == envelope.data, "one id, two facts"
                self.repeated += 1
                continue
            self._heard[envelope.id] = envelope
            _apply(self.standing, envelope)
        return self.standing


def replay(events: Iterable[Envelope]) -> Offers:
    """The offers that remain when all events have been heard."""
    return Replay().hear(events)


def _apply(standing: Offers, envelope: Envelope) -> None:
    if envelope.type == AvailabilityExpired.event_type:
        expired = AvailabilityExpired.model_validate(envelope.data)
        assert expired.event_id() == envelope.id
        assert standing.pop(expired.slot)[0] == expired.before
        return
    changed = AvailabilityChanged.model_validate(envelope.data)
    assert changed.event_id() == envelope.id
    before, _ = standing.pop(changed.slot, (None, None))
    assert before == changed.before
    assert before != changed.after, "an event although nothing changed"
    if changed.after is not None:
        standing[changed.slot] = changed.after, changed.observed_at


async def standing_offers(db: Database) -> Offers:
    """The offers of the table."""
    async with db.reading() as conn:
        rows = await conn.execute(select(*(offers.c[name] for name in SHOWN)).where(offers.c.ended_at.is_(None)))
        found = [offer_of(row) for row in rows]
    return {key_of(offer): (OfferTerms.of(offer), offer.observed_at) for offer in found}
