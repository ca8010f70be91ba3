"""The statements that read the catalogue."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from mcp_gateway.catalog.models import Credit, Person, PersonId, Title, TitleId, normalise_name
from mcp_gateway.catalog.records import CatalogVersion
from mcp_gateway.catalog.rows import title_of
from mcp_gateway.catalog.statements import among
from mcp_gateway.catalog.tables import (
    catalog_state,
    external_ids,
    people,
    title_aliases,
    title_people,
    title_sources,
    titles,
)

LAST_CHARACTER = "\U0010ffff"


async def version(conn: AsyncConnection, *, lock: bool = False) -> CatalogVersion:
    """The catalogue's state.

    Args:
        conn: A connection.
        lock: Keep other writers out until the transaction ends. SQLite's write transactions do that anyway.
    """
    statement = select(catalog_state.c.id, catalog_state.c.revision)
    row = (await conn.execute(statement.with_for_update() if lock else statement)).one()
    return CatalogVersion(row.id, row.revision)


async def has_other_sources(conn: AsyncConnection, source: str) -> bool:
    """Whether anything in the catalogue is from another source than this one."""
    statement = select(title_sources.c.key).where(title_sources.c.source != source).limit(1)
    return (await conn.execute(statement)).first() is not None


async def titles_by_id(conn: AsyncConnection, ids: Collection[str]) -> dict[TitleId, Title]:
    """The titles with these ids; aliases are not followed."""
    if not ids:
        return {}
    rows = await conn.execute(select(titles).where(among(titles.c.id, ids, conn.dialect)))
    return {row[0]: title_of(row) for row in rows}


async def titles_after(conn: AsyncConnection, revision: int, after: TitleId, *, at_most: int) -> list[Title]:
    """The titles that come after a place in the order of (revision, id)."""
    position = or_(titles.c.revision > revision, and_(titles.c.revision == revision, titles.c.id > after))
    statement = (
        select(titles)
        .where(titles.c.revision >= revision, position)  # the first bound is what the index is entered with
        .order_by(titles.c.revision, titles.c.id)
        .limit(at_most)
    )
    return [title_of(row) for row in await conn.execute(statement)]


async def aliased(conn: AsyncConnection, ids: Collection[str]) -> dict[str, TitleId]:
    """The titles that ids of other titles now stand for."""
    table = title_aliases.c
    statement = select(table.alias, table.title_id).where(among(table.alias, ids, conn.dialect))
    return {alias: TitleId(title_id) for alias, title_id in (await conn.execute(statement)).all()}


async def owner_of(conn: AsyncConnection, scheme: str, value: str, namespaces: Collection[str]) -> TitleId | None:
    """The title with an external id. In several namespaces: the first of them that has it, by name."""
    table = external_ids.c
    statement = (
        select(table.title_id)
        .where(table.scheme == scheme, among(table.namespace, namespaces, conn.dialect), table.value == value)
        .order_by(table.namespace)
        .limit(1)
    )
    found = (await conn.execute(statement)).scalar()
    return None if found is None else TitleId(found)


async def person(conn: AsyncConnection, person_id: str) -> Person | None:
    """The person with an id."""
    row = (await conn.execute(select(people.c.id, people.c.name).where(people.c.id == person_id))).first()
    return None if row is None else Person(PersonId(row.id), row.name)


async def filmography(conn: AsyncConnection, person_id: str) -> list[tuple[TitleId, Credit]]:
    """What a person did, the most popular titles first, then by id and billing order."""
    statement = (
        select(titles)
        .join(title_people, titles.c.id == title_people.c.title_id)
        .where(title_people.c.person_id == person_id)
        .order_by(titles.c.popularity.desc(), titles.c.id)
    )
    found = [title_of(row) for row in await conn.execute(statement)]
    return [(title.id, credit) for title in found for credit in title.credits if credit.person_id == person_id]


async def ids_like(conn: AsyncConnection, prefix: str, limit: int) -> list[TitleId]:
    """Ids of titles that begin so, or whose folded name begins with the folded prefix, the most popular first."""
    name = normalise_name(prefix)
    by_id = and_(titles.c.id >= prefix, titles.c.id < prefix + LAST_CHARACTER)
    by_name = and_(titles.c.name_key >= name, titles.c.name_key < name + LAST_CHARACTER)
    statement = select(titles.c.id).where(or_(by_id, by_name)).order_by(titles.c.popularity.desc(), titles.c.id)
    return list((await conn.execute(statement.limit(limit))).scalars())


async def people_like(conn: AsyncConnection, prefix: str, limit: int) -> list[Person]:
    """People whose folded name begins with the folded prefix, by name."""
    start = normalise_name(prefix)
    statement = (
        select(people.c.id, people.c.name)
        .where(people.c.name_key >= start, people.c.name_key < start + LAST_CHARACTER)
        .order_by(people.c.name_key, people.c.id)
        .limit(limit)
    )
    return [Person(PersonId(row.id), row.name) for row in (await conn.execute(statement)).all()]


async def counts(conn: AsyncConnection) -> dict[str, int]:
    """How many titles of each kind there are, and how many people."""
    by_kind = await conn.execute(select(titles.c.kind, func.count()).group_by(titles.c.kind))
    found: dict[str, int] = dict(map(tuple, by_kind))
    found["people"] = (await conn.execute(select(func.count()).select_from(people))).scalar_one()
    return found
