"""Every statement on the states of listings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import ColumnElement, Insert, and_, delete, or_, select, update
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from mcp_gateway.api import Clock, Services
from mcp_gateway.catalog.statements import insert

from ..rejects import Rejection
from ..store import rejected_row
from ..tables import rejected_records
from .state import Circuit, SyncState, Target
from .tables import sync_states

_TABLE = sync_states.c
_KEY = ("source", "platform", "region")
_REJECTED = rejected_records.c
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LeaseLost(Exception):
    """Another run has taken the listing over."""


class SyncStore:
    """The states of listings. One for each run: it tells the run from all others that may hold a listing.

    Args:
        lease: How long a listing stays held without `save`.
    """

    def __init__(self, services: Services, *, lease: timedelta) -> None:
        self._db = services.db
        self._clock: Clock = services.clock
        self._holder = uuid4().hex
        self._lease = lease

    async def claim(self, target: Target) -> SyncState | None:
        """Hold a listing from now on; its state, or None when another run holds it."""
        now = self._now_us()
        free = or_(_TABLE.holder.is_(None), _TABLE.held_until_us < now)
        held = update(sync_states).where(_is(target), free).values(self._mine()).returning(_TABLE.state)
        async with self._db.transaction() as tx:
            await tx.execute(_new(target, SyncState().model_dump_json(), tx.dialect.name))
            json = (await tx.execute(held)).scalar()
        return None if json is None else SyncState.of(json)

    async def save(self, tx: AsyncConnection, target: Target, state: SyncState) -> None:
        """Write the state, and hold on.

        Raises:
            LeaseLost: Another run holds the listing by now: nothing of the transaction may commit.
        """
        mine = update(sync_states).where(_is(target), _TABLE.holder == self._holder)
        if (await tx.execute(mine.values(state=state.model_dump_json(), **self._mine()))).rowcount != 1:
            raise LeaseLost

    async def release(self, target: Target) -> None:
        """Let others have it."""
        mine = update(sync_states).where(_is(target), _TABLE.holder == self._holder)
        async with self._db.transaction() as tx:
            await tx.execute(mine.values(holder=None, held_until_us=0))

    async def states(self) -> dict[Target, SyncState]:
        """All listings."""
        async with self._db.reading() as conn:
            columns = (_TABLE.source, _TABLE.platform, _TABLE.region, _TABLE.state)
            rows = (await conn.execute(select(*columns).where(_TABLE.region != "").order_by(*columns[:3]))).all()
        return {Target(*key): SyncState.of(json) for *key, json in rows}

    async def state(self, target: Target) -> SyncState:
        """One listing, as it is to begin with when nothing is known of it."""
        async with self._db.reading() as conn:
            json = (await conn.execute(select(_TABLE.state).where(_is(target)))).scalar()
        return SyncState.of(json) if json else SyncState()

    async def circuit(self, source: str, platform: str) -> Circuit:
        """How a source fares with a platform."""
        async with self._db.reading() as conn:
            return await _circuit(conn, Target(source, platform, ""))

    async def note_failure(
        self, target: Target, state: SyncState, message: str, retry_after_seconds: float | None
    ) -> None:
        """Note a failure with the listing and with its platform."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            state.fail(now, message, retry_after_seconds)
            await self.save(tx, target, state)
            place = target._replace(region="")
            circuit = await _circuit(tx, place, lock=True)
            circuit.fail(now, message, retry_after_seconds)
            await _keep_circuit(tx, place, circuit)

    async def note_answer(self, tx: AsyncConnection, target: Target) -> None:
        """The platform is well again."""
        await tx.execute(delete(sync_states).where(_is(target._replace(region=""))))

    async def keep_rejected(self, tx: AsyncConnection, target: Target, rejections: Sequence[Rejection]) -> None:
        """Keep payloads that could not be used; the same one again is kept once."""
        if not rejections:
            return
        now = self._clock.now()
        rows = {
            rejection.line_number: rejected_row(target.source, file_of(target), rejection, now)
            for rejection in rejections
        }
        statement = insert(rejected_records, tx.dialect.name)
        said = {name: statement.excluded[name] for name in ("reason", "raw", "digest", "seen_at")}
        key = ["source", "file", "line_number"]
        await tx.execute(statement.on_conflict_do_update(index_elements=key, set_=said), list(rows.values()))

    async def forget_rejected(self, tx: AsyncConnection, target: Target, before: datetime) -> None:
        """After all that is offered was listed: forget rejected payloads that were not among it."""
        here = and_(_REJECTED.source == target.source, _REJECTED.file == file_of(target))
        await tx.execute(delete(rejected_records).where(here, _REJECTED.seen_at < before))

    def _mine(self) -> dict[str, str | int]:
        lease_us = int(self._lease.total_seconds() * 1_000_000)
        return {"holder": self._holder, "held_until_us": self._now_us() + lease_us}

    def _now_us(self) -> int:
        return (self._clock.now() - _EPOCH) // timedelta(microseconds=1)


def file_of(target: Target) -> str:
    """What stands for the file in the list of rejected records."""
    return f"{target.platform}/{target.region}"


def _is(target: Target) -> ColumnElement[bool]:
    return and_(*(_TABLE[name] == value for name, value in zip(_KEY, target, strict=True)))


def _new(target: Target, json: str, dialect: str) -> Insert:
    row = {**target._asdict(), "holder": None, "held_until_us": 0, "state": json}
    return insert(sync_states, dialect).values(row).on_conflict_do_nothing()


async def _circuit(conn: AsyncConnection, place: Target, *, lock: bool = False) -> Circuit:
    statement = select(_TABLE.state).where(_is(place))
    json = (await conn.execute(statement.with_for_update() if lock else statement)).scalar()
    return Circuit.of(json) if json else Circuit()


async def _keep_circuit(tx: AsyncConnection, place: Target, circuit: Circuit) -> None:
    statement = insert(sync_states, tx.dialect.name)
    row = {**place._asdict(), "holder": None, "held_until_us": 0, "state": circuit.model_dump_json()}
    upsert = statement.values(row).on_conflict_do_update(index_elements=_KEY, set_={"state": statement.excluded.state})
    await tx.execute(upsert)
