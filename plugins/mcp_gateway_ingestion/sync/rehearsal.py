"""What a run would do: reads a listing as a run does, and takes all of it back."""

from __future__ import annotations

from functools import partial

import anyio

from mcp_gateway.catalog.offering import Listing

from .asking import PageReader
from .reading import read_page
from .report import TargetReport
from .run import ListingRun, sighting, write_page
from .shape import drift_between
from .source import CursorRejected, SourceError
from .state import Run


class Rehearsal(ListingRun):
    """A run that leaves nothing behind, neither offers nor how far it came.

    What several pages name counts each time.
    """

    async def run(self) -> TargetReport:
        """Read the listing to its end, or until the source fails."""
        state = await self.store.state(self.target)
        state.run = None
        run = state.begin(self.clock.now(), window=self.source.window, overlap=self.timing.overlap)
        self.report.full, self.report.outcome = run.is_full, "dry_run"
        try:
            await self._rehearse(run)
        except (CursorRejected, SourceError) as error:
            self.report.outcome, self.report.error = "failed", str(error)
        self.report.drift = drift_between(state.usual, run.profile)
        return self.report

    async def _rehearse(self, run: Run) -> None:
        reader = PageReader(self.source, self.target, seconds=self.timing.page_seconds, clock=self.clock)
        named = missed = 0
        while not run.is_listed:
            page = await reader.next(run)
            seen = sighting(self.target, run, page)
            reading = partial(read_page, self.normalizer, page.payloads, seen, run.profile, source=self.target.source)
            read = await anyio.to_thread.run_sync(reading)
            run.started_at = run.started_at or page.observed_at
            async with self.catalog.batch(dry_run=True) as batch:
                taken = await write_page(batch, self.target, run, page, read, seen)
                listing = Listing(self.target.platform, self.target.source, self.target.region)
                standing = (await batch.count_listed(listing))[0] - taken.offers_added
            run.cursor, run.is_listed, run.profile = page.next_cursor, page.next_cursor is None, read.profile
            self.report.add(taken, len(read.rejections))
            self.report.payloads += len(page.payloads)
            named, missed = named + taken.offers - taken.offers_added, missed + taken.offers_missed
            self.report.ended = max(0, standing - named) if run.is_full else missed
            await self.on_progress(self.target, self.report.payloads, page.total)
