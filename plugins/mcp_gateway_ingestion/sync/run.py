"""One run: reads a listing page by page and takes it in, each page with the place it ends at in one transaction."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio

from mcp_gateway.api import Clock
from mcp_gateway.catalog.offering import Listing
from mcp_gateway.catalog.platforms import PlatformNormalizer, Sighting
from mcp_gateway.catalog.store import Catalog, CatalogBatch

from ..garbage import fewer_collections
from ..intake import Endings, IntakeReport, record_source, write_prepared
from .asking import PageReader
from .reading import ReadPage, read_elsewhere
from .report import Progress, TargetReport, nobody
from .shape import drift_between
from .source import AvailabilitySource, CursorRejected, SourceError, SourcePage
from .state import Held, Run, SyncState, Target, Timing
from .store import LeaseLost, SyncStore

log = logging.getLogger(__name__)

ENDED_AT_ONCE = 5000


class SourceRead(NamedTuple):
    """A page that has been read, and is still to be written."""

    page: SourcePage
    seen: Sighting
    read: ReadPage

    def beyond(self, run: Run) -> Run:
        """The run as it will be when the page is in, as far as asking for the next one goes."""
        started_at = run.started_at or self.page.observed_at
        return run.model_copy(
            update={"cursor": self.page.next_cursor, "started_at": started_at, "profile": self.read.profile}
        )


@dataclass(slots=True)
class ListingRun:
    """Brings one listing up to date. `run` once.

    Attributes:
        accept_removals: End what was missed, however much it is.
        accept_shape: Take the fields that payloads have now as usual.
    """

    source: AvailabilitySource
    normalizer: PlatformNormalizer
    target: Target
    catalog: Catalog
    store: SyncStore
    timing: Timing
    clock: Clock
    on_progress: Progress = nobody
    accept_removals: bool = False
    accept_shape: bool = False
    report: TargetReport = field(init=False)

    def __post_init__(self) -> None:
        self.report = TargetReport(self.target)

    async def run(self) -> TargetReport:
        """Run to the end, or until the source fails; whatever came until then stays, and the next run goes on there.

        Raises:
            Unavailable: The database is away.
        """
        state = await self.store.claim(self.target)
        if state is None:
            self.report.outcome = "elsewhere"
            return self.report
        try:
            with fewer_collections():
                await self._run(state)
        except LeaseLost:
            self.report.outcome = "elsewhere"
        finally:
            with anyio.move_on_after(5, shield=True):
                await self.store.release(self.target)
        return self.report

    async def _run(self, state: SyncState) -> None:
        try:
            try:
                await self._read_and_finish(state)
            except CursorRejected:
                state.run = None
                await self._read_and_finish(state)
        except SourceError as error:
            await self.store.note_failure(self.target, state, str(error), error.retry_after_seconds)
            self.report.outcome, self.report.error, self.report.retry_at = "failed", str(error), state.retry_at
            facts = {**self.target._asdict(), "kind": type(error).__name__, "cause": str(error)}
            log.warning("source of availability failed", extra=facts)

    async def _read_and_finish(self, state: SyncState) -> None:
        run = state.begin(self.clock.now(), window=self.source.window, overlap=self.timing.overlap)
        self.report.full = run.is_full
        reader = PageReader(self.source, self.target, seconds=self.timing.page_seconds, clock=self.clock)
        await self._take_in_all(state, run, reader)
        await self._decide(state, run)
        await self._finish(state, run)

    async def _take_in_all(self, state: SyncState, run: Run, reader: PageReader) -> None:
        """Take pages in until the last. While one is written, the next is asked for and read."""
        coming = None if run.is_listed else await self._read(run, reader)
        while coming is not None:
            answers: list[SourceRead | SourceError] = []
            try:
                async with anyio.create_task_group() as tasks:
                    if coming.page.next_cursor is not None:
                        tasks.start_soon(self._read_ahead, coming.beyond(run), reader, answers)
                    await self._take_in(state, run, coming)
            except ExceptionGroup as group:
                raise first_of(group) from None
            await self.on_progress(self.target, run.payloads, coming.page.total)
            answer = answers[0] if answers else None
            if isinstance(answer, SourceError):
                raise answer
            coming = answer

    async def _read(self, run: Run, reader: PageReader) -> SourceRead:
        page = await reader.next(run)
        seen = sighting(self.target, run, page)
        source = self.target.source
        read = await read_elsewhere(self.normalizer, page.payloads, seen, run.profile, source=source)
        return SourceRead(page, seen, read)

    async def _read_ahead(self, run: Run, reader: PageReader, answers: list[SourceRead | SourceError]) -> None:
        """That there is no next page must not keep this one from being written."""
        try:
            answers.append(await self._read(run, reader))
        except SourceError as error:
            answers.append(error)

    async def _take_in(self, state: SyncState, run: Run, coming: SourceRead) -> None:
        page, seen, read = coming
        run.started_at = run.started_at or page.observed_at
        async with self.catalog.batch() as batch:
            taken = await write_page(batch, self.target, run, page, read, seen)
            run.cursor, run.is_listed, run.profile = page.next_cursor, page.next_cursor is None, read.profile
            run.pages, run.payloads = run.pages + 1, run.payloads + len(page.payloads)
            run.rejected, run.added = run.rejected + len(read.rejections), run.added + taken.offers_added
            await self.store.keep_rejected(batch.tx, self.target, read.rejections)
            await self.store.save(batch.tx, self.target, state)
        self.report.add(taken, len(read.rejections))
        self.report.payloads += len(page.payloads)

    async def _decide(self, state: SyncState, run: Run) -> None:
        """Whether what was missed is to end: what goes in masses is more often the source's fault than the truth."""
        state.drift = [] if self.accept_shape else drift_between(state.usual, run.profile)
        if not state.drift and run.profile.payloads:
            state.usual = run.profile
        async with self.catalog.batch() as batch:
            if run.is_full and run.started_at and not run.is_decided:
                await batch.miss_offers(self._listing, run.started_at)
            standing, missed = await batch.count_listed(self._listing)
            before = standing - run.added
            holds = too_many(missed, before, self.timing.hold_above) or too_many(
                run.rejected, run.payloads, self.timing.hold_above
            )
            run.is_decided = run.is_decided or self.accept_removals or not holds
            is_held = missed > 0 and not run.is_decided
            state.held = Held(missed=missed, standing=before, at=self.clock.now()) if is_held else None
            await self.store.save(batch.tx, self.target, state)
        self.report.ended, self.report.drift = missed, state.drift
        self._tell(state)

    async def _finish(self, state: SyncState, run: Run) -> None:
        while state.held is None:
            async with self.catalog.batch() as batch:
                ended = await batch.end_missed(self._listing, at_most=ENDED_AT_ONCE)
                await self.store.save(batch.tx, self.target, state)
            if len(ended) < ENDED_AT_ONCE:
                break
        now = self.clock.now()
        async with self.catalog.batch() as batch:
            if run.is_full and state.tried_at and self.report.pages == run.pages:
                await self.store.forget_rejected(batch.tx, self.target, state.tried_at)
            state.succeed(now)
            await self.store.note_answer(batch.tx, self.target)
            await self.store.save(batch.tx, self.target, state)
        self.report.outcome = "held" if state.held else "done"

    @property
    def _listing(self) -> Listing:
        return Listing(self.target.platform, self.target.source, self.target.region)

    def _tell(self, state: SyncState) -> None:
        facts = self.target._asdict()
        if state.held:
            held = {"missed": state.held.missed, "standing": state.held.standing}
            log.warning("removals held, confirm them with sync_availability", extra={**facts, **held})
        if state.drift:
            moved = [drift.model_dump() for drift in state.drift[:5]]
            log.warning("fields of payloads come more or less often than usual", extra={**facts, "moved": moved})


def sighting(target: Target, run: Run, page: SourcePage) -> Sighting:
    """When and where a page was seen; never before its run began, whatever the source's clocks say."""
    return Sighting(observed_at=max(page.observed_at, run.started_at or page.observed_at), region=target.region)


async def write_page(
    batch: CatalogBatch, target: Target, run: Run, page: SourcePage, read: ReadPage, seen: Sighting
) -> IntakeReport:
    """Take a page in, and note which offers it should have named and did not."""
    source, platform, region = target
    # A listing of all that is offered tells at its end what is missing.
    endings: Endings = "noted" if page.states_all and not run.is_full else "never"
    since = run.started_at or seen.observed_at
    taken = await write_prepared(
        batch, platform=platform, source=source, records=read.records, seen=seen, endings=endings, since=since
    )
    if page.gone:
        titles = await batch.titles_of(record_source(source, platform), page.gone)
        listing = Listing(platform, source, region)
        taken.offers_missed += await batch.miss_offers(listing, since, ids=set(titles.values()))
    return taken


def first_of(error: Exception) -> Exception:
    """Of tasks that failed together, the error of the first."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def too_many(part: int, whole: int, share: float) -> bool:
    """Whether more than this share of a whole is concerned."""
    return part > share * max(whole, 0)
