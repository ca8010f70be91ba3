"""PostgreSQL: one pool of connections, with limits on what they wait for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

import anyio
from sqlalchemy import URL, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio.engine import AsyncConnection, AsyncEngine, create_async_engine

from mcp_gateway.errors import SettingsError

GIVE_UP_SECONDS = 5

# Taken by whoever migrates; the number is arbitrary, but must never change.
_MIGRATION_LOCK = 0x6D65_6469_6167_77

_OPTIONS = {"sslmode": "ssl", "host": "host"}

# By the beginning of the SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
_CAUSES = {
    "28": "refuses the user or the password; correct storage.url",
    "3D000": "has no database {database!r}; create it, or correct storage.url",
    "42501": "does not allow this to the user; grant CREATE and USAGE on the schema",
    "53100": "has no space left on its disk; make room",
    "53300": "has no connection left; lower storage.pool_size, or raise its max_connections",
    "53": "has run out of a resource; see its log",
    "25006": "is read-only; name the primary server in storage.url",
    "40": "had two transactions in each other's way; try again",
    "55P03": "had to wait too long for a lock; see which transaction holds it",
    "57014": "cancelled a statement; see its log",
    "57P": "is stopping or starting; wait until it runs",
    "58": "cannot read or write its files; see its log",
    "08": "closed the connection; see its log",
}


class PostgresDriver:
    """A server's connections."""

    dialect: Literal["postgresql"] = "postgresql"
    probe = "SELECT 1"

    def __init__(self, url: str, *, pool_size: int, busy_seconds: float) -> None:
        self._url, options = _parse(url)
        self.writers = _engine(self._url, options, pool_size=pool_size, busy_seconds=busy_seconds)
        self.readers = self.writers.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    async def prepare(self) -> None:
        """Connect once."""
        async with self.writers.connect() as connection:
            await connection.execute(text(self.probe))

    def explain(self, error: BaseException, *, reading: bool = False) -> str | None:
        """Why the server cannot be used, and what to do."""
        if isinstance(error, OSError):
            return self._sentence("does not answer; start it, or correct storage.url")
        if not isinstance(error, DBAPIError):
            return None
        state = getattr(error.orig, "sqlstate", None) or ""
        if reading and state == "25006":
            return None
        cause = next((cause for prefix, cause in _CAUSES.items() if state.startswith(prefix)), None)
        if cause is None and error.connection_invalidated:
            cause = _CAUSES["08"]
        return cause and self._sentence(cause)

    @asynccontextmanager
    async def schema_change(self, connection: AsyncConnection) -> AsyncIterator[None]:
        """Whoever has the lock migrates; the others wait for it, and it ends with the transaction."""
        await connection.begin()
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        yield
        await connection.commit()

    async def close(self) -> None:
        """Close all connections."""
        await self.writers.dispose()

    def _sentence(self, cause: str) -> str:
        where = f"{self._url.host or 'localhost'}:{self._url.port or 5432}"
        return f"PostgreSQL at {where} {cause.format(database=self._url.database)}."


async def copy_rows(tx: AsyncConnection, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert rows of plain values in their order, with COPY: in half the time of an insert of arrays.

    Args:
        tx: From `Database.transaction()`.
        table: Its other columns have their defaults.
        columns: What the values are of.
        rows: The values.
    """
    # The driver's transaction begins with the first statement that it is given by SQLAlchemy.
    await tx.exec_driver_sql("SELECT 1")
    driver = (await tx.get_raw_connection()).driver_connection
    if driver is None:
        raise DisconnectionError
    try:
        await driver.copy_records_to_table(table, columns=columns, records=rows)
    except BaseException as error:
        is_cancelled = not isinstance(error, Exception)
        if is_cancelled or driver.is_closed():  # SQLAlchemy has not seen it
            with anyio.CancelScope(shield=True):
                await tx.invalidate()
        if is_cancelled:
            raise
        raise DBAPIError("COPY", None, error, connection_invalidated=driver.is_closed()) from error


def _parse(url: str) -> tuple[URL, dict[str, Any]]:
    """The URL without its options, and the options as the driver calls them."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise SettingsError("storage.url is not as postgresql://user:password@host:5432/database.") from None
    unknown = sorted(set(parsed.query) - set(_OPTIONS))
    if unknown:
        raise SettingsError(f"storage.url has the unknown option {unknown[0][:40]!r}; known: {', '.join(_OPTIONS)}.")
    options = {_OPTIONS[name]: value for name, value in parsed.query.items()}
    return parsed.set(drivername="postgresql+asyncpg", query={}), options


def _engine(url: URL, options: dict[str, Any], *, pool_size: int, busy_seconds: float) -> AsyncEngine:
    # Compiling a statement that handles a batch took a second, running it a tenth: planners take our arrays for huge.
    settings = {"application_name": "media-gateway", "lock_timeout": f"{busy_seconds * 1000:.0f}ms", "jit": "off"}
    engine = create_async_engine(
        url,
        connect_args={**options, "timeout": busy_seconds, "server_settings": settings},
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=busy_seconds,
        pool_use_lifo=True,
    )

    event.listen(engine.sync_engine, "checkout", _replace_if_closed)
    event.listen(engine.sync_engine, "invalidate", _end)
    return engine


def _replace_if_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    # The server's farewell has arrived by now: a restart costs nobody an error, and looking costs no round trip.
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _end(connection: Any, _record: Any, _error: BaseException | None) -> None:
    """Have the server stop what a cancelled connection asked for, before it is given up."""
    connection.run_async(_cancel)


async def _cancel(connection: Any) -> None:
    # Shielded: the driver asks the server in a task of its own, which the next wave of the cancellation would end.
    with anyio.CancelScope(shield=True), suppress(Exception):
        await connection.close(timeout=GIVE_UP_SECONDS)
