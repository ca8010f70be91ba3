"""Writes offers, and tells which of them are new or say something else than before.

PostgreSQL copies the offers of titles that never had one, in a third of the time; others it writes in one statement,
with an array a column. SQLite cannot give back what stood before, so there it is read first. In between nothing
changes: the transaction keeps other writers out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Dialect, true
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from mcp_gateway.catalog.events import TERMS
from mcp_gateway.catalog.offer_rows import KEY, OBSERVED, SHOWN, bound, key_in, terms_in, unbound
from mcp_gateway.catalog.statements import Row, arrays, arrays_of, rows_at
from mcp_gateway.catalog.tables import offers

Key = tuple[str, ...]


async def upsert(tx: AsyncConnection, given: Mapping[Key, Row]) -> list[tuple[Row, Row | None]]:
    """Write offers, by what tells them apart.

    Returns:
        Those that are new or have other terms, each with what stood before; None where nothing did.
    """
    if not given:
        return []
    write = _copying_first_ones if tx.dialect.name == "postgresql" else _after_reading
    return await write(tx, given)


async def _copying_first_ones(tx: AsyncConnection, given: Mapping[Key, Row]) -> list[tuple[Row, Row | None]]:
    if len(given) < ROWS_WORTH_A_COPY:
        return await _in_one_statement(tx, list(given.values()))
    known = await _with_offers(tx, {key[0] for key in given})
    first = [row for key, row in given.items() if key[0] not in known]
    others = [row for key, row in given.items() if key[0] in known]
    if first:
        from mcp_gateway.storage.postgresql import copy_rows

        await copy_rows(tx, "offers", (*SHOWN, "seen_at"), [(*row, row[OBSERVED]) for row in first])
    return [*((row, None) for row in first), *(await _in_one_statement(tx, others) if others else ())]


async def _with_offers(tx: AsyncConnection, ids: Collection[str]) -> set[str]:
    """The titles of these that have offers, or had some."""
    title_id = offers.c.title_id
    return set((await tx.execute(rows_at([title_id], title_id, ids, where=true(), dialect=tx.dialect))).scalars())


async def _in_one_statement(tx: AsyncConnection, rows: Sequence[Row]) -> list[tuple[Row, Row | None]]:
    found: Sequence[Any] = (await tx.exec_driver_sql(_statement(tx.dialect), arrays(rows))).all()
    return [(rows[number - 1], before) for number, before in found]


async def _after_reading(tx: AsyncConnection, given: Mapping[Key, Row]) -> list[tuple[Row, Row | None]]:
    said = dict(zip(given, bound(given.values(), tx.dialect), strict=True))
    ids = _json_list({key[0] for key in given})
    standing: Sequence[Any] = (await tx.exec_driver_sql(_STANDING, (ids,))).all()
    changed, same = _compared(said, standing)
    seen = _seen_alone(same, said, standing)
    if len(seen) < len(said):
        await tx.exec_driver_sql(_INSERT, [row for key, row in said.items() if key not in seen])
    for listing, titles in _by_listing(seen).items():
        await tx.exec_driver_sql(_SEE, (next(iter(said.values()))[OBSERVED], *listing, _json_list(titles)))
    return [(given[key], before and unbound(before, tx.dialect)) for key, before in changed.items()]


def _compared(said: Mapping[Key, Row], standing: Iterable[Row]) -> tuple[dict[Key, Row | None], set[Key]]:
    """The offers that change, with what stands of them, and those that are live and stay as they are."""
    fresh: dict[Key, Row | None] = dict.fromkeys(said)
    changed: dict[Key, Row | None] = {}
    same: set[Key] = set()
    for before in standing:
        key = key_in(before)
        row = said.get(key)
        if row is None:
            continue
        del fresh[key]
        if row[OBSERVED] < before[_SEEN_AT]:
            continue
        if before[_ENDED_AT] is not None:
            changed[key] = None
        elif terms_in(before) != terms_in(row):
            changed[key] = before[:_SEEN_AT]
        else:
            same.add(key)
    return {**changed, **fresh}, same


def _seen_alone(same: set[Key], said: Mapping[Key, Row], standing: Iterable[Row]) -> set[Key]:
    """Of offers that stay as they are, those that are all that their title has in their listing."""
    if len({row[OBSERVED] for row in said.values()}) != 1:
        return set()
    others = {_listed(row) for row in standing if row[_ENDED_AT] is None and key_in(row) not in same}
    return {key for key in same if _listed(key) not in others} if others else same


def _listed(row: Row) -> tuple[str, ...]:
    """Title, platform, region and source of an offer, given by its key or its row."""
    return (*row[:3], row[_SOURCE])


def _by_listing(keys: Iterable[Key]) -> dict[tuple[str, ...], set[str]]:
    """The titles of offers, by platform, region and source."""
    titles: dict[tuple[str, ...], set[str]] = {}
    for title_id, *listing in map(_listed, keys):
        titles.setdefault(tuple(listing), set()).add(title_id)
    return titles


def _json_list(texts: Iterable[str]) -> str:
    return orjson.dumps(list(texts)).decode()


def _of(table: str, names: Iterable[str]) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


ROWS_WORTH_A_COPY = 100
"""Fewer are written sooner in one statement, with fewer round trips."""

NO_INDEX = " || ''"
_ASSIGN = ", ".join(f"{name} = excluded.{name}" for name in (*TERMS, "seen_at"))
_INTO = f"INSERT INTO offers ({', '.join(SHOWN)}, seen_at)"  # what is written is seen when it was observed


def _on_conflict(is_not: str) -> str:
    """What was seen at the same time or later and says the same needs no writing: a file that is read again."""
    differs = f"offers.ended_at IS NOT NULL OR ({_of('offers', TERMS)}) {is_not} ({_of('excluded', TERMS)})"
    return f"""ON CONFLICT ({", ".join(KEY)}) DO UPDATE SET {_ASSIGN}, ended_at = NULL, missed_at = NULL,
    observed_at = CASE WHEN {differs} THEN excluded.observed_at ELSE offers.observed_at END
    WHERE offers.seen_at < excluded.seen_at OR (offers.seen_at = excluded.seen_at AND ({differs}))"""


# Offers that stay as they are only have to be marked as seen. All that a title has in a listing at once: that takes a
# third of the time of writing each of them over.
_SEE = """UPDATE offers SET seen_at = ?1, missed_at = NULL WHERE title_id IN (SELECT value FROM json_each(?5))
AND platform = ?2 AND region = ?3 AND source = ?4 AND ended_at IS NULL AND seen_at < ?1"""

_SEEN_AT, _ENDED_AT, _SOURCE = len(SHOWN), len(SHOWN) + 1, KEY.index("source")
_STANDING = f"""SELECT {", ".join(SHOWN)}, seen_at, ended_at FROM offers
WHERE title_id IN (SELECT value FROM json_each(?))"""  # noqa: S608 - names of columns

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
