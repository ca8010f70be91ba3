"""The statements that write titles: records in, rows and outcomes out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

import orjson
from sqlalchemy import Insert, bindparam, delete
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from mcp_gateway.catalog import reading
from mcp_gateway.catalog.identity import FIRST_SEEN, OWN_ID, Known, Match, match
from mcp_gateway.catalog.lookups import fingerprints, what_is_known
from mcp_gateway.catalog.models import PersonId, Rating, Title, TitleId
from mcp_gateway.catalog.overlay import overlay
from mcp_gateway.catalog.popularity import popularity_of
from mcp_gateway.catalog.records import ExternalId, ImportOutcome, PreparedRecord, Row
from mcp_gateway.catalog.rows import external_ids_json, facts_of, people_of, title_row
from mcp_gateway.catalog.statements import driver_value, insert, insert_rows, rows_at, write_rows
from mcp_gateway.catalog.tables import external_ids, people, title_aliases, title_people, title_sources, titles

_NOTE = "; "
"""Between what tied a record to its title and the notes on external ids that it did not get."""

_ITS_OWN = frozenset({FIRST_SEEN, OWN_ID})
"""Evidence that makes a source the one that says what a title is."""

_EXTERNAL_IDS = titles.columns.keys().index("external_ids") - 1
"""Where they stand in a row without the id."""

_POPULARITY, _RATINGS = (titles.columns.keys().index(name) - 1 for name in ("popularity", "ratings"))
_PARENT_ID = titles.columns.keys().index("parent_id") - 1

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

    async def write(self, records: Sequence[PreparedRecord]) -> list[ImportOutcome]:
        """Bring the records in; the outcomes are in their order."""
        seen = await fingerprints(self._tx, records[0].source, [record.key for record in records])
        outcomes: dict[str, ImportOutcome] = {}
        pending: list[PreparedRecord] = []
        for record in records:
            known = seen.get(record.key)
            if known is not None and known[1] == record.fingerprint:
                outcomes[record.key] = ImportOutcome(known[0], "unchanged", "")
            else:
                pending.append(record)
        if pending:
            outcomes.update(await self._write_pending(pending, {key: title_id for key, (title_id, _) in seen.items()}))
        return [outcomes[record.key] for record in records]

    async def _write_pending(
        self, records: Sequence[PreparedRecord], seen: dict[str, TitleId]
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

    async def _seen_before(self, records: Sequence[PreparedRecord], seen: Mapping[str, TitleId]) -> dict[str, Match]:
        """The titles of records that were seen, with what tied them then."""
        keys = [record.key for record in records if record.key in seen]
        if not keys:
            return {}
        table, dialect = title_sources.c, self._tx.dialect
        theirs = table.source == records[0].source
        statement = rows_at((table.key, table.evidence), table.key, keys, where=theirs, dialect=dialect)
        return {
            key: Match(seen[key], evidence.partition(_NOTE)[0], is_new=False)
            for key, evidence in (await self._tx.execute(statement)).all()
        }

    def _matches(
        self, records: Sequence[PreparedRecord], known: Known, seen: Collection[str]
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
        record: PreparedRecord,
        found: Match,
        known: Known,
        standing: dict[TitleId, Title],
        *,
        joins: bool,
    ) -> ImportOutcome:
        lost = self._claim_external_ids(rows, record, found, known)
        evidence = _NOTE.join((found.evidence, *(f"{external} belongs to {owner}" for external, owner in lost.items())))
        rows.sources.append((record.source, record.key, found.title_id, record.fingerprint, evidence, self._seen_at))
        if found.is_new:
            self._add_new(rows, found.title_id, _without(lost, record))
            return ImportOutcome(found.title_id, "created", evidence)
        if joins and record.own_id and record.own_id != found.title_id:
            rows.aliases.append((record.own_id, found.title_id))
        before = standing[found.title_id]
        facts = facts_of(_without(lost, record))
        after = overlay(before, facts, keep_name=joins, keep_nature=found.evidence not in _ITS_OWN)
        if after == before:
            return ImportOutcome(found.title_id, "unchanged", evidence)
        self._add_changed(rows, before, after)
        standing[found.title_id] = after
        return ImportOutcome(found.title_id, "updated", evidence)

    def _claim_external_ids(
        self, rows: Rows, record: PreparedRecord, found: Match, known: Known
    ) -> dict[ExternalId, TitleId]:
        """Take the external ids that are free; returns those that other titles have, with their owners."""
        lost = {}
        for external in record.external_ids:
            owner = known.by_external.setdefault(external, found.title_id)
            if owner != found.title_id:
                lost[external] = owner
            elif external not in known.recorded:
                rows.external_ids.append((*external, found.title_id))
        return lost

    def _add_new(self, rows: Rows, title_id: TitleId, record: PreparedRecord) -> None:
        rows.titles.append((title_id, *_with_popularity(record.row), self._revision))
        _credit(rows, title_id, record.people)

    def _add_changed(self, rows: Rows, before: Title, after: Title) -> None:
        rows.titles.append((after.id, *title_row(after), self._revision))
        if after.credits != before.credits:
            people_after = people_of(after)
            _credit(rows, after.id, people_after)
            gone = people_of(before).keys() - people_after.keys()
            rows.uncredited.extend({"person": person_id, "title": after.id} for person_id in sorted(gone))


def with_parent(record: PreparedRecord, parent_id: TitleId) -> PreparedRecord:
    """The record of a season or an episode, with the title that it belongs to."""
    row = list(record.row)
    row[_PARENT_ID] = parent_id
    return record._replace(row=row)


def _without(lost: Collection[ExternalId], record: PreparedRecord) -> PreparedRecord:
    """The record without some of its external ids."""
    if not lost:
        return record
    kept = {external.scheme: external.value for external in record.external_ids if external not in lost}
    row = list(record.row)
    row[_EXTERNAL_IDS] = external_ids_json(kept)
    return record._replace(row=row)


def _with_popularity(row: Row) -> Row:
    """The row of a new title, with what its votes say where its source says nothing."""
    if row[_POPULARITY] or row[_RATINGS] == "{}":
        return row
    ratings = {source: Rating(*values) for source, values in orjson.loads(row[_RATINGS]).items()}
    popular = list(row)
    popular[_POPULARITY] = popularity_of(ratings)
    return popular


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
        index_elements=["id"], set_={"name": statement.excluded.name}, where=statement.excluded.name > people.c.name
    )
