"""One transaction of changes to titles and offers, and the events that tell of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

import orjson
from sqlalchemy import update
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from mcp_gateway.bus import outbox
from mcp_gateway.bus.outbox import Fact, fact_of
from mcp_gateway.catalog import offering
from mcp_gateway.catalog.events import (
    GONE,
    TERMS,
    AvailabilityChanged,
    AvailabilityExpired,
    OfferTerms,
    TitleChanged,
    offer_event_id,
)
from mcp_gateway.catalog.lookups import fingerprints
from mcp_gateway.catalog.models import Offer, TitleId
from mcp_gateway.catalog.offer_rows import key_in, row_of, terms_in
from mcp_gateway.catalog.offering import Change, Listing, Told
from mcp_gateway.catalog.records import ImportOutcome, PreparedRecord, Row, SourceRecord
from mcp_gateway.catalog.rows import prepare
from mcp_gateway.catalog.tables import catalog_state
from mcp_gateway.catalog.writing import BatchWriter

_ALL_TERMS = orjson.Fragment(orjson.dumps(TERMS))


class CatalogBatch:
    """Changes that commit together. `Catalog.batch` makes it; valid while its context is open.

    Attributes:
        tx: The transaction, for rows of other tables that have to commit with the changes.
    """

    def __init__(self, tx: AsyncConnection, *, revision: int, now: datetime) -> None:
        self.tx = tx
        self._revision = revision
        self._now = now
        self._writer = BatchWriter(tx, revision=revision, now=now)
        self._titles: dict[TitleId, TitleChanged] = {}
        self._facts: list[Fact] = []
        self._touched: set[TitleId] = set()

    async def import_records(self, records: Sequence[SourceRecord | PreparedRecord]) -> list[ImportOutcome]:
        """Bring in what sources say; see `Catalog.import_records`."""
        prepared = [prepare(record) if isinstance(record, SourceRecord) else record for record in records]
        outcomes: list[ImportOutcome] = []
        for batch in _runs(prepared):
            outcomes.extend(await self._writer.write(batch))
        for record, outcome in zip(prepared, outcomes, strict=True):
            if outcome.change != "unchanged" and outcome.title_id not in self._titles:
                self._titles[outcome.title_id] = TitleChanged(
                    title_id=outcome.title_id, kind=record.kind, change=outcome.change, revision=self._revision
                )
        return outcomes

    async def titles_of(self, source: str, keys: Collection[str]) -> dict[str, TitleId]:
        """The titles that a source's records speak of, by key; keys that were never seen are left out."""
        found = await fingerprints(self.tx, source, keys)
        return {key: title_id for key, (title_id, _) in found.items()}

    async def put_offers(self, offers: Iterable[Offer]) -> list[Change]:
        """Write offers; see `Catalog.put_offers`. What changed, by title. Once in a batch for the same offer."""
        return await self.put_offer_rows(map(row_of, offers))

    async def put_offer_rows(self, rows: Iterable[Row]) -> list[Change]:
        """As `put_offers`, for offers by the ten thousand; see `offer_rows.SHOWN`."""
        return self._note(await offering.put(self.tx, rows, now=self._now))

    async def end_unseen(self, listing: Listing, at: datetime, ids: Collection[str]) -> list[Change]:
        """End the offers of these titles that a listing has not named then or later."""
        return self._note(await offering.end_unseen(self.tx, listing, at, ids))

    async def miss_offers(self, listing: Listing, at: datetime, *, ids: Collection[str] | None = None) -> int:
        """Note which offers a listing has not named then or later, of these titles or of all; how many.

        They stand until it is decided whether to end or to forgive them.
        """
        return await offering.miss(self.tx, listing, at, ids=ids)

    async def count_listed(self, listing: Listing) -> tuple[int, int]:
        """How many offers of a listing there are, and how many of them were missed."""
        return await offering.count_listed(self.tx, listing)

    async def end_missed(self, listing: Listing, *, at_most: int) -> list[Change]:
        """End offers that were missed, so many of them."""
        return self._note(await offering.end_missed(self.tx, listing, at_most=at_most))

    async def forgive_missed(self, listing: Listing) -> int:
        """Let the offers that were missed stand; how many."""
        return await offering.forgive(self.tx, listing)

    async def withdraw_offers(self, told: Told, *, at_most: int) -> list[Change]:
        """Take offers away as if their source had never told of them, so many of them."""
        return self._note(await offering.withdraw(self.tx, told, now=self._now, at_most=at_most))

    async def expire_offers(self, *, at_most: int) -> list[Change]:
        """End offers whose time is over, so many of them."""
        ended = await offering.expire(self.tx, self._now, at_most=at_most)
        self._touched.update(change.title_id for change in ended)
        self._facts += [fact_of(_expired(change, self._revision)) for change in ended]
        return ended

    async def announce(self) -> None:
        """Write the events, and move the catalogue on. The last thing in the transaction."""
        kinds = await offering.mark_changed(self.tx, self._touched - self._titles.keys(), self._revision)
        for title_id in sorted(kinds):
            self._titles[title_id] = TitleChanged(
                title_id=title_id, kind=kinds[title_id], change="updated", revision=self._revision
            )
        facts = [*map(fact_of, self._titles.values()), *self._facts]
        if facts:
            await self.tx.execute(update(catalog_state).values(revision=self._revision))
            await outbox.append_facts(self.tx, facts, now=self._now)

    def _note(self, changes: list[Change]) -> list[Change]:
        self._touched.update(change.title_id for change in changes)
        self._facts += [_changed(change, self._revision) for change in changes]
        return changes


def _changed(change: Change, revision: int) -> Fact:
    """An `AvailabilityChanged` as it goes into the outbox. As a model first, it would take five times as long."""
    slot = key_in(change.row)
    title_id, platform, region, kind, tier, quality, source = slot
    before = _terms_json(change.before) if change.before else None
    after = _terms_json(change.after) if change.after else None
    data = {
        "title_id": title_id,
        "platform": platform,
        "region": region or None,
        "kind": kind,
        "tier": tier or None,
        "quality": quality or None,
        "source": source,
        "revision": revision,
        "before": before and orjson.Fragment(before),
        "after": after and orjson.Fragment(after),
        "changed": _differing(change.before, change.after) if change.before and change.after else _ALL_TERMS,
        "observed_at": change.at,
    }
    event_id = offer_event_id(slot, after or GONE, revision)
    return Fact(event_id, AvailabilityChanged.event_type, title_id, orjson.dumps(data).decode())


def _differing(before: Row, after: Row) -> list[str]:
    both = zip(TERMS, terms_in(before), terms_in(after), strict=True)
    return [name for name, stood, said in both if stood != said]


def _terms_json(row: Row) -> bytes:
    """The terms of a row by name, as `orjson.dumps(terms_of(offer))` writes them."""
    audio, subtitles, price_minor, currency, valid_from, valid_until, link, confidence = terms_in(row)
    terms = {
        "audio": orjson.Fragment(audio),
        "subtitles": orjson.Fragment(subtitles),
        "price_minor": price_minor,
        "currency": currency,
        "valid_from": valid_from,
        "valid_until": valid_until,
        "link": link,
        "confidence": confidence,
    }
    return orjson.dumps(terms)


def _expired(change: Change, revision: int) -> AvailabilityExpired:
    offer = change.offer
    return AvailabilityExpired(
        title_id=offer.title_id,
        platform=offer.platform,
        region=offer.region,
        kind=offer.kind,
        tier=offer.tier,
        quality=offer.quality,
        source=offer.source,
        before=OfferTerms.of(offer),
        expired_at=change.at,
        revision=revision,
    )


def _runs(records: Sequence[PreparedRecord]) -> Iterator[list[PreparedRecord]]:
    """Runs of one source in which no key comes twice: no two records of a run speak of the same title."""
    run: list[PreparedRecord] = []
    keys: set[str] = set()
    for record in records:
        if run and (record.source != run[0].source or record.key in keys):
            yield run
            run, keys = [], set()
        run.append(record)
        keys.add(record.key)
    if run:
        yield run
