"""Families in the database, SQLite or PostgreSQL: the rule is applied under the lock of the family's row."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from sqlalchemy import bindparam, select, text, update
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from mcp_gateway.api import Services

from . import machine
from .errors import telling
from .machine import AccessRecord, Family, Presented, Verdict
from .models import Grant
from .register import Register, grant_of
from .tables import families

_row = families.c

# Built once: they run with every refresh and every check. SQLite has no row locks, and needs none: a transaction has
# the only write lock from its beginning.
_FAMILY = select(_row.state, _row.ended_ms).where(_row.family_id == bindparam("id"))
_LOCKED_FAMILY = _FAMILY.with_for_update()
_NOW_MS = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
_WRITE = (
    update(families)
    .where(_row.family_id == bindparam("id"))
    .values(state=bindparam("state"), good_until_ms=bindparam("good_until_ms"))
)


class SqlFamilies:
    """See `FamilyStore`."""

    def __init__(self, services: Services) -> None:
        self._db = services.db
        self._register = Register(services)

    async def begin(self, grant: Grant, family: Family) -> None:
        """Keep a new family."""
        await self._register.add(grant, family, _encoded(family))

    async def present(self, family_id: str, token: Presented) -> tuple[Verdict, Family | None]:
        """Apply the rule, in one transaction with the event that it may lead to."""
        with telling():
            async with self._db.transaction() as tx:
                before = await _locked(tx, family_id)
                if before is None:
                    return Verdict.OVER, None
                verdict, after = machine.present(before, token)
                if verdict is Verdict.REUSED:
                    await self._register.end_in(tx, family_id, after.ended, token.now_ms)
                elif after is not before:
                    await _write(tx, after)
        return verdict, after

    async def accept(self, family_id: str, jti: str, now_ms: int) -> bool:
        """Whether an access token is good. Only the first one of a generation writes."""
        before = await self.look(family_id)
        after = before and machine.accept(before, jti, now_ms)
        if after == before:
            return after is not None
        return bool(after) and await self._confirm(family_id, jti, now_ms)

    async def look(self, family_id: str) -> Family | None:
        """The family as it is."""
        with telling():
            async with self._db.reading() as connection:
                row = (await connection.execute(_FAMILY, {"id": family_id})).first()
        return _family(row.state, row.ended_ms) if row else None

    async def end(self, family_id: str, reason: str, now_ms: int) -> bool:
        """End it, in one transaction with its event."""
        return await self._register.end(family_id, reason, now_ms)

    async def of_user(self, user_id: str) -> Sequence[tuple[Grant, Family]]:
        """The families of a person."""
        return [
            (grant_of(row.granted), _family(row.state, row.ended_ms)) for row in await self._register.of_user(user_id)
        ]

    async def erase_user(self, user_id: str, now_ms: int) -> int:
        """End and forget."""
        _, ended = await self._register.erase_user(user_id, now_ms)
        return ended

    async def now_ms(self) -> int | None:
        """PostgreSQL's time; SQLite has this machine's."""
        if self._db.dialect == "sqlite":
            return None
        with telling():
            async with self._db.reading() as connection:
                return int((await connection.execute(_NOW_MS)).scalar_one())

    async def tend(self, now_ms: int) -> None:
        """Forget what is over."""
        await self._register.clear(now_ms)

    async def _confirm(self, family_id: str, jti: str, now_ms: int) -> bool:
        with telling():
            async with self._db.transaction() as tx:
                before = await _locked(tx, family_id)
                after = before and machine.accept(before, jti, now_ms)
                if after:
                    await _write(tx, after)
        return bool(after)


async def _locked(tx: AsyncConnection, family_id: str) -> Family | None:
    row = (await tx.execute(_LOCKED_FAMILY, {"id": family_id})).first()
    return _family(row.state, row.ended_ms) if row else None


async def _write(tx: AsyncConnection, family: Family) -> None:
    values = {"id": family.family_id, "state": _encoded(family), "good_until_ms": family.good_until_ms}
    await tx.execute(_WRITE, values)


def _encoded(family: Family) -> str:
    return orjson.dumps(family).decode()


def _family(state: str, ended_ms: int | None) -> Family:
    fields = orjson.loads(state)
    family = Family(**{**fields, "access": tuple(AccessRecord(**record) for record in fields["access"])})
    return family if ended_ms is None else machine.end(family, "ended")
