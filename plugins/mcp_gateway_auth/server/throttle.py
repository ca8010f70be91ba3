"""Allowances: how often something may be tried, counted in the database, so for all instances together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, select, update

from mcp_gateway.api import Clock, Services
from mcp_gateway.catalog.statements import insert

from .tables import allowances

_COLUMNS = allowances.c

# What is known to be used up is not looked up again: a flood of tries costs the database nothing.
MAX_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many tries at once; then each comes back after some seconds."""

    burst: int
    seconds_each: float

    @property
    def each_us(self) -> int:
        """The same in microseconds."""
        return round(self.seconds_each * 1e6)


class Throttle:
    """Counts what is spent of each allowance."""

    def __init__(self, services: Services) -> None:
        self._db = services.db
        self._clock: Clock = services.clock
        self._closed_until_us: dict[str, int] = {}

    async def spend(self, key: str, allowance: Allowance) -> float | None:
        """Spend a try, if there is one. One statement: tries at the same moment are counted one by one.

        Returns:
            None; or the seconds until there is a try again.
        """
        hidden, now_us = _hidden(key), _us(self._clock.now())
        wait_us = self._closed_until_us.get(hidden, 0) - now_us
        if wait_us <= 0:
            wait_us = await self._spend(hidden, allowance.each_us, allowance.burst * allowance.each_us, now_us)
        return wait_us / 1e6 if wait_us > 0 else None

    async def _spend(self, key: str, each_us: int, all_us: int, now_us: int) -> int:
        """Take a try; the microseconds until there is one, if there is none."""
        spent = case((_COLUMNS.full_at_us > now_us, _COLUMNS.full_at_us), else_=now_us) + each_us
        row = insert(allowances, self._db.dialect).values(key=key, full_at_us=now_us + each_us)
        row = row.on_conflict_do_update(
            index_elements=["key"], set_={"full_at_us": spent}, where=spent <= now_us + all_us
        )
        async with self._db.transaction() as tx:
            if (await tx.execute(row)).rowcount:
                return 0
            full_at_us = (await tx.execute(select(_COLUMNS.full_at_us).where(_COLUMNS.key == key))).scalar_one()
        if len(self._closed_until_us) >= MAX_REMEMBERED:
            self._closed_until_us.clear()
        self._closed_until_us[key] = full_at_us + each_us - all_us
        return max(1, self._closed_until_us[key] - now_us)

    async def give_back(self, key: str, allowance: Allowance) -> None:
        """Undo one `spend`."""
        self._closed_until_us.pop(_hidden(key), None)
        refund = update(allowances).where(_COLUMNS.key == _hidden(key))
        async with self._db.transaction() as tx:
            await tx.execute(refund.values(full_at_us=_COLUMNS.full_at_us - allowance.each_us))

    async def prune(self) -> None:
        """Drop the rows of allowances that are full."""
        async with self._db.transaction() as tx:
            await tx.execute(delete(allowances).where(_COLUMNS.full_at_us < _us(self._clock.now())))


def _hidden(key: str) -> str:
    """Keys hold addresses, and what people typed as their name, which may be their password."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _us(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, moment.tzinfo)) // timedelta(microseconds=1)
