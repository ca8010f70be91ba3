"""Statements over many values at once, the same on both databases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import orjson
from sqlalchemy import ARRAY, Column, ColumnElement, Dialect, Insert, Table, Text, any_, bindparam, func, select
from sqlalchemy.ext.asyncio.engine import AsyncConnection

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

Row = Sequence[Any]


def among(column: ColumnElement[Any], values: Iterable[str], dialect: Dialect) -> ColumnElement[bool]:
    """Whether a column has one of many texts.

    One parameter, whatever their number, so that the statement and its plan are made once; `in_` writes a
    new statement for each number of values.
    """
    if dialect.name == "postgresql":
        listed = bindparam(None, list(values), type_=ARRAY(Text), unique=True)
        return column == any_(listed)
    text = bindparam(None, orjson.dumps(list(values)).decode(), type_=Text, unique=True)
    return column.in_(select(func.json_each(text).table_valued("value").c.value))


OnConflict = Literal["fail", "ignore", "replace"]


async def insert_rows(
    tx: AsyncConnection, table: Table, rows: Sequence[Row], *, on_conflict: OnConflict = "fail"
) -> None:
    """Insert rows of plain values, in the order of the table's columns.

    Args:
        tx: A write transaction.
        table: Where to.
        rows: See `driver_value` for values that are not numbers or texts.
        on_conflict: What to do where a row with that primary key stands: `replace` writes all columns over it.
    """
    await write_rows(tx, _insert(table, tx.dialect.name, on_conflict), rows)


async def write_rows(tx: AsyncConnection, statement: Insert, rows: Sequence[Row]) -> None:
    """Run an insert for many rows.

    SQLAlchemy writes the statement once, and the rows go to the driver as they are: its own handling of each
    row's parameters took longer than SQLite took to insert them.
    """
    if rows:
        await tx.exec_driver_sql(_sql(statement, tx.dialect), list(rows))


@lru_cache(maxsize=64)
def _insert(table: Table, dialect: str, on_conflict: OnConflict) -> Insert:
    statement = insert(table, dialect)
    if on_conflict == "fail":
        return statement
    if on_conflict == "ignore":
        return statement.on_conflict_do_nothing()
    keys = [column.name for column in table.primary_key.columns]
    values = {name: statement.excluded[name] for name in (column.name for column in table.columns) if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=values)


def insert(table: Table, dialect: str) -> sqlite.Insert | postgresql.Insert:
    """An insert that can say what to do on conflict."""
    # Of the two dialects only the one in use is imported: the other would be a fifth of SQLAlchemy for nothing.
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


def driver_value(column: Column[Any], value: Any, dialect: Dialect) -> Any:
    """A value as the driver takes it, for rows that go there as they are."""
    process = column.type.dialect_impl(dialect).bind_processor(dialect)
    return process(value) if process else value


@lru_cache(maxsize=64)
def _sql(statement: Insert, dialect: Dialect) -> str:
    return str(statement.compile(dialect=dialect))
