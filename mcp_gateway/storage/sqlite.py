"""SQLite: one file, one writer at a time, any number of readers that never wait for it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, Literal
from weakref import WeakSet

import aiosqlite
import anyio
import anyio.to_thread
from sqlalchemy import URL, Connection, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio.engine import AsyncConnection, AsyncEngine, create_async_engine

from mcp_gateway.errors import SettingsError, StorageError
from mcp_gateway.storage.sqlite_cursor import OneTripConnection

# The log (WAL) lets readers see the last commit while a writer writes. NORMAL keeps the file whole in a power cut,
# which may cost the last commits. A longer log spares bulk loads checkpoints; its file shrinks again afterwards.
_PRAGMAS = """
PRAGMA foreign_keys=ON; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=134217728;
PRAGMA wal_autocheckpoint=4000; PRAGMA journal_size_limit=67108864;
"""
_WRITER = _PRAGMAS + "PRAGMA cache_size=-32768; PRAGMA busy_timeout=0;"
_READER = _PRAGMAS + "PRAGMA cache_size=-8192; PRAGMA busy_timeout=1000; PRAGMA query_only=ON;"

_PAUSE_SECONDS = 0.02
GIVE_UP_SECONDS = 5

_CAUSES = {
    "SQLITE_NOTADB": "is not a SQLite database; name another file in storage.url, or move this one away",
    "SQLITE_CORRUPT": "is damaged; restore it from a backup, or move it away and import again",
    "SQLITE_BUSY": "is locked by another process; stop that process, or wait until it is done",
    "SQLITE_LOCKED": "is locked by another process; stop that process, or wait until it is done",
    "SQLITE_READONLY": "is read-only; make the file and its folder writable for this user",
    "SQLITE_PERM": "may not be opened; make the file and its folder writable for this user",
    "SQLITE_CANTOPEN": "cannot be opened; check that its folder exists and that this user may write there",
    "SQLITE_FULL": "cannot grow because the disk is full; make room",
    "SQLITE_IOERR": "cannot be read or written; check the disk and the space on it",
    "SQLITE_PROTOCOL": "is locked by another process; stop that process, or wait until it is done",
}


class SqliteDriver:
    """The file's connections: one for writing, which writers queue for, and a pool for reading."""

    dialect: Literal["sqlite"] = "sqlite"
    probe = "SELECT count(*) FROM sqlite_master"

    def __init__(self, url: str, *, readers: int, busy_seconds: float) -> None:
        self._path = _path(url)
        self._busy_seconds = busy_seconds
        self._opened: WeakSet[OneTripConnection] = WeakSet()
        self.writers = self._engine(_WRITER, self._begin_writing, size=1)
        self.readers = self._engine(_READER, _begin_reading, size=readers)

    async def prepare(self) -> None:
        """Make the folder and the file where they are missing, and see whether both can be used."""
        await anyio.to_thread.run_sync(_check_access, self._path)
        await anyio.to_thread.run_sync(_set_up, self._path, self._busy_seconds, abandon_on_cancel=True)

    def explain(self, error: BaseException, *, reading: bool = False) -> str | None:
        """Why the file cannot be used, and what to do."""
        origin = error.orig if isinstance(error, DBAPIError) else error
        name = getattr(origin, "sqlite_errorname", "") if isinstance(origin, sqlite3.Error) else ""
        if reading and name == "SQLITE_READONLY":
            return None
        return next((f"{self._path} {text}." for prefix, text in _CAUSES.items() if name.startswith(prefix)), None)

    @asynccontextmanager
    async def schema_change(self, connection: AsyncConnection) -> AsyncIterator[None]:
        """Rebuilding a table drops the old one, so foreign keys are off, and checked before the commit."""
        raw: Any = (await connection.get_raw_connection()).driver_connection
        try:
            await raw.execute("PRAGMA foreign_keys=OFF")  # has no effect inside a transaction
            await connection.begin()
            yield
            await _check_foreign_keys(connection)
            await connection.commit()
        finally:
            with anyio.CancelScope(shield=True):
                await connection.invalidate()  # the next one begins with foreign keys on

    async def close(self) -> None:
        """Close all connections and end their threads."""
        await self.readers.dispose()
        await self.writers.dispose()
        # Those given up while connecting end by themselves, but need the event loop to say so.
        await anyio.to_thread.run_sync(_join, [connection._thread for connection in self._opened])

    def _engine(self, pragmas: str, begin: Callable[[Connection], None], *, size: int) -> AsyncEngine:
        engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=str(self._path)),
            async_creator=partial(self._connect, pragmas),
            pool_size=size,
            max_overflow=0,
            # Who waits in line for a writer that waits for another process learns of the lock, not of the line.
            pool_timeout=2 * self._busy_seconds,
            pool_use_lifo=True,
        )
        event.listen(engine.sync_engine, "begin", begin)
        event.listen(engine.sync_engine, "invalidate", _end)
        return engine

    async def _connect(self, pragmas: str) -> aiosqlite.Connection:
        connection = OneTripConnection(partial(_open, self._path, pragmas), iter_chunk_size=64)
        connection._thread.daemon = True  # as SQLAlchemy does: one that hangs in the file system does not keep us alive
        self._opened.add(connection)
        with anyio.CancelScope(shield=True):  # takes milliseconds; half-way, nobody would close it
            await connection
        return connection

    def _begin_writing(self, connection: Connection) -> None:
        """Take the write lock. Only other processes can hold it: ours queue for the connection."""
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                return
            except OperationalError as error:
                if not _is_busy(error.orig) or time.monotonic() > deadline:
                    raise
            # SQLite's own waiting would keep a thread that cannot be cancelled.
            connection.connection.run_async(_pause)


def _path(url: str) -> Path:
    path = url.removeprefix("sqlite:///")
    if path == url or not path or path.startswith((":memory:", "file:")):
        raise SettingsError("storage.url must name a file, as sqlite:///path/to/file does.")
    return Path(path)


def _check_access(path: Path) -> None:
    """Say what is wrong where SQLite would only say that it cannot open the file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = "is a folder; name a file in it" if path.is_dir() else None
    except OSError as error:
        raise StorageError(
            f"{path.parent} cannot be made ({error.strerror}); name another folder in storage.url."
        ) from error
    if path.exists() and not os.access(path, os.R_OK):
        kind = kind or "cannot be read by this user; change its permissions, or name another file in storage.url"
    elif not os.access(path.parent, os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.W_OK)):
        kind = kind or _CAUSES["SQLITE_READONLY"]
    if kind:
        raise StorageError(f"{path} {kind}.")


def _set_up(path: Path, busy_seconds: float) -> None:
    deadline = time.monotonic() + busy_seconds
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        while not _uses_log(connection, path):
            # While another process does the same, SQLite says that it is busy, however long it is told to wait.
            if time.monotonic() > deadline:
                raise StorageError(f"{path} {_CAUSES['SQLITE_BUSY']}.")
            time.sleep(_PAUSE_SECONDS)


def _uses_log(connection: sqlite3.Connection, path: Path) -> bool:
    """Switch the log on and read something; False while another process is in the way."""
    try:
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        connection.execute(SqliteDriver.probe)
    except sqlite3.OperationalError as error:
        if _is_busy(error):
            return False
        raise
    if mode != "wal":
        raise StorageError(f"{path} is on a network or shared folder that SQLite cannot use; move it to a local disk.")
    return True


def _join(threads: list[Thread]) -> None:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _open(path: Path, pragmas: str) -> sqlite3.Connection:
    # No implicit transactions: the `begin` event alone starts them, so that DDL is part of them too.
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.executescript(pragmas)
    except BaseException:
        connection.close()
        raise
    return connection


def _begin_reading(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


async def _pause(_: aiosqlite.Connection) -> None:
    await anyio.sleep(_PAUSE_SECONDS)


def _end(connection: Any, _record: Any, _error: BaseException | None) -> None:
    """End what a cancelled connection still does in its thread, with its locks, before it is given up."""
    connection.run_async(_interrupt)


async def _interrupt(connection: aiosqlite.Connection) -> None:
    with anyio.move_on_after(GIVE_UP_SECONDS, shield=True), suppress(ValueError):  # it is closed
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_keep_interrupting, connection)
            await connection._execute(_nothing)  # type: ignore[no-untyped-call]
            tasks.cancel_scope.cancel()
        # Closed, it would keep its locks for as long as somebody refers to one of its statements.
        with suppress(sqlite3.Error):
            await connection.rollback()
        await connection.close()


def _nothing() -> None:
    return


async def _keep_interrupting(connection: aiosqlite.Connection) -> None:
    """A statement that its thread had not begun yet would not notice a single interruption."""
    with suppress(ValueError, sqlite3.ProgrammingError):  # it is closed
        while True:
            await connection.interrupt()
            await anyio.sleep(_PAUSE_SECONDS)


def _is_busy(error: BaseException | None) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")


async def _check_foreign_keys(connection: AsyncConnection) -> None:
    broken: Any = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).first()
    if broken is not None:
        raise StorageError(f"A row of {broken[0]} would refer to a row of {broken[2]} that is not there.")
