"""The statements that look up what the rules of identity need."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from mcp_gateway.catalog import reading
from mcp_gateway.catalog.identity import Candidate, Known, candidate_of, has_telling_name
from mcp_gateway.catalog.models import TitleId
from mcp_gateway.catalog.records import ExternalId, PreparedRecord
from mcp_gateway.catalog.statements import among, rows_at
from mcp_gateway.catalog.tables import external_ids, title_sources, titles


async def fingerprints(conn: AsyncConnection, source: str, keys: Collection[str]) -> dict[str, tuple[TitleId, int]]:
    """The title and the fingerprint of the source's records that were seen before, by key."""
    table = title_sources.c
    columns = (table.key, table.title_id, table.fingerprint)
    statement = rows_at(columns, table.key, keys, where=table.source == source, dialect=conn.dialect)
    return {key: (title_id, fingerprint) for key, title_id, fingerprint in (await conn.execute(statement)).all()}


async def what_is_known(
    tx: AsyncConnection, unseen: Sequence[PreparedRecord], records: Sequence[PreparedRecord]
) -> Known:
    """Look up what the rules of identity need.

    Args:
        tx: The transaction.
        unseen: The records whose title has to be found; all of one source.
        records: Those and the others whose external ids will be claimed.
    """
    known = Known()
    known.by_external = await _owners(tx, {external for record in records for external in record.external_ids})
    known.recorded = frozenset(known.by_external)
    if unseen:
        own_ids = [record.own_id for record in unseen if record.own_id]
        known.by_own_id = await _existing(tx, own_ids)
        named = (record.name_keys for record in unseen if has_telling_name(record.kind))
        known.by_name = await _by_name(tx, {key for keys in named for key in keys})
        ids = {
            *known.by_own_id.values(),
            *known.by_external.values(),
            *(i for same in known.by_name.values() for i in same),
        }
        known.claimed = await _claimed(tx, unseen[0].source, ids)
        known.candidates = await _candidates(tx, ids - known.claimed)
    return known


async def _owners(tx: AsyncConnection, wanted: Iterable[ExternalId]) -> dict[ExternalId, TitleId]:
    by_space: dict[tuple[str, str], list[str]] = {}
    for external in wanted:
        by_space.setdefault(external[:2], []).append(external.value)
    table = external_ids.c
    owners: dict[ExternalId, TitleId] = {}
    for (scheme, namespace), values in by_space.items():
        space = and_(table.scheme == scheme, table.namespace == namespace)
        columns = (table.value, table.title_id)
        statement = rows_at(columns, table.value, values, where=space, dialect=tx.dialect)
        for value, title_id in (await tx.execute(statement)).all():
            owners[ExternalId(scheme, namespace, value)] = TitleId(title_id)
    return owners


async def _existing(tx: AsyncConnection, own_ids: Collection[str]) -> dict[str, TitleId]:
    if not own_ids:
        return {}
    ids = (await tx.execute(select(titles.c.id).where(among(titles.c.id, own_ids, tx.dialect)))).scalars()
    return {**await reading.aliased(tx, own_ids), **{title_id: TitleId(title_id) for title_id in ids}}


async def _by_name(tx: AsyncConnection, name_keys: Collection[str]) -> dict[str, list[TitleId]]:
    statement = select(titles.c.name_key, titles.c.id).where(among(titles.c.name_key, name_keys, tx.dialect))
    found: dict[str, list[TitleId]] = {}
    for name_key, title_id in (await tx.execute(statement)).all():
        found.setdefault(name_key, []).append(TitleId(title_id))
    return found


async def _claimed(tx: AsyncConnection, source: str, ids: Collection[str]) -> set[TitleId]:
    table = title_sources.c
    statement = select(table.title_id).where(table.source == source, among(table.title_id, ids, tx.dialect))
    return set((await tx.execute(statement)).scalars()) if ids else set()


async def _candidates(tx: AsyncConnection, ids: Collection[TitleId]) -> dict[TitleId, Candidate]:
    return {title.id: candidate_of(title) for title in (await reading.titles_by_id(tx, ids)).values()}
