"""The outbox: events are rows of the database, written in the transaction of the facts they tell of.

So there is never a fact without its event, nor an event without its fact. Whoever passes them on reads the rows
in order and remembers a position.

On PostgreSQL ids are drawn before they are committed: a reader that remembers the last id skips those that are
committed late. Rows therefore carry their transaction's number, and are read by (transaction, id) below the oldest
transaction that is still writing (in any database of the server: a long one holds events back, and health shows
it). SQLite has one writer at a time: there the id is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Row, event, text
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from mcp_gateway.bus.bus import Envelope
from mcp_gateway.catalog.events import Event
from mcp_gateway.storage.engine import Database

SOURCE = "urn:media-gateway"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HAS_EVENTS = "mcp_gateway.outbox"
_TRIM_ROWS = 5000
_COUNTED_ROWS = 10_000


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the outbox. The first is before everything.

    Attributes:
        transaction: The number of the transaction on PostgreSQL; 0 on SQLite.
        id: The row.
    """

    transaction: int = 0
    id: int = 0


END = Position(2**63 - 1, 2**63 - 1)
"""Behind everything that there will ever be."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in the outbox behind a position.

    Attributes:
        events: How many, counted up to 10,000.
        oldest_at: When the oldest happened; None when nothing waits.
    """

    events: int
    oldest_at: datetime | None


async def append(tx: AsyncConnection, events: Sequence[Event], *, now: datetime) -> None:
    """Write events into the outbox, in order: they go out if, and only if, the transaction commits.

    Transactions that concern the same subject keep their order when each begins with the write on which one waits
    for the other.

    Args:
        tx: From `Database.transaction()`.
        events: The facts.
        now: When they happened.
    """
    await append_facts(tx, [fact_of(event) for event in events], now=now)


class Fact(NamedTuple):
    """An event, ready to be written: the JSON of its fields is made already."""

    event_id: str
    type: str
    subject: str
    data: str


def fact_of(event: Event) -> Fact:
    """An event, ready to be written."""
    return Fact(event.event_id(), event.event_type, event.subject, event.model_dump_json())


async def append_facts(tx: AsyncConnection, facts: Sequence[Fact], *, now: datetime) -> None:
    """As `append`, for events by the ten thousand."""
    if not facts:
        return
    time_us = (now - _EPOCH) // _MICROSECOND
    tx.info[_HAS_EVENTS] = True
    # Straight to the driver: an import writes so many rows that SQLAlchemy's work on each would double the time.
    rows = [(fact.event_id, fact.type, fact.subject, time_us, fact.data) for fact in facts]
    if tx.dialect.name == "postgresql" and len(rows) >= _ROWS_WORTH_A_COPY:
        from mcp_gateway.storage.postgresql import copy_rows

        await copy_rows(tx, "outbox", _COLUMNS, rows)
    else:
        await tx.exec_driver_sql(_INSERT[tx.dialect.name], rows)


@contextmanager
def on_commit(db: Database, call: Callable[[], None]) -> Iterator[None]:
    """Call back whenever this process is about to commit a transaction with events."""

    def committing(connection: Connection) -> None:
        if connection.info.pop(_HAS_EVENTS, False):
            call()

    event.listen(db.engine.sync_engine, "commit", committing)
    try:
        yield
    finally:
        event.remove(db.engine.sync_engine, "commit", committing)


class Outbox:
    """Reads the outbox."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._sql = _POSTGRESQL if db.dialect == "postgresql" else _SQLITE

    async def read(self, after: Position, *, max_events: int) -> list[tuple[Position, Envelope]]:
        """The events after a position, in order; all earlier ones are committed or will never be."""
        async with self._db.reading() as connection:
            rows = await connection.execute(text(self._sql["read"]), {**_bound(after), "limit": max_events})
            return [(Position(int(row.xid), row.id), _envelope(row)) for row in rows]

    async def end(self) -> Position:
        """The position of the last event that can be read."""
        async with self._db.reading() as connection:
            row = (await connection.execute(text(self._sql["end"]))).first()
            return Position(int(row.xid), row.id) if row else Position()

    async def backlog(self, after: Position) -> Backlog:
        """What waits behind a position, committed or about to be."""
        async with self._db.reading() as connection:
            found = await connection.execute(text(self._sql["backlog"]), {**_bound(after), "limit": _COUNTED_ROWS})
            events, oldest_us = found.one()
            return Backlog(events, None if oldest_us is None else _EPOCH + oldest_us * _MICROSECOND)

    async def trim(self, upto: Position, *, before: datetime) -> int:
        """Forget the events up to a position that are older than a moment; how many that were."""
        oldest = await self.read(Position(), max_events=1)
        if not oldest or oldest[0][1].time >= before:
            return 0  # as nearly always; looking takes no lock
        values = {**_bound(upto), "before": (before - _EPOCH) // _MICROSECOND, "limit": _TRIM_ROWS}
        total = 0
        while True:
            async with self._db.transaction() as tx:
                trimmed: int = (await tx.execute(text(self._sql["trim"]), values)).rowcount
            total += trimmed
            if trimmed < _TRIM_ROWS:
                return total

    async def adopt_restored(self) -> None:
        """After a dump was restored on another server, put its rows into that server's count of transactions.

        Rows that seem to come from the future would never be read. They are read again from the beginning.
        """
        if self._db.dialect == "postgresql":
            async with self._db.transaction() as tx:
                for statement in _ADOPT_RESTORED:
                    await tx.execute(text(statement))


_COLUMNS = ("event_id", "type", "subject", "time_us", "data")
_INSERT = {
    "sqlite": f"INSERT INTO outbox ({', '.join(_COLUMNS)}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - constants
    "postgresql": f"INSERT INTO outbox ({', '.join(_COLUMNS)}) VALUES ($1, $2, $3, $4, $5)",  # noqa: S608 - constants
}
_ROWS_WORTH_A_COPY = 100
"""Fewer are written sooner with an insert, which takes fewer round trips."""

_FIELDS = f"id, {', '.join(_COLUMNS)}"

_SQLITE = {
    "read": f"SELECT 0 AS xid, {_FIELDS} FROM outbox WHERE id > :id ORDER BY id LIMIT :limit",  # noqa: S608 - constants
    "end": "SELECT 0 AS xid, id FROM outbox ORDER BY id DESC LIMIT 1",
    "backlog": "SELECT count(*), min(time_us) FROM (SELECT time_us FROM outbox WHERE id > :id LIMIT :limit)",
    "trim": "DELETE FROM outbox WHERE id IN (SELECT id FROM"
    " (SELECT id, time_us FROM outbox WHERE id <= :id ORDER BY id LIMIT :limit) WHERE time_us < :before)",
}

_BOUND = "(CAST(CAST(:xid AS text) AS xid8), CAST(:id AS bigint))"
_SETTLED = "xid < pg_snapshot_xmin(pg_current_snapshot())"

_POSTGRESQL = {
    "read": f"SELECT xid::text AS xid, {_FIELDS} FROM outbox"  # noqa: S608 - constants
    f" WHERE {_SETTLED} AND (xid, id) > {_BOUND} ORDER BY outbox.xid, id LIMIT :limit",
    "end": f"SELECT xid::text AS xid, id FROM outbox"  # noqa: S608 - constants
    f" WHERE {_SETTLED} ORDER BY outbox.xid DESC, id DESC LIMIT 1",
    "backlog": "SELECT count(*), min(time_us) FROM"  # noqa: S608 - constants
    f" (SELECT time_us FROM outbox WHERE (xid, id) > {_BOUND} LIMIT :limit) AS waiting",
    "trim": "DELETE FROM outbox WHERE id IN (SELECT id FROM"  # noqa: S608 - constants
    f" (SELECT id, time_us FROM outbox WHERE {_SETTLED} AND (xid, id) <= {_BOUND}"
    " ORDER BY xid, id LIMIT :limit) AS oldest WHERE time_us < :before)",
}

_ADOPT_RESTORED = (
    """UPDATE event_positions SET xid = 0, id = 0
    WHERE CAST(xid::text AS xid8) >= pg_snapshot_xmax(pg_current_snapshot())""",
    "UPDATE outbox SET xid = pg_current_xact_id() WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())",
)


def _bound(position: Position) -> dict[str, Any]:
    return {"xid": str(position.transaction), "id": position.id}


def _envelope(row: Row[Any]) -> Envelope:
    return Envelope(
        id=row.event_id,
        type=row.type,
        source=SOURCE,
        subject=row.subject,
        time=_EPOCH + row.time_us * _MICROSECOND,
        data=orjson.loads(row.data),
    )
