"""How far each reader of the outbox has come, and which process reads for it now."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from mcp_gateway.bus.outbox import Position
from mcp_gateway.storage.engine import Database


class Positions:
    """The table of named readers. One process at a time holds a reader; holding ends by itself after a crash.

    Times are the database's own where it is a server, so that the clocks of its clients do not matter.
    """

    def __init__(self, db: Database, *, holder: str, lease_seconds: float) -> None:
        self._db = db
        self._holder = holder
        self._now = _NOW[db.dialect]
        self._claim = _CLAIM.format(now=self._now)
        self.lease_seconds = lease_seconds

    async def ensure(self, name: str) -> None:
        """Begin with the oldest event, if the reader is new."""
        async with self._db.transaction() as tx:
            await tx.execute(text(_ENSURE), {"name": name})

    async def look(self, name: str) -> Position:
        """How far the reader has come."""
        return await self._read(_LOOK, name=name) or Position()

    async def lowest(self) -> Position | None:
        """How far all readers have come; None without any."""
        return await self._read(_LOWEST)

    async def claim(self, name: str) -> Position | None:
        """Hold the reader from now on; its position, or None when another process holds it."""
        async with self._db.transaction() as tx:
            row = (await tx.execute(text(self._claim), self._values(name))).first()
            return Position(row.xid, row.id) if row else None

    async def save(self, name: str, position: Position) -> bool:
        """Remember the position; False when the reader is no longer held."""
        return await self._update(
            name,
            f"xid = :xid, id = :id, held_until_us = {self._now} + :lease_us",
            xid=position.transaction,
            id=position.id,
        )

    async def renew(self, name: str) -> bool:
        """Hold on; False when the reader is no longer held."""
        return await self._update(name, f"held_until_us = {self._now} + :lease_us")

    async def release(self, name: str) -> None:
        """Let another process hold the reader."""
        await self._update(name, "holder = NULL, held_until_us = 0")

    async def _read(self, statement: str, **values: str) -> Position | None:
        async with self._db.reading() as connection:
            row = (await connection.execute(text(statement), values)).first()
            return Position(row.xid, row.id) if row else None

    async def _update(self, name: str, changes: str, **values: Any) -> bool:
        async with self._db.transaction() as tx:
            done = await tx.execute(
                text(f"UPDATE event_positions SET {changes} WHERE name = :name AND holder = :holder"),  # noqa: S608
                {**self._values(name), **values},
            )
            return done.rowcount == 1

    def _values(self, name: str) -> dict[str, Any]:
        return {"name": name, "holder": self._holder, "lease_us": int(self.lease_seconds * 1_000_000)}


_ENSURE = (
    "INSERT INTO event_positions (name, xid, id, held_until_us) VALUES (:name, 0, 0, 0) ON CONFLICT (name) DO NOTHING"
)
_LOOK = "SELECT xid, id FROM event_positions WHERE name = :name"
_LOWEST = "SELECT xid, id FROM event_positions ORDER BY xid, id LIMIT 1"
_CLAIM = """
UPDATE event_positions SET holder = :holder, held_until_us = {now} + :lease_us
WHERE name = :name AND (holder IS NULL OR holder = :holder OR held_until_us < {now})
RETURNING xid, id
"""

# Microseconds since 1970.
_NOW = {
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)",
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
}
