"""Statements over many values at once, the same on both databases."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, cast

import orjson
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Dialect,
    Insert,
    Select,
    Table,
    Text,
    any_,
    bindparam,
    func,
    select,
    text,
    true,
)
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
        return column == any_(bindparam(None, list(values), type_=ARRAY(Text), unique=True))
    listed = bindparam(None, orjson.dumps(list(values)).decode(), type_=Text, unique=True)
    return column.in_(select(func.json_each(listed).table_valued("value").c.value))


def rows_at(
    columns: Sequence[Column[Any]],
    last: Column[Any],
    values: Iterable[str],
    *,
    where: ColumnElement[bool],
    dialect: Dialect,
) -> Select[Any]:
    """The rows of a table that have one of many texts in the last column of its key.

    As long as the table has not been analysed, PostgreSQL takes the first columns of the key for telling enough,
    reads all rows that have them and compares each with all the texts: two seconds for a thousand ids among 100,000.
    Asked for one row a text, it looks each up.

    Args:
        columns: What to give back.
        last: The last column of the key.
        values: The texts.
        where: The values of the key's other columns.
        dialect: Of the connection.
    """
    if dialect.name != "postgresql":
        return select(*columns).where(where, among(last, values, dialect))
    listed = bindparam(None, list(values), type_=ARRAY(Text), unique=True)
    wanted = func.unnest(listed).table_valued("value", name="wanted").render_derived()
    found = select(*columns).where(where, last == wanted.c.value).limit(1).lateral("found")
    return select(*found.c).select_from(wanted.join(found, true()))


OnConflict = Literal["fail", "ignore", "replace"]


async def insert_rows(
    tx: AsyncConnection, table: Table, rows: Sequence[Row], *, on_conflict: OnConflict = "fail"
) -> None:
    """Insert rows of plain values, in the order of the table's columns.

    Args:
        tx: A write transaction.
        table: Where to.
        rows: See `driver_value` for values that are not numbers or texts.
        on_conflict: What to do where a row with that primary key stands: `replace` writes all columns over it; of two
            given rows with the same key the last counts.
    """
    if on_conflict == "replace":
        places = [place for place, column in enumerate(table.columns) if column.primary_key]
        rows = list({tuple([row[place] for place in places]): row for row in rows}.values())
    await write_rows(tx, _insert(table, tx.dialect.name, on_conflict), rows)


async def write_rows(tx: AsyncConnection, statement: Insert, rows: Sequence[Row]) -> None:
    """Run an insert for many rows; none of them may stand in the way of another, unless it is to be ignored.

    SQLAlchemy writes the statement once, and the rows go to the driver as they are: its own handling of each
    row's parameters took longer than SQLite took to insert them. PostgreSQL takes them as an array a column, in a third
    of the time that it needs for a statement a row.
    """
    if not rows:
        return
    if tx.dialect.name == "postgresql":
        await tx.exec_driver_sql(_sql_of_arrays(statement, tx.dialect), arrays(rows))
    else:
        await tx.exec_driver_sql(_sql(statement, tx.dialect), list(rows))


def arrays(rows: Sequence[Row]) -> tuple[str, ...]:
    """The values of a statement that is given an array a column; `arrays_of` writes its parameters.

    They go as PostgreSQL writes arrays: given a list, the driver asks of each value at length whether it is one too.
    """
    return tuple([_array(values) for values in zip(*rows, strict=True)])


def arrays_of(columns: Iterable[Column[Any]], dialect: Dialect) -> str:
    """The parameters for `arrays`, with the types that PostgreSQL has to be told."""
    types = [str(column.type.compile(dialect)).partition(" COLLATE")[0] for column in columns]
    return ", ".join(f"CAST(CAST(${number} AS TEXT) AS {kind}[])" for number, kind in enumerate(types, 1))


def _array(values: Sequence[Any]) -> str:
    """JSON but for the brackets, and for what JSON escapes beside quotation marks and backslashes."""
    inner = orjson.dumps(values).decode()[1:-1]
    if "\\" in inner.replace("\\\\", "").replace('\\"', ""):
        inner = _ESCAPED.sub(_unescaped, inner)
    return f"{{{inner}}}"


_ESCAPED = re.compile(r'\\(?:["\\]|u[0-9a-f]{4}|.)')


def _unescaped(match: re.Match[str]) -> str:
    escaped = match[0]
    return escaped if escaped[1] in '"\\' else str(orjson.loads(f'"{escaped}"'))


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
def _sql_of_arrays(statement: Insert, dialect: Dialect) -> str:
    table = cast(Table, statement.table)
    rows = select(text(f"* FROM unnest({arrays_of(table.columns, dialect)})"))
    return str(statement.from_select(table.columns.keys(), rows).compile(dialect=dialect))


@lru_cache(maxsize=64)
def _sql(statement: Insert, dialect: Dialect) -> str:
    return str(statement.compile(dialect=dialect))
