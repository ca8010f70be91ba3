"""Writes offers, and tells which of them are new or say something else than before.

PostgreSQL does it in one statement, with an array a column. SQLite cannot give back what stood before, so there it is
read first: its transaction keeps everybody else out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Dialect, Select, select
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from mcp_gateway.catalog.events import TERMS
from mcp_gateway.catalog.offer_rows import KEY, OBSERVED, SHOWN, bound, key_in, terms_in
from mcp_gateway.catalog.statements import Row, among, arrays, arrays_of
from mcp_gateway.catalog.tables import offers

Key = tuple[str, ...]


async def upsert(tx: AsyncConnection, given: Mapping[Key, Row]) -> list[tuple[Row, Row | None]]:
    """Write offers, by what tells them apart.

    Returns:
        Those that are new or have other terms, each with what stood before; None where nothing did.
    """
    if not given:
        return []
    write = _in_one_statement if tx.dialect.name == "postgresql" else _after_reading
    return await write(tx, given)


async def _in_one_statement(tx: AsyncConnection, given: Mapping[Key, Row]) -> list[tuple[Row, Row | None]]:
    rows = list(given.values())
    found: Sequence[Any] = (await tx.exec_driver_sql(_statement(tx.dialect), arrays(rows))).all()
    return [(rows[number - 1], before) for number, before in found]


async def _after_reading(tx: AsyncConnection, given: Mapping[Key, Row]) -> list[tuple[Row, Row | None]]:
    fresh = dict(given)
    changed: list[tuple[Row, Row | None]] = []
    for *before, seen_at, ended_at in await tx.execute(_standing(tx.dialect, given)):
        row = fresh.pop(key_in(before), None)
        if row is None or row[OBSERVED] < seen_at:
            continue
        if ended_at is not None:
            changed.append((row, None))
        elif terms_in(before) != terms_in(row):
            changed.append((row, before))
    changed += [(row, None) for row in fresh.values()]
    await tx.exec_driver_sql(_INSERT, bound(given.values(), tx.dialect))
    return changed


def _standing(dialect: Dialect, given: Mapping[Key, Row]) -> Select[Any]:
    columns = [offers.c[name] for name in (*SHOWN, "seen_at", "ended_at")]
    return select(*columns).where(among(offers.c.title_id, {key[0] for key in given}, dialect))


def _of(table: str, names: Iterable[str]) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


NO_INDEX = " || ''"
_ASSIGN = ", ".join(f"{name} = excluded.{name}" for name in (*TERMS, "seen_at"))
_INTO = f"INSERT INTO offers ({', '.join(SHOWN)}, seen_at)"  # what is written is seen when it was observed


def _on_conflict(is_not: str) -> str:
    """What was seen at the same time or later and says the same needs no writing: a file that is read again."""
    differs = f"offers.ended_at IS NOT NULL OR ({_of('offers', TERMS)}) {is_not} ({_of('excluded', TERMS)})"
    return f"""ON CONFLICT ({", ".join(KEY)}) DO UPDATE SET {_ASSIGN}, ended_at = NULL, missed_at = NULL,
    observed_at = CASE WHEN {differs} THEN excluded.observed_at ELSE offers.observed_at END
    WHERE offers.seen_at < excluded.seen_at OR (offers.seen_at = excluded.seen_at AND ({differs}))"""


_INSERT = f"""{_INTO} VALUES ({", ".join(f"?{number}" for number in (*range(1, len(SHOWN) + 1), len(SHOWN)))})
{_on_conflict("IS NOT")}"""


@lru_cache(maxsize=2)
def _statement(dialect: Dialect) -> str:
    names = ", ".join(SHOWN)
    parameters = arrays_of((offers.c[name] for name in SHOWN), dialect)
    differs = f"({_of('before', TERMS)}) IS DISTINCT FROM ({_of('given', TERMS)})"
    # What is read is as it stood before the statement. It is joined once: two CTEs joined by the key would be compared
    # each with each, because PostgreSQL does not know how many rows they have. The empty texts keep it from the index
    # on platform and region, which it takes for the better one as long as the table has not been analysed.
    # One row at most is asked for of each, so that each is looked up by the key, however large the table is.
    same = [f"offers.{name}{'' if name == 'title_id' else NO_INDEX} = given.{name}" for name in KEY]
    return f"""
WITH given AS (SELECT * FROM unnest({parameters}) WITH ORDINALITY AS one ({names}, number)),
written AS ({_INTO} SELECT {names}, observed_at FROM given
    {_on_conflict("IS DISTINCT FROM")})
SELECT given.number, CASE WHEN before.ended_at IS NULL THEN before.shown END
FROM given LEFT JOIN LATERAL (
    SELECT *, ROW({names}) AS shown FROM offers WHERE {" AND ".join(same)} LIMIT 1
) AS before ON true
WHERE before.title_id IS NULL
    OR (before.seen_at <= given.observed_at AND (before.ended_at IS NOT NULL OR {differs}))
"""  # noqa: S608 - names of columns
