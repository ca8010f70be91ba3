"""Every statement on the signing keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from mcp_gateway.api import Services

from .tables import signing_keys


class KeyRow(NamedTuple):
    """A row of `auth_signing_keys`."""

    number: int
    kid: str
    sealed: bytes
    signs_from_ms: int


class KeyStore:
    """The keys as the database has them. Raises Unavailable when it is away."""

    def __init__(self, services: Services) -> None:
        self._db = services.db

    async def rows(self) -> list[KeyRow]:
        """All keys, oldest first."""
        async with self._db.reading() as connection:
            found = await connection.execute(select(signing_keys).order_by(signing_keys.c.number))
            return [KeyRow(*row) for row in found]

    async def add(self, row: KeyRow) -> bool:
        """Add a key; False when another instance added one of that number."""
        insert = postgresql.insert if self._db.dialect == "postgresql" else sqlite.insert
        async with self._db.transaction() as tx:
            added = await tx.execute(insert(signing_keys).values(row._asdict()).on_conflict_do_nothing())
            return added.rowcount == 1

    async def remove(self, numbers: Sequence[int]) -> None:
        """Forget keys."""
        if numbers:
            async with self._db.transaction() as tx:
                await tx.execute(delete(signing_keys).where(signing_keys.c.number.in_(numbers)))
