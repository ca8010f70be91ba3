"""What signing a cursor costs beside plain JSON, and what a deep page costs by keyset beside OFFSET.

Run with `python -m benchmarks.pagination.bench_cursors [--rows 1000000]`. The ratios matter, not the times.
"""

from __future__ import annotations

import argparse
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    create_engine,
    select,
    text,
)
from sqlalchemy.pool import StaticPool
from sqlalchemy.schema import CreateTable

from mcp_gateway.clock import SystemClock
from mcp_gateway.pagination import Cursors, Keyset, SortKey

PAGE = 20
BINDING: dict[str, Any] = {
    "query": {"query": "dark knight", "filters": {"genres": ["action"], "kinds": ["film"], "year_from": 2000}},
    "sort": "relevance",
    "caller": "user-17",
}
POSITION = (False, 0.8731942312, "The Dark Knight", "tt0468569")

metadata = MetaData()
titles = Table(
    "titles",
    metadata,
    Column("id", String, primary_key=True),
    Column("popularity", Float, nullable=False),
    Column("year", Integer, nullable=False),
    Column("rating", Float, nullable=True),
)
BY_ID = SortKey(titles.c.id)
INDEXES = (
    Index("by_popularity", titles.c.popularity, titles.c.id),
    Index("by_year", titles.c.year, titles.c.id),
    Index("by_rating", titles.c.rating.is_(None), titles.c.rating, titles.c.id),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    compare_codecs()
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.connect() as connection:
        compare_depths(connection, parser.parse_args().rows)


def compare_codecs() -> None:
    """Signed and bound cursors beside JSON in base64, which anyone can alter."""
    cursors = Cursors([b"s" * 32], SystemClock()).scoped("search")
    cursor = cursors.encode(POSITION, **BINDING)
    plain = _plain_encode(POSITION)
    rows = [
        ("encode", lambda: cursors.encode(POSITION, **BINDING), lambda: _plain_encode(POSITION)),
        ("decode", lambda: cursors.decode(cursor, **BINDING), lambda: _plain_decode(plain)),
    ]
    print(f"cursor of {len(cursor)} characters; plain {len(plain)}")
    for name, signed, unsigned in rows:
        ours, theirs = _microseconds(signed, 2000), _microseconds(unsigned, 2000)
        print(f"{name}: {ours:6.1f} µs   json+base64 {theirs:5.1f} µs   ratio {ours / theirs:4.1f}")


def compare_depths(connection: Connection, rows: int) -> None:
    """A page at several depths, by OFFSET and by keyset; and where 10,000 rows tie, and where a fifth is NULL."""
    _fill(connection, rows)
    keys = [SortKey(titles.c[name]) for name in ("popularity", "year", "rating")]
    print(f"\n{rows:,} rows, pages of {PAGE}; µs a page")
    print(f"{'depth':>9} {'OFFSET':>10} {'keyset':>8} {'ratio':>8} {'ties':>10} {'nullable':>10}")
    for depth in (0, rows // 1000, rows // 10, rows // 10 * 9):
        counted = Keyset(keys[0], BY_ID).page(select(titles)).limit(PAGE).offset(depth)
        sought = [_at(connection, key, depth) for key in keys]
        assert _fetch(connection, counted) == _fetch(connection, sought[0])
        times = [_microseconds(partial(_fetch, connection, statement), 15) for statement in (counted, *sought)]
        ratio = times[0] / times[1]
        print(f"{depth:>9,} {times[0]:>10,.0f} {times[1]:>8,.0f} {ratio:>7,.0f}x {times[2]:>10,.0f} {times[3]:>10,.0f}")


def _fill(connection: Connection, rows: int) -> None:
    connection.execute(CreateTable(titles))
    connection.execute(
        text(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows) "
            "INSERT INTO titles SELECT printf('tt%07d', i), (i * 7919 % 1000003) / 1000.0, 1925 + i % 100, "
            "CASE WHEN i % 5 THEN i * 31 % 10007 / 1000.0 END FROM n"
        ),
        {"rows": rows},
    )
    for index in INDEXES:  # after the rows: that is faster
        index.create(connection)


def _at(connection: Connection, key: SortKey, depth: int) -> Select[Any]:
    """The page that begins at a depth, as a client who walked there asks for it."""
    keyset = Keyset(key, BY_ID)
    if depth == 0:
        return keyset.page(select(titles)).limit(PAGE)
    last_seen = connection.execute(keyset.page(select(key.column, titles.c.id)).limit(1).offset(depth - 1)).one()
    return keyset.page(select(titles), tuple(last_seen)).limit(PAGE)


def _fetch(connection: Connection, statement: Select[Any]) -> list[Any]:
    return list(connection.execute(statement).all())


def _plain_encode(position: tuple[Any, ...]) -> str:
    return urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).decode()


def _plain_decode(cursor: str) -> tuple[Any, ...]:
    return tuple(json.loads(urlsafe_b64decode(cursor)))


def _microseconds(run: Callable[[], object], times: int) -> float:
    """The median of single runs."""
    taken = []
    for _ in range(times):
        start = perf_counter()
        run()
        taken.append(perf_counter() - start)
    return median(taken) * 1e6


if __name__ == "__main__":
    main()
