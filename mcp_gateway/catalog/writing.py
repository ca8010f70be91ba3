"""The statements that write titles: records in, rows and outcomes out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Insert, bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mcp_gateway.catalog import reading
from mcp_gateway.catalog.identity import (
    Candidate,
    ExternalId,
    Known,
    Match,
    candidate_of,
    external_ids_of,
    match,
    name_key_of,
)
from mcp_gateway.catalog.models import PersonId, Title, TitleFacts, TitleId
from mcp_gateway.catalog.overlay import overlay
from mcp_gateway.catalog.records import ImportOutcome, SourceRecord, fingerprint_of_facts
from mcp_gateway.catalog.rows import Row, people_of, title_row
from mcp_gateway.catalog.statements import among, driver_value, insert, insert_rows, write_rows
from mcp_gateway.catalog.tables import (
    external_ids,
    people,
    title_aliases,
    title_people,
    title_sources,
    titles,
)

_NOTE = "; "
"""Between what tied a record to its title and the notes on external ids that it did not get."""

_UNCREDIT = delete(title_people).where(
    title_people.c.person_id == bindparam("person"), title_people.c.title_id == bindparam("title")
)


@dataclass(slots=True)
class Rows:
    """What a batch is going to write."""

    titles: list[Row] = field(default_factory=list)
    people: dict[PersonId, Row] = field(default_factory=dict)
    credited: list[Row] = field(default_factory=list)
    uncredited: list[dict[str, str]] = field(default_factory=list)
    external_ids: list[Row] = field(default_factory=list)
    aliases: list[Row] = field(default_factory=list)
    sources: list[Row] = field(default_factory=list)


async def fingerprints(conn: AsyncConnection, source: str, keys: Collection[str]) -> dict[str, tuple[TitleId, int]]:
    """The title and the fingerprint of the source's records that were seen before, by key."""
    table = title_sources.c
    statement = select(table.key, table.title_id, table.fingerprint).where(
        table.source == source, among(table.key, keys, conn.dialect)
    )
    return {key: (title_id, fingerprint) for key, title_id, fingerprint in (await conn.execute(statement)).all()}


class BatchWriter:
    """Writes records of one source, each with a key of its own, within one transaction."""

    def __init__(self, tx: AsyncConnection, *, revision: int, now: datetime) -> None:
        """Write into a transaction that keeps other writers out.

        Args:
            tx: The transaction.
            revision: What titles that change are marked with.
            now: The time noted with each record.
        """
        self._tx = tx
        self._revision = revision
        self._seen_at = driver_value(title_sources.c.seen_at, now, tx.dialect)

    async def write(self, records: Sequence[SourceRecord]) -> list[ImportOutcome]:
        """Bring the records in; the outcomes are in their order."""
        seen = await fingerprints(self._tx, records[0].source, [record.key for record in records])
        outcomes: dict[str, ImportOutcome] = {}
        pending: list[SourceRecord] = []
        for record in records:
            known = seen.get(record.key)
            if known is not None and known[1] == _fingerprint(record):
                outcomes[record.key] = ImportOutcome(known[0], "unchanged", "")
            else:
                pending.append(record)
        if pending:
            outcomes.update(await self._write_pending(pending, {key: title_id for key, (title_id, _) in seen.items()}))
        return [outcomes[record.key] for record in records]

    async def _write_pending(
        self, records: Sequence[SourceRecord], seen: dict[str, TitleId]
    ) -> dict[str, ImportOutcome]:
        known = await what_is_known(self._tx, [r for r in records if r.key not in seen], records)
        matches = await self._seen_before(records, seen)
        matches.update(self._matches(records, known, seen))
        standing = await reading.titles_by_id(
            self._tx, {found.title_id for found in matches.values() if not found.is_new}
        )
        rows = Rows()
        outcomes = {
            record.key: self._add(rows, record, matches[record.key], known, standing, joins=record.key not in seen)
            for record in records
        }
        await _insert_all(self._tx, rows)
        return outcomes

    async def _seen_before(self, records: Sequence[SourceRecord], seen: Mapping[str, TitleId]) -> dict[str, Match]:
        """The titles of records that were seen, with what tied them then."""
        keys = [record.key for record in records if record.key in seen]
        if not keys:
            return {}
        table = title_sources.c
        statement = select(table.key, table.evidence).where(
            table.source == records[0].source, among(table.key, keys, self._tx.dialect)
        )
        return {
            key: Match(seen[key], evidence.partition(_NOTE)[0], is_new=False)
            for key, evidence in (await self._tx.execute(statement)).all()
        }

    def _matches(
        self, records: Sequence[SourceRecord], known: Known, seen: Collection[str]
    ) -> Iterator[tuple[str, Match]]:
        """The titles of records that were not seen: a title that one of them takes is not for the next."""
        for record in records:
            if record.key in seen:
                continue
            found = match(record, known)
            known.claimed.add(found.title_id)
            if record.own_id:
                known.by_own_id.setdefault(record.own_id, found.title_id)
            yield record.key, found

    def _add(
        self,
        rows: Rows,
        record: SourceRecord,
        found: Match,
        known: Known,
        standing: dict[TitleId, Title],
        *,
        joins: bool,
    ) -> ImportOutcome:
        facts, evidence = self._claim_external_ids(rows, record, found, known)
        fingerprint = _fingerprint(record)
        rows.sources.append((record.source, record.key, found.title_id, fingerprint, evidence, self._seen_at))
        if found.is_new:
            self._add_new(rows, found.title_id, facts)
            return ImportOutcome(found.title_id, "created", evidence)
        if joins and record.own_id and record.own_id != found.title_id:
            rows.aliases.append((record.own_id, found.title_id))
        before = standing[found.title_id]
        after = overlay(before, facts, keep_name=joins)
        if after == before:
            return ImportOutcome(found.title_id, "unchanged", evidence)
        self._add_changed(rows, before, after)
        standing[found.title_id] = after
        return ImportOutcome(found.title_id, "updated", evidence)

    def _claim_external_ids(
        self, rows: Rows, record: SourceRecord, found: Match, known: Known
    ) -> tuple[TitleFacts, str]:
        """Take the external ids that are free; one that another title has stays there, and is noted."""
        lost = []
        for external in known.external_ids[record.key]:
            owner = known.by_external.setdefault(external, found.title_id)
            if owner != found.title_id:
                lost.append((external, owner))
            elif external not in known.recorded:
                rows.external_ids.append((*external, found.title_id))
        if not lost:
            return record.facts, found.evidence
        schemes = {external.scheme for external, _ in lost}
        kept = {scheme: value for scheme, value in record.facts.external_ids.items() if scheme not in schemes}
        notes = (f"{external} belongs to {owner}" for external, owner in lost)
        return replace(record.facts, external_ids=kept), _NOTE.join((found.evidence, *notes))

    def _add_new(self, rows: Rows, title_id: TitleId, facts: TitleFacts) -> None:
        rows.titles.append(title_row(title_id, facts, self._revision))
        _credit(rows, title_id, people_of(facts))

    def _add_changed(self, rows: Rows, before: Title, after: Title) -> None:
        rows.titles.append(title_row(after.id, after, self._revision))
        if after.credits != before.credits:
            people_after = people_of(after)
            _credit(rows, after.id, people_after)
            gone = people_of(before).keys() - people_after.keys()
            rows.uncredited.extend({"person": person_id, "title": after.id} for person_id in sorted(gone))


async def what_is_known(tx: AsyncConnection, unseen: Sequence[SourceRecord], records: Sequence[SourceRecord]) -> Known:
    """Look up what the rules of identity need.

    Args:
        tx: The transaction.
        unseen: The records whose title has to be found; all of one source.
        records: Those and the others whose external ids will be claimed.
    """
    known = Known({record.key: external_ids_of(record.facts) for record in records})
    known.by_external = await _owners(tx, {external for ids in known.external_ids.values() for external in ids})
    known.recorded = frozenset(known.by_external)
    if unseen:
        own_ids = [record.own_id for record in unseen if record.own_id]
        known.by_own_id = await _existing(tx, own_ids)
        known.by_name = await _by_name(tx, {name_key_of(r.facts.name) for r in unseen if r.facts.year is not None})
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
        statement = select(table.value, table.title_id).where(
            table.scheme == scheme, table.namespace == namespace, among(table.value, values, tx.dialect)
        )
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


def _credit(rows: Rows, title_id: TitleId, found: Mapping[PersonId, Row]) -> None:
    for person_id, row in found.items():
        rows.credited.append((person_id, title_id))
        standing = rows.people.get(person_id)
        if standing is None or standing[1] < row[1]:
            rows.people[person_id] = row


async def _insert_all(tx: AsyncConnection, rows: Rows) -> None:
    await insert_rows(tx, titles, rows.titles, on_conflict="replace")
    await write_rows(tx, _insert_people(tx.dialect.name), [rows.people[key] for key in sorted(rows.people)])
    if rows.uncredited:
        await tx.execute(_UNCREDIT, rows.uncredited)
    await insert_rows(tx, title_people, rows.credited, on_conflict="ignore")
    await insert_rows(tx, external_ids, rows.external_ids, on_conflict="ignore")
    await insert_rows(tx, title_aliases, rows.aliases, on_conflict="ignore")
    await insert_rows(tx, title_sources, rows.sources, on_conflict="replace")


@lru_cache(maxsize=2)
def _insert_people(dialect: str) -> Insert:
    """Of several spellings the greatest stays: the same one in whatever order they come."""
    statement = insert(people, dialect)
    return statement.on_conflict_do_update(
        index_elements=["id"],
        set_={"name": statement.excluded.name},
        where=statement.excluded.name > people.c.name,
    )


def _fingerprint(record: SourceRecord) -> int:
    return fingerprint_of_facts(record.facts) if record.fingerprint is None else record.fingerprint
