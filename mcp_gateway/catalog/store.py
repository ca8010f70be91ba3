"""The catalogue: the one door to titles, people and offers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import uuid4

from sqlalchemy import delete, update

from mcp_gateway.catalog import offering, reading
from mcp_gateway.catalog.batch import CatalogBatch
from mcp_gateway.catalog.identity import namespace_of
from mcp_gateway.catalog.lookups import fingerprints
from mcp_gateway.catalog.models import KINDS, Credit, Kind, Offer, Person, Platform, Title, TitleId
from mcp_gateway.catalog.offering import Leaving, Told
from mcp_gateway.catalog.records import CatalogVersion, ImportOutcome, PreparedRecord, SourceRecord, fingerprint_of
from mcp_gateway.catalog.rows import prepare
from mcp_gateway.catalog.tables import TITLE_TABLES, catalog_state
from mcp_gateway.clock import Clock, SystemClock
from mcp_gateway.elsewhere import elsewhere
from mcp_gateway.storage.engine import Database, open_database

__all__ = [
    "Catalog",
    "CatalogBatch",
    "CatalogVersion",
    "ImportOutcome",
    "PreparedRecord",
    "SourceRecord",
    "fingerprint_of",
    "prepare",
]

T = TypeVar("T")

WITHDRAWN_AT_ONCE = 5000


class Catalog:
    """Titles, people and offers, with the identity of titles and the history of their changes.

    Every change to a title is announced with a `TitleChanged` that commits with it, and moves the catalogue to
    a new revision, which the title then carries. Revisions become visible in their order. An offer that comes, goes
    or changes is told of with `AvailabilityChanged`, one whose time is over with `AvailabilityExpired`.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def import_records(
        self, records: Sequence[SourceRecord | PreparedRecord], *, dry_run: bool = False
    ) -> list[ImportOutcome]:
        """Bring in what sources say, all of it or, on an error, nothing.

        A record that was seen before, and is as it was, changes nothing. Otherwise its title is found
        (`identity.py`) or made, and the record laid over it (`overlay.py`). Of an external id that two
        titles claim, the first keeps it; the evidence of the other says so.

        Args:
            records: Some thousand at a time are quick and leave room for other writers. Those made with
                `prepare` are quicker still.
            dry_run: Say what would become of them, and change nothing.

        Returns:
            One outcome a record, in their order.
        """
        async with self.batch(dry_run=dry_run) as batch:
            return await batch.import_records(records)

    @asynccontextmanager
    async def batch(self, *, dry_run: bool = False) -> AsyncIterator[CatalogBatch]:
        """Change titles and offers in one transaction, which keeps other writers out; on an error nothing changes.

        Args:
            dry_run: Change nothing in the end.
        """
        async with self._db.transaction() as tx:
            revision = (await reading.version(tx, lock=True)).revision + 1
            batch = CatalogBatch(tx, revision=revision, now=self._clock.now())
            yield batch
            if dry_run:
                await tx.rollback()
            else:
                await batch.announce()

    async def unchanged(self, source: str, marks: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
        """Of a source's records, those that need no import: seen before with this fingerprint.

        Args:
            source: The source.
            marks: (key, fingerprint) of the records.
        """
        async with self._db.reading() as conn:
            seen = await fingerprints(conn, source, [key for key, _ in marks])
        return {(key, mark) for key, mark in marks if key in seen and seen[key][1] == mark}

    async def keyed(self, source: str, keys: Collection[str]) -> dict[str, TitleId]:
        """The titles of a source's records, by the records' keys; those never seen are left out."""
        async with self._db.reading() as conn:
            return {key: title_id for key, (title_id, _) in (await fingerprints(conn, source, keys)).items()}

    async def make_way(self, source: str) -> bool:
        """Empty the catalogue if all that it has is from this one source; whether it was so.

        It is another catalogue afterwards, with an id of its own and at revision 0.
        """
        async with self._db.transaction() as tx:
            version = await reading.version(tx, lock=True)
            if version.revision == 0 or await reading.has_other_sources(tx, source):
                return False
            for table in TITLE_TABLES:
                await tx.execute(delete(table))
            await tx.execute(update(catalog_state).values(id=uuid4().hex, revision=0))
            return True

    async def get(self, ids: Iterable[str]) -> dict[str, Title]:
        """Titles by the id asked for, which may be one that was joined into another title; unknown ids are left out."""
        wanted = set(ids)
        async with self._db.reading() as conn:
            found: dict[str, Title] = {}
            found.update((title.id, title) for title in (await reading.titles_by_id(conn, wanted)).values())
            missing = wanted - found.keys()
            if missing:
                aliases = await reading.aliased(conn, missing)
                joined = await reading.titles_by_id(conn, set(aliases.values()))
                found.update((alias, joined[title_id]) for alias, title_id in aliases.items())
        return found

    async def changed_since(self, revision: int, *, batch_size: int = 2000) -> AsyncIterator[list[Title]]:
        """The titles that changed after a revision, the oldest change first; after 0, all of them.

        Each batch shows the catalogue as it is then: a title that changes meanwhile may come twice, none is missed.
        """
        after = (revision, TitleId(reading.LAST_CHARACTER))
        while True:
            async with self._db.reading() as conn:
                batch = await reading.titles_after(conn, *after, at_most=batch_size)
            if batch:
                yield batch
                after = (batch[-1].revision, batch[-1].id)
            if len(batch) < batch_size:
                return

    async def version(self) -> CatalogVersion:
        """Which catalogue this is, and how far it has come. At revision 0 it is empty."""
        async with self._db.reading() as conn:
            return await reading.version(conn)

    async def by_external_id(self, scheme: str, value: str, kind: Kind | None = None) -> TitleId | None:
        """The title with somebody else's id.

        Args:
            scheme: `imdb`, `tmdb` and so on, see `TitleFacts.external_ids`.
            value: The id.
            kind: Needed where the scheme numbers films and series apart (TMDB, TVDB); without it the film comes first.
        """
        namespaces = {namespace_of(scheme, kind)} if kind else {namespace_of(scheme, each) for each in KINDS}
        async with self._db.reading() as conn:
            return await reading.owner_of(conn, scheme, value, namespaces)

    async def person(self, person_id: str) -> Person | None:
        """A person; None when nobody has the id."""
        async with self._db.reading() as conn:
            return await reading.person(conn, person_id)

    async def filmography(self, person_id: str) -> list[tuple[TitleId, Credit]]:
        """What a person did in which titles, the most popular first."""
        async with self._db.reading() as conn:
            return await reading.filmography(conn, person_id)

    async def ids_like(self, prefix: str, limit: int) -> list[TitleId]:
        """Ids of titles that begin so, or whose name does, the most popular first."""
        async with self._db.reading() as conn:
            return await reading.ids_like(conn, prefix, limit)

    async def people_like(self, prefix: str, limit: int) -> list[Person]:
        """People whose name begins so, whatever its case and accents, by name."""
        async with self._db.reading() as conn:
            return await reading.people_like(conn, prefix, limit)

    async def put_offers(self, offers: Sequence[Offer]) -> int:
        """Keep offers; the one with the same title, platform, region, kind, tier, quality and source is replaced.

        What was observed before what stands changes nothing. Titles whose offers changed count as changed: whoever
        keeps something made of titles looks again.

        Returns:
            How many were new or different.
        """
        if not offers:
            return 0
        async with self.batch() as batch:
            return len(await batch.put_offers(offers))

    async def expire_offers(self, *, at_most: int = 1000) -> list[Offer]:
        """End offers whose time is over and tell of it, so many of them; those that ended, by title.

        However many processes do so at the same time, each offer ends once.
        """
        now = self._clock.now()
        async with self._db.reading() as conn:
            if not await offering.has_expired(conn, now):
                return []
        async with self.batch() as batch:
            return [change.offer for change in await batch.expire_offers(at_most=at_most)]

    async def withdraw_offers(self, told: Told) -> int:
        """Take away all offers that a source tells of, of a platform in a region, and tell of it; how many.

        It is as if it had never told of them: what it says next counts, however old it is.
        """
        withdrawn = 0
        while True:
            async with self.batch() as batch:
                gone = len(await batch.withdraw_offers(told, at_most=WITHDRAWN_AT_ONCE))
            withdrawn += gone
            if gone < WITHDRAWN_AT_ONCE:
                return withdrawn

    async def offers_by_source(self) -> list[Told]:
        """Which source tells of how many offers, of which platform and where."""
        async with self._db.reading() as conn:
            return await offering.told(conn)

    async def offers(self, ids: Iterable[str]) -> dict[TitleId, list[Offer]]:
        """The offers of titles whose time is not over, by platform, region and kind; titles without are left out."""
        async with self._db.reading() as conn:
            return await offering.by_title(conn, set(ids), self._clock.now())

    async def titles_leaving(
        self, before: datetime, *, platform: str | None = None, region: str | None = None
    ) -> list[Leaving]:
        """The titles that a platform will not offer in a region any more at that time, but does now; the next first."""
        now = self._clock.now()
        async with self._db.reading() as conn:
            return await offering.leaving(conn, now=now, before=before, platform=platform, region=region)

    async def offers_by_region(self) -> dict[str, dict[str, int]]:
        """How many offers there are, by platform and region; the region is empty where it is not known."""
        async with self._db.reading() as conn:
            return await offering.regions(conn)

    async def platforms(self) -> list[Platform]:
        """The platforms that offer something, by key."""
        async with self._db.reading() as conn:
            return await offering.platforms(conn)

    async def counts(self) -> dict[str, int]:
        """How much there is: titles by kind, `people` and `offers`."""
        async with self._db.reading() as conn:
            return {**await reading.counts(conn), "offers": await offering.count(conn)}

    async def elsewhere(self, work: Callable[[Catalog], Awaitable[T]]) -> T:
        """Do work over this catalogue in another process: what takes a core for seconds would hold up calls here.

        Args:
            work: A function of a module, or a `partial` of one. It and its result are pickled.

        Raises:
            EndedEarly: The process was killed. Otherwise what `work` raises.
        """
        return await elsewhere(partial(_over, self._db.url, work))


async def _over(url: str, work: Callable[[Catalog], Awaitable[T]]) -> T:
    async with open_database(url, pool_size=1) as db:
        return await work(Catalog(db, SystemClock()))
