"""Every statement on the plugin's tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Insert, and_, delete, func, select

from mcp_gateway.api import Clock, Keyset, Services, SortKey
from mcp_gateway.catalog.statements import insert

from .rejects import MAX_REASON_CHARACTERS, Changes, Place, RejectedRecord, Rejection, Standing
from .tables import rejected_records

_TABLE = rejected_records.c
_ORDER = Keyset(SortKey(_TABLE.source), SortKey(_TABLE.file), SortKey(_TABLE.line_number))
_SHOWN = (_TABLE.source, _TABLE.file, _TABLE.line_number, _TABLE.reason, _TABLE.raw, _TABLE.seen_at)


class RejectedStore:
    """Keeps the records that could not be used."""

    def __init__(self, services: Services) -> None:
        self._db = services.db
        self._clock: Clock = services.clock

    async def standing(self, source: str, file: str) -> Standing:
        """What is rejected of a source, before one of its files is read."""
        statement = select(_TABLE.file, _TABLE.line_number, _TABLE.digest, _TABLE.record_key)
        found = Standing(file)
        async with self._db.reading() as conn:
            for name, line_number, digest, key in await conn.execute(statement.where(_TABLE.source == source)):
                place = Place(name, line_number)
                found.digests[place] = digest
                if key is not None:
                    found.places.setdefault(key, set()).add(place)
        return found

    async def write(self, source: str, file: str, changes: Changes) -> None:
        """Forget what has been corrected and keep what is newly rejected."""
        if not changes:
            return
        now = self._clock.now()
        rows = [rejected_row(source, file, rejection, now) for rejection in changes.rejected]
        async with self._db.transaction() as tx:
            for place in changes.healed:
                here = and_(_TABLE.source == source, _TABLE.file == place.file, _TABLE.line_number == place.line_number)
                await tx.execute(delete(rejected_records).where(here))
            if rows:
                await tx.execute(_upsert(self._db.dialect), rows)

    async def page(
        self, source: str | None, *, after: Sequence[str | int | float | None] | None, limit: int
    ) -> list[RejectedRecord]:
        """Rejected records by source, file and line, of one source or all."""
        statement = select(*_SHOWN) if source is None else select(*_SHOWN).where(_TABLE.source == source)
        async with self._db.reading() as conn:
            rows = await conn.execute(_ORDER.page(statement, after).limit(limit))
            return [RejectedRecord(*row) for row in rows]

    async def forget(self, source: str, file: str | None) -> int:
        """Forget what is rejected of a source, of one file or all; how many records that were."""
        these = _TABLE.source == source if file is None else and_(_TABLE.source == source, _TABLE.file == file)
        async with self._db.transaction() as tx:
            return (await tx.execute(delete(rejected_records).where(these))).rowcount

    async def count(self, source: str | None) -> int:
        """How many are rejected, of one source or all."""
        statement = select(func.count()).select_from(rejected_records)
        async with self._db.reading() as conn:
            found = await conn.execute(statement if source is None else statement.where(_TABLE.source == source))
            return found.scalar_one()


def _upsert(dialect: str) -> Insert:
    statement = insert(rejected_records, dialect)
    said = ("record_key", "reason", "raw", "digest", "seen_at")
    return statement.on_conflict_do_update(
        index_elements=["source", "file", "line_number"], set_={name: statement.excluded[name] for name in said}
    )


def rejected_row(source: str, file: str, rejection: Rejection, seen_at: datetime) -> dict[str, Any]:
    """A row of `rejected_records`."""
    return {
        "source": source,
        "file": file,
        "line_number": rejection.line_number,
        "record_key": rejection.key,
        "reason": rejection.reason[:MAX_REASON_CHARACTERS],
        "raw": rejection.shown,
        "digest": rejection.digest,
        "seen_at": seen_at,
    }
