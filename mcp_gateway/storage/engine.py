"""The database as everyone sees it: transactions and consistent reads, on SQLite or PostgreSQL.

What differs between the two stands in `sqlite.py` and `postgresql.py`, behind `Driver`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Literal, Protocol

import anyio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio.engine import AsyncConnection, AsyncEngine

from mcp_gateway.errors import SettingsError, StorageError, Unavailable, nearest

log = logging.getLogger(__name__)

# Past this, a rollback or a ping is given up: the server is away, and the connection is thrown away.
GIVE_UP_SECONDS = 5

Dialect = Literal["sqlite", "postgresql"]
SCHEMES = ("sqlite", "postgresql")


class Driver(Protocol):
    """What the two databases do differently."""

    writers: AsyncEngine
    readers: AsyncEngine
    probe: str  # a statement that shows whether the database answers

    @property
    def dialect(self) -> Dialect:
        """Which of the two it is."""
        ...

    async def prepare(self) -> None:
        """Make sure that the database is there and can be used. Raises what explain() understands, or StorageError."""
        ...

    def explain(self, error: BaseException, *, reading: bool = False) -> str | None:
        """Why the database cannot be used and what to do, for the operator; None when it is not to blame.

        A write that was refused because it stood in a reading transaction is the program's fault.
        """
        ...

    def schema_change(self, connection: AsyncConnection) -> AbstractAsyncContextManager[None]:
        """A transaction in which tables may be rebuilt, committed in the end; one at a time in all processes."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class Database:
    """A database that is open. Both kinds of transaction raise Unavailable when it is away, locked or full.

    Attributes:
        url: With which another process opens it too. It may hold a password.
    """

    def __init__(self, driver: Driver, url: str) -> None:
        self.url = url
        self._driver = driver
        self.dialect: Dialect = driver.dialect
        self.engine: AsyncEngine = driver.writers

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write: committed on leaving, rolled back on an error or when cancelled.

        On SQLite it has the write lock from its beginning, and waits for it in line.
        """
        async with self._connection(self._driver.writers) as connection:
            await connection.begin()
            yield connection
            await connection.commit()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads, all of it from one state of the database. Writers do not hold it up."""
        async with self._connection(self._driver.readers) as connection:
            await connection.begin()
            yield connection

    @asynccontextmanager
    async def schema_change(self) -> AsyncIterator[AsyncConnection]:
        """A transaction for a migration: as transaction(), but a single one at a time in all processes.

        Foreign keys hold again when it ends; SQLite rebuilds tables to change them.
        """
        async with self._connection(self._driver.writers) as connection, self._driver.schema_change(connection):
            yield connection

    async def ping(self) -> None:
        """Raise Unavailable when the database does not answer."""
        try:
            with anyio.fail_after(GIVE_UP_SECONDS):
                async with self.reading() as connection:
                    await connection.execute(text(self._driver.probe))
        except TimeoutError as error:
            raise Unavailable("The database does not answer; try again later.") from error

    @asynccontextmanager
    async def _connection(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        with self._translated(Exception):
            connection = await engine.connect()
        try:
            with self._translated(SQLAlchemyError, reading=engine is self._driver.readers):
                yield connection
        finally:
            await _give_back(connection)

    @contextmanager
    def _translated(self, kind: type[Exception], *, reading: bool = False) -> Iterator[None]:
        try:
            yield
        except PoolTimeoutError as error:
            log.warning("no database connection is free", extra={"cause": str(error)})
            raise Unavailable("The database is busy; try again.", retry_after_seconds=1) from error
        except kind as error:
            cause = self._driver.explain(error, reading=reading)
            if cause is None:
                raise
            log.warning("database unavailable", extra={"cause": cause, "error": in_short(error)})
            raise Unavailable(
                "The database is not available at the moment; try again later.", for_operator=cause
            ) from error


@asynccontextmanager
async def open_database(url: str, *, pool_size: int = 10, busy_seconds: float = 10) -> AsyncIterator[Database]:
    """Open the database, and close it in the end.

    Args:
        url: `sqlite:///path/to/file`, made with its folder when missing, or `postgresql://user:password@host/name`.
        pool_size: Connections at most. SQLite: that many readers and one writer.
        busy_seconds: How long to wait for a lock, for a free connection, or for the server to accept one.

    Raises:
        SettingsError: The URL names no database.
        StorageError: It cannot be used; one line that says why and what to do.
    """
    driver = _driver(url, pool_size, busy_seconds)
    try:
        await _check(driver)
        yield Database(driver, url)
    finally:
        with anyio.CancelScope(shield=True):
            await driver.close()


async def check_url(url: str) -> None:
    """Raise SettingsError when the URL names no database. Connects to nothing."""
    await _driver(url, 1, 1).close()


def _driver(url: str, pool_size: int, busy_seconds: float) -> Driver:
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        from mcp_gateway.storage.sqlite import SqliteDriver

        return SqliteDriver(url, readers=pool_size, busy_seconds=busy_seconds)
    if scheme == "postgresql":
        from mcp_gateway.storage.postgresql import PostgresDriver

        return PostgresDriver(url, pool_size=pool_size, busy_seconds=busy_seconds)
    close = nearest(scheme, SCHEMES)
    hint = f" Did you mean {close}?" if close else ""
    raise SettingsError(
        f"storage.url begins with {scheme[:20]!r}; use sqlite:///path/to/file or postgresql://user:password@host/name.{hint}"
    )


async def _check(driver: Driver) -> None:
    try:
        await driver.prepare()
    except Exception as error:
        cause = driver.explain(error)
        if cause is None:
            raise
        log.debug("database cannot be opened", exc_info=error)
        raise StorageError(cause) from error


async def _give_back(connection: AsyncConnection) -> None:
    """Return the connection to the pool, with whatever is open in it rolled back; also when cancelled."""
    with anyio.move_on_after(GIVE_UP_SECONDS, shield=True):
        await connection.close()


def in_short(error: Exception) -> str:
    """One line in the driver's words, without the statement and its values, which may be somebody's data."""
    words = str(error.orig if isinstance(error, DBAPIError) else error) or type(error).__name__
    return words.splitlines()[0]
