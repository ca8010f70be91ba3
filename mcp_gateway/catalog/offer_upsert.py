"""Writes offers, and tells which of them are new or say something else than before.

PostgreSQL does it in one statement, with an array a column. SQLite cannot give back what stood before, so there it is
read first: its transaction keeps everybody else out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import starmap
from typing import Any

from sqlalchemy import Dialect, Select, select
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from mcp_gateway.catalog.events import TERMS
from mcp_gateway.catalog.models import Offer
from mcp_gateway.catalog.offer_rows import COLUMNS, KEY, SHOWN, offer_of, row_writer
from mcp_gateway.catalog.statements import among
from mcp_gateway.catalog.tables import offers

Key = tuple[str, ...]


async def upsert(tx: AsyncConnection, given: Mapping[Key, Offer]) -> list[tuple[Offer, Offer | None]]:
    """Write offers, by what tells them apart.

    Returns:
        Those that are new or have other terms, each with what stood before; None where nothing did.
    """
    if not given:
        return []
    write = _in_one_statement if tx.dialect.name == "postgresql" else _after_reading
    return await write(tx, given)


async def _in_one_statement(tx: AsyncConnection, given: Mapping[Key, Offer]) -> list[tuple[Offer, Offer | None]]:
    rows = starmap(row_writer(tx.dialect), given.items())
    columns = tuple([list(column) for column in zip(*rows, strict=True)])
    found: Sequence[Any] = (await tx.exec_driver_sql(_statement(tx.dialect), columns)).all()
    offers_given = list(given.values())
    return [(offers_given[row[0] - 1], offer_of(row[2:]) if row[1] else None) for row in found]


async def _after_reading(tx: AsyncConnection, given: Mapping[Key, Offer]) -> list[tuple[Offer, Offer | None]]:
    fresh, changed = dict(given), []
    for *row, seen_at, ended_at in await tx.execute(_standing(tx.dialect, given)):
        offer = fresh.pop(tuple(row[: len(KEY)]), None)
        if offer is None or offer.observed_at < seen_at:
            continue
        before = offer_of(row) if ended_at is None else None
        if before is None or not same_terms(before, offer):
            changed.append((offer, before))
    changed += [(offer, None) for offer in fresh.values()]
    await tx.exec_driver_sql(_INSERT, list(starmap(row_writer(tx.dialect), given.items())))
    return changed


def _standing(dialect: Dialect, given: Mapping[Key, Offer]) -> Select[Any]:
    columns = [offers.c[name] for name in (*SHOWN, "seen_at", "ended_at")]
    return select(*columns).where(among(offers.c.title_id, {key[0] for key in given}, dialect))


def same_terms(one: Offer, other: Offer) -> bool:
    """Whether two offers say the same."""
    return all(getattr(one, name) == getattr(other, name) for name in TERMS)


def _of(table: str, names: Iterable[str]) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


NO_INDEX = " || ''"
_ASSIGN = ", ".join(f"{name} = excluded.{name}" for name in (*TERMS, "seen_at"))


def _on_conflict(is_not: str) -> str:
    """What was seen at the same time or later and says the same needs no writing: a file that is read again."""
    differs = f"offers.ended_at IS NOT NULL OR ({_of('offers', TERMS)}) {is_not} ({_of('excluded', TERMS)})"
    return f"""ON CONFLICT ({", ".join(KEY)}) DO UPDATE SET {_ASSIGN}, ended_at = NULL, missed_at = NULL,
    observed_at = CASE WHEN {differs} THEN excluded.observed_at ELSE offers.observed_at END
    WHERE offers.seen_at < excluded.seen_at OR (offers.seen_at = excluded.seen_at AND ({differs}))"""


_INSERT = f"""INSERT INTO offers ({", ".join(COLUMNS)}) VALUES ({", ".join("?" * len(COLUMNS))})
{_on_conflict("IS NOT")}"""  # noqa: S608 - names of columns


@lru_cache(maxsize=2)
def _statement(dialect: Dialect) -> str:
    names = ", ".join(COLUMNS)
    types = [str(offers.c[name].type.compile(dialect)).partition(" COLLATE")[0] for name in COLUMNS]
    arrays = ", ".join(f"CAST(${number} AS {kind}[])" for number, kind in enumerate(types, 1))
    differs = f"({_of('before', TERMS)}) IS DISTINCT FROM ({_of('given', TERMS)})"
    # What is read is as it stood before the statement. It is joined once: two CTEs joined by the key would be compared
    # each with each, because PostgreSQL does not know how many rows they have. The empty texts keep it from the index
    # on platform and region, which it takes for the better one as long as the table has not been analysed.
    # One row at most is asked for of each, so that each is looked up by the key, however large the table is.
    same = [f"offers.{name}{'' if name == 'title_id' else NO_INDEX} = given.{name}" for name in KEY]
    return f"""
WITH given AS (SELECT * FROM unnest({arrays}) WITH ORDINALITY AS one ({names}, number)),
written AS (INSERT INTO offers ({names}) SELECT {names} FROM given
    {_on_conflict("IS DISTINCT FROM")})
SELECT given.number, before.title_id IS NOT NULL AND before.ended_at IS NULL, {_of("before", SHOWN)}
FROM given LEFT JOIN LATERAL (SELECT * FROM offers WHERE {" AND ".join(same)} LIMIT 1) AS before ON true
WHERE before.title_id IS NULL
    OR (before.seen_at <= given.seen_at AND (before.ended_at IS NOT NULL OR {differs}))
"""  # noqa: S608 - names of columns
