"""The register of sign-ins: whose each family is, and whether it has ended. It is in the database on every store.

So a family's end is one transaction with the event that tells of it, and stays ended when Redis loses its last writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Row, Select, bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from mcp_gateway.api import Services
from mcp_gateway.catalog.events import SignInRevoked

from .errors import telling
from .machine import Family
from .models import Grant
from .tables import families
from .times import moment

KEPT_MS = 24 * 3600 * 1000
"""Ended sign-ins are kept so long. After that they are unknown, and refused as such."""

_row = families.c

# Built once: it runs with every refresh.
_ENDED_MS = select(_row.ended_ms).where(_row.family_id == bindparam("family_id"))


class Register:
    """The rows of `auth_families`. Raises StoreUnavailable when the database is away."""

    def __init__(self, services: Services) -> None:
        self._db = services.db
        self._events = services.events

    async def add(self, grant: Grant, family: Family, state: str | None) -> None:
        """Write a new sign-in down; `state` None: Redis keeps that."""
        row = {
            "family_id": family.family_id,
            "user_id": grant.user_id,
            "granted": orjson.dumps(_granted(grant)).decode(),
            "state": state,
            "begun_ms": family.begun_ms,
            "good_until_ms": family.ends_ms if state is None else family.good_until_ms,
        }
        with telling():
            async with self._db.transaction() as tx:
                await tx.execute(insert(families).values(row))

    async def is_open(self, family_id: str) -> bool:
        """Whether the sign-in is known and has not ended."""
        rows = await self._read(_ENDED_MS, family_id=family_id)
        return bool(rows) and rows[0].ended_ms is None

    async def end(self, family_id: str, reason: str, now_ms: int) -> bool:
        """End it and announce that, both or neither; whether it had not ended before."""
        with telling():
            async with self._db.transaction() as tx:
                return await self.end_in(tx, family_id, reason, now_ms)

    async def end_in(self, tx: AsyncConnection, family_id: str, reason: str, now_ms: int) -> bool:
        """As `end`, in a transaction of the caller's."""
        ending = update(families).where(_row.family_id == family_id, _row.ended_ms.is_(None)).values(ended_ms=now_ms)
        granted = (await tx.execute(ending.returning(_row.granted))).scalar()
        if granted is None:
            return False
        client_id = grant_of(granted).client_id
        event = SignInRevoked(family_id=family_id, client_id=client_id, reason=reason, revoked_at=moment(now_ms))
        await self._events.publish(event, tx=tx)
        return True

    async def of_user(self, user_id: str) -> Sequence[Row[Any]]:
        """The sign-ins of a person that have not ended."""
        return await self._read(select(families).where(_row.user_id == user_id, _row.ended_ms.is_(None)))

    async def erase_user(self, user_id: str, now_ms: int) -> tuple[list[str], int]:
        """End and forget all of a person; their ids, and how many had not ended."""
        mine = select(_row.family_id).where(_row.user_id == user_id)
        with telling():
            async with self._db.transaction() as tx:
                ids = list((await tx.execute(mine)).scalars())
                ended = [await self.end_in(tx, family_id, "erased", now_ms) for family_id in ids]
                await tx.execute(delete(families).where(_row.user_id == user_id))
        return ids, sum(ended)

    async def open_after(self, family_id: str, *, begun_before_ms: int, limit: int) -> list[str]:
        """The next ids of sign-ins that have not ended."""
        query = select(_row.family_id).where(
            _row.family_id > family_id, _row.ended_ms.is_(None), _row.begun_ms < begun_before_ms
        )
        return [row.family_id for row in await self._read(query.order_by(_row.family_id).limit(limit))]

    async def ended_since(self, ended_ms: int) -> list[str]:
        """The sign-ins that ended lately."""
        return [row.family_id for row in await self._read(select(_row.family_id).where(_row.ended_ms >= ended_ms))]

    async def clear(self, now_ms: int) -> None:
        """Forget what was over a day ago."""
        await self._forget(or_(_row.good_until_ms < now_ms - KEPT_MS, _row.ended_ms < now_ms - KEPT_MS))

    async def forget(self, family_ids: Sequence[str]) -> None:
        """Forget sign-ins that are no more."""
        if family_ids:
            await self._forget(_row.family_id.in_(family_ids))

    async def _forget(self, which: ColumnElement[bool]) -> None:
        with telling():
            async with self._db.transaction() as tx:
                await tx.execute(delete(families).where(which))

    async def _read(self, query: Select[Any], **values: object) -> Sequence[Row[Any]]:
        with telling():
            async with self._db.reading() as connection:
                rows: Sequence[Row[Any]] = (await connection.execute(query, values)).all()
                return rows


def grant_of(granted: str) -> Grant:
    """A grant as the register keeps it."""
    fields = orjson.loads(granted)
    return Grant(**{**fields, "scopes": frozenset(fields["scopes"])})


def _granted(grant: Grant) -> dict[str, Any]:
    fields = {name: getattr(grant, name) for name in Grant.__slots__}
    return {**fields, "scopes": sorted(grant.scopes)}
