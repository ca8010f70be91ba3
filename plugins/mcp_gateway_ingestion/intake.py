"""Takes in what the normalizers of platforms made of payloads: titles, and the offers of these titles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, NamedTuple

from mcp_gateway.catalog.models import TitleId
from mcp_gateway.catalog.offer_rows import terms_row
from mcp_gateway.catalog.offering import Listing
from mcp_gateway.catalog.platforms import OfferFacts, PlatformRecord, PlatformTitle, Sighting, Unknown
from mcp_gateway.catalog.records import PreparedRecord, Row, fingerprint_of
from mcp_gateway.catalog.store import Catalog, CatalogBatch, SourceRecord, prepare
from mcp_gateway.catalog.writing import with_parent

Endings = Literal["never", "now", "noted"]
"""What becomes of offers that a title had from this source and that a record does not state: they stay; they end; it is
noted that they were missed, for whoever decides later."""


@dataclass(slots=True)
class IntakeReport:
    """What became of records.

    Attributes:
        created, updated, unchanged: Titles.
        offers: How many offers the records state.
        offers_changed: Of these, those that are new or say something else than before.
        offers_added: Of these, those that are new.
        offers_ended: Earlier ones that ended.
        offers_missed: Earlier ones that the records do not state and that stay for the time being.
        unknown: What the normalizer did not understand, with how often it came.
        title_ids: The titles, by the platform's id.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    offers: int = 0
    offers_changed: int = 0
    offers_added: int = 0
    offers_ended: int = 0
    offers_missed: int = 0
    unknown: Counter[Unknown] = field(default_factory=Counter)
    title_ids: dict[str, TitleId] = field(default_factory=dict)


class PlatformIntake:
    """Takes records of platforms into the catalogue.

    A source's records of a platform have an identity of their own (`record_source`): the ids in them are the
    platform's, and one source may list a work on several platforms.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def take_in(
        self,
        *,
        platform: str,
        source: str,
        records: Sequence[PlatformRecord],
        seen: Sighting,
        complete: bool = False,
        dry_run: bool = False,
    ) -> IntakeReport:
        """Take records in, all of them or, on an error, nothing. Some thousand at a time are quick.

        Args:
            platform: The platform's key.
            source: Who says so: stands in the offers.
            records: What the platform's normalizer made of payloads.
            seen: When and where the payloads were seen. What was seen later already stays.
            complete: The records state all offers that their titles have on the platform in the region that was seen
                (in all regions when none was): others that they had from this source end.
            dry_run: Say what would become of them, and change nothing.
        """
        async with self._catalog.batch(dry_run=dry_run) as batch:
            endings: Endings = "now" if complete else "never"
            return await write(batch, platform=platform, source=source, records=records, seen=seen, endings=endings)


async def write(
    batch: CatalogBatch,
    *,
    platform: str,
    source: str,
    records: Sequence[PlatformRecord],
    seen: Sighting,
    endings: Endings,
    since: datetime | None = None,
    records_of: str | None = None,
) -> IntakeReport:
    """Take records in, as part of a transaction; see `PlatformIntake.take_in`.

    Args:
        since: What was seen then or later does not end, although these records do not state it: others of the same
            listing did. By default the time of the sighting.
        records_of: Whose records the titles are; by default `record_source`.
    """
    prepared = [prepare_record(record, records_of or record_source(source, platform)) for record in records]
    return await write_prepared(
        batch, platform=platform, source=source, records=prepared, seen=seen, endings=endings, since=since
    )


class PreparedTitle(NamedTuple):
    """A `PlatformTitle` in the form of the rows that it becomes.

    Attributes:
        offers: That part of their rows which is between platform and observation, without the source.
    """

    key: str
    record: PreparedRecord
    parent_key: str | None
    offers: list[tuple[Row, Row]]


class PreparedPlatformRecord(NamedTuple):
    """A `PlatformRecord`, done as far as that needs no database: plain values, which get cheaply to another process."""

    titles: list[PreparedTitle]
    unknown: list[tuple[str, str]]


def prepare_record(record: PlatformRecord, records_of: str) -> PreparedPlatformRecord:
    """Do all of the intake of a record that needs no database.

    Args:
        records_of: Whose records the titles are; see `record_source`.
    """
    titles = [
        PreparedTitle(
            title.key, prepare(_record(records_of, title)), title.parent_key, [_offer(facts) for facts in title.offers]
        )
        for title in record.titles
    ]
    return PreparedPlatformRecord(titles, [(unknown.field, unknown.value) for unknown in record.unknown])


def _record(source: str, title: PlatformTitle) -> SourceRecord:
    facts = title.facts
    if title.badges:
        facts = replace(facts, badges=tuple(sorted({*facts.badges, *title.badges})))
    return SourceRecord(source, title.key, facts)


def _offer(facts: OfferFacts) -> tuple[Row, Row]:
    slot = (facts.region or "", facts.kind.value, facts.tier or "", facts.quality or "")
    return slot, terms_row(facts)


async def write_prepared(
    batch: CatalogBatch,
    *,
    platform: str,
    source: str,
    records: Sequence[PreparedPlatformRecord],
    seen: Sighting,
    endings: Endings,
    since: datetime | None = None,
) -> IntakeReport:
    """As `write`, for records that were prepared, by another process perhaps."""
    report = IntakeReport()
    for record in records:
        report.unknown.update(Unknown(*said) for said in record.unknown)
    titles = [title for record in records for title in record.titles]
    await _write_titles(batch, titles, report)
    offers = list(_offers(titles, report.title_ids, platform=platform, source=source, seen=seen))
    changes = await batch.put_offer_rows(offers)
    report.offers, report.offers_changed = len(offers), len(changes)
    report.offers_added = sum(change.before is None for change in changes)
    listing, unseen_since = Listing(platform, source, seen.region), since or seen.observed_at
    ids = {report.title_ids[key] for record in records for key in _spoken_of(record)} if endings != "never" else set()
    if endings == "now":
        report.offers_ended = len(await batch.end_unseen(listing, unseen_since, ids))
    elif endings == "noted":
        report.offers_missed = await batch.miss_offers(listing, unseen_since, ids=ids)
    return report


def _spoken_of(record: PreparedPlatformRecord) -> list[str]:
    """The titles whose offers a record states. One beside others that have offers is only named, as their parent."""
    offered = [title.key for title in record.titles if title.offers]
    return offered or [title.key for title in record.titles]


def record_source(source: str, platform: str) -> str:
    """Whose records the titles of a source on a platform are, e.g. `streaming-availability:hulu`, `platform:hulu`."""
    return source if source.endswith(f":{platform}") else f"{source}:{platform}"


async def _write_titles(batch: CatalogBatch, titles: Sequence[PreparedTitle], report: IntakeReport) -> None:
    """Import titles, parents first: a child names its parent by the id that this one has in the catalogue."""
    ids = report.title_ids
    by_key = {title.key: title for title in titles}
    strangers = {title.parent_key for title in by_key.values() if title.parent_key} - by_key.keys()
    parents: dict[str, TitleId] = await batch.titles_of(titles[0].record.source, strangers) if strangers else {}
    for generation in _generations(by_key):
        records = [_with_parent(title, parents) for title in generation]
        outcomes = await batch.import_records(records)
        ids.update((record.key, outcome.title_id) for record, outcome in zip(records, outcomes, strict=True))
        parents.update(ids)
        count = Counter(outcome.change for outcome in outcomes)
        report.created += count["created"]
        report.updated += count["updated"]
        report.unchanged += count["unchanged"]


def _generations(by_key: Mapping[str, PreparedTitle]) -> Iterator[list[PreparedTitle]]:
    """Titles without a parent among these, then their children, and so on. Circles come last, as they are."""
    waiting = dict(by_key)
    while waiting:
        free = [title for title in waiting.values() if title.parent_key is None or title.parent_key not in waiting]
        generation = free or list(waiting.values())
        for title in generation:
            del waiting[title.key]
        yield generation


def _with_parent(title: PreparedTitle, parents: Mapping[str, TitleId]) -> PreparedRecord:
    """A child's record is another one when its parent is."""
    parent_id = parents.get(title.parent_key) if title.parent_key else None
    if parent_id is None:
        return title.record
    fingerprint = fingerprint_of(f"{title.record.fingerprint} {parent_id}".encode())
    return with_parent(title.record, parent_id)._replace(fingerprint=fingerprint)


def _offers(
    titles: Iterable[PreparedTitle], ids: Mapping[str, TitleId], *, platform: str, source: str, seen: Sighting
) -> Iterator[Row]:
    """Rows as `offer_rows.SHOWN` has them."""
    for title in titles:
        title_id = ids[title.key]
        for slot, terms in title.offers:
            yield (title_id, platform, *slot, source, *terms, seen.observed_at)
