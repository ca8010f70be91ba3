"""A SQLite connection whose statements cross over to its thread and back once.

aiosqlite crosses for each step: make a cursor, execute, fetch, close. For a statement that finds a few rows, that takes
most of its time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import aiosqlite

T = TypeVar("T")

# Rows that come along with the statement; more of them are fetched when they are asked for.
ROWS_AT_ONCE = 1000


class OneTripConnection(aiosqlite.Connection):
    """As aiosqlite's, with cursors that are made where they are used, and a thread that is told to stop once."""

    _is_stopped = False

    def stop(self) -> Any:
        """Stop the thread. Told again, as by SQLAlchemy when closing is cancelled, nobody would be there to answer."""
        if self._is_stopped:
            return None
        self._is_stopped = True
        return super().stop()

    def cursor(self) -> OneTripCursor:  # type: ignore[override]  # aiosqlite's can be awaited too, which we do not do
        """A cursor for one statement."""
        return OneTripCursor(self)


class OneTripCursor(aiosqlite.Cursor):
    """Runs one statement; closed by itself once the last row has been read from the database."""

    _cursor: Any

    def __init__(self, connection: OneTripConnection) -> None:
        super().__init__(connection, None)  # type: ignore[arg-type]  # made in the thread, when it runs something
        self._rows: list[Any] = []
        self._is_open = False

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> OneTripCursor:
        """Run a statement and fetch its first rows."""
        await self._in_thread(self._run, sql, parameters or ())
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> OneTripCursor:
        """Run a statement for each set of parameters."""
        await self._in_thread(self._run_many, sql, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        """All rows that have not been fetched yet."""
        rows, self._rows = self._rows, []
        if self._is_open:
            rows += await self._in_thread(self._rest)
        return rows

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next rows, of which there may be fewer than are left; none at the end."""
        size = size or ROWS_AT_ONCE
        if not self._rows and self._is_open:
            self._rows = await self._in_thread(self._next)
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    async def fetchone(self) -> Any:
        """The next row, or None."""
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def close(self) -> None:
        """Forget what has not been fetched."""
        self._rows = []
        if self._is_open:
            self._is_open = False
            await self._in_thread(self._cursor.close)

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        result: T = await self._conn._execute(function, *arguments)  # type: ignore[no-untyped-call]  # as aiosqlite's own
        return result

    def _run(self, sql: str, parameters: Iterable[Any]) -> None:
        self._cursor = self._conn._conn.cursor()
        self._cursor.execute(sql, parameters)
        self._rows = self._next() if self._cursor.description else []

    def _run_many(self, sql: str, parameters: Iterable[Iterable[Any]]) -> None:
        self._cursor = self._conn._conn.cursor()
        self._cursor.executemany(sql, parameters)

    def _next(self) -> list[Any]:
        rows: list[Any] = self._cursor.fetchmany(ROWS_AT_ONCE)
        self._is_open = len(rows) == ROWS_AT_ONCE
        if not self._is_open:
            self._cursor.close()
        return rows

    def _rest(self) -> list[Any]:
        rows: list[Any] = self._cursor.fetchall()
        self._cursor.close()
        self._is_open = False
        return rows
