"""PostgreSQL: full text first, and where that finds nothing, names that are like the query by pg_trgm."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest

from mcp_gateway.catalog.models import normalise_name
from mcp_gateway.tests.servers import PostgresServer

from .embedded import POPULARITY
from .entries import LIMIT, Ask, Entries, Peer, first_ten

TABLES = """
CREATE EXTENSION pg_trgm;
CREATE TABLE titles (id text, name text, popularity real, words tsvector);
CREATE TABLE names (name text, ids text[], popularity real);
"""
# Text comes as text, and is made into weighted words by the server itself.
FILL = """
INSERT INTO titles SELECT $1, $2, $6, setweight(to_tsvector('simple', $2), 'A') ||
setweight(to_tsvector('simple', $3), 'B') || setweight(to_tsvector('simple', $4), 'C') ||
setweight(to_tsvector('simple', $5), 'D')
"""
INDEXES = """
CREATE INDEX ON titles USING gin (words);
CREATE INDEX ON names USING gin (name gin_trgm_ops);
VACUUM ANALYZE titles;
VACUUM ANALYZE names;
"""
BY_WORDS = f"""
SELECT id FROM titles, plainto_tsquery('simple', $1) asked WHERE words @@ asked
ORDER BY name = $1 DESC, ts_rank(words, asked) * (1 + {POPULARITY} * popularity) DESC LIMIT {LIMIT}
"""
BY_LETTERS = f"""
SELECT ids FROM names WHERE name % $1 ORDER BY similarity(name, $1) + 0.1 * popularity DESC LIMIT {LIMIT}
"""


@asynccontextmanager
async def postgresql() -> AsyncIterator[Peer | None]:
    """A server that lives as long as the context; None where PostgreSQL is not installed."""
    try:
        server = PostgresServer()
    except pytest.skip.Exception:
        yield None
        return
    with server:
        connection = await asyncpg.connect(server.create_database())

        async def build(folder: Path, entries: Entries) -> Ask:
            del folder
            return await _build(connection, entries)

        try:
            yield Peer("PostgreSQL", build, clock="wall")
        finally:
            await connection.close()


async def _build(connection: asyncpg.Connection, entries: Entries) -> Ask:
    await connection.execute(TABLES)
    rows = ((e.id, e.name, e.others, e.people, e.rest, e.popularity) for e in entries.titles)
    await connection.executemany(FILL, rows)
    names = [(text, name.ids, name.popularity) for text, name in entries.names.items()]
    await connection.copy_records_to_table("names", records=names)
    for statement in INDEXES.split(";"):
        if statement.strip():  # VACUUM must be alone
            await connection.execute(statement)
    by_words, by_letters = await connection.prepare(BY_WORDS), await connection.prepare(BY_LETTERS)

    async def ask(query: str) -> list[str]:
        text = normalise_name(query)
        if rows := await by_words.fetch(text):
            return [str(row[0]) for row in rows]
        return first_ten([list(row[0]) for row in await by_letters.fetch(text)])

    return ask
