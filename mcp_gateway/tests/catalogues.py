"""Catalogues for tests: opened on a real database, and shown row by row."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from mcp_gateway.catalog.models import Credit, TitleFacts, TitleId
from mcp_gateway.catalog.store import Catalog, SourceRecord
from mcp_gateway.catalog.tables import metadata
from mcp_gateway.storage.engine import Database, open_database
from mcp_gateway.storage.migrations import CORE_BRANCH, migrate

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

# Times say when something was noted, not what is known.
_TIMES = {"seen_at", "observed_at"}


class StandingClock:
    """A clock that stands still."""

    def now(self) -> datetime:
        """Always the same time."""
        return NOW

    def monotonic(self) -> float:
        """Always the same second."""
        return 0.0


@asynccontextmanager
async def opened(url: str, **branches: Path) -> AsyncIterator[tuple[Database, Catalog]]:
    """A database with the core's tables and those of more branches, and its catalogue."""
    async with open_database(url) as db:
        await migrate(db, {**dict([CORE_BRANCH]), **branches})
        yield db, Catalog(db, StandingClock())


def record(key: str, *, source: str = "jsonl", own: bool = True, **facts: Any) -> SourceRecord:
    """A record of a film of 2008 that keeps its key as its id."""
    given = {"kind": "movie", "name": f"Film {key}", "year": 2008, **facts}
    return SourceRecord(source, key, TitleFacts(**given), TitleId(key) if own else None)


def cast(*names: str) -> tuple[Credit, ...]:
    """Actors, in billing order."""
    return tuple(Credit(name, "actor") for name in names)


async def rows_of(db: Database, *, revisions: bool = True) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the catalogue's tables, sorted; without times, the catalogue's id, and if wished revisions."""
    left_out = _TIMES if revisions else _TIMES | {"revision"}
    shown = {}
    async with db.reading() as conn:
        for table in metadata.sorted_tables:
            columns = [c for c in table.columns if c.name not in left_out and str(c) != "catalog_state.id"]
            if columns:
                shown[table.name] = sorted(map(tuple, await conn.execute(select(*columns))), key=repr)
    return shown


async def events_of(db: Database, event_type: str | None = None) -> list[str]:
    """The ids of the events in the outbox, in order; of one type or all."""
    async with db.reading() as conn:
        rows = (await conn.execute(text("SELECT event_id, type FROM outbox ORDER BY id"))).all()
        return [row.event_id for row in rows if event_type in {None, row.type}]


async def empty(db: Database) -> None:
    """Forget everything."""
    async with db.transaction() as tx:
        for table in metadata.sorted_tables:
            if table.name != "catalog_state":
                await tx.execute(table.delete())
        await tx.execute(text("UPDATE catalog_state SET revision = 0"))
        await tx.execute(text("DELETE FROM outbox"))
