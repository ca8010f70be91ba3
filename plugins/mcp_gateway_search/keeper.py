"""Keeps the index equal to the catalogue: builds it, catches up, and starts anew when it is damaged.

Events only wake the keeper; what has changed it asks the catalogue, by revision. So events that are lost, late or
doubled do no harm, and a build is nothing but catching up from revision 0.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread

from mcp_gateway.api import Clock, GatewayError
from mcp_gateway.catalog.events import TitleChanged
from mcp_gateway.catalog.models import KINDS
from mcp_gateway.catalog.store import Catalog

from .index import TitleIndex, is_panic
from .index_folder import IndexFolder, is_whole
from .index_writer import Update, start_generation
from .vocabulary import needs_renewal, renew

log = logging.getLogger(__name__)
T = TypeVar("T")

BATCH_TITLES = 1000

# While much comes in, searches see it in steps of so many at most: each commit writes a segment.
TITLES_PER_COMMIT = 18_000
# tantivy merges so many segments of about one size. A build writes equal ones, as many as make a single one in the
# end: each segment costs every search some time.
MERGED_AT_ONCE = 8

# After a change the index stays open for writing until nothing changes and nothing is merged, but idle no longer.
LONGEST_IDLE_SECONDS = 30.0

OTHER_INDEXES_KEPT_DAYS = 7


class IndexKeeper:
    """Brings what changes in the catalogue into the index.

    Of the processes that share a data folder one writes at a time; the others read what it has committed.

    Args:
        poll_seconds: Longest pause between looks at the catalogue's revision.
    """

    def __init__(self, catalog: Catalog, index: TitleIndex, clock: Clock, *, poll_seconds: float = 0.5) -> None:
        self._catalog = catalog
        self._index = index
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._changed = anyio.Event()
        self._one_job = anyio.CapacityLimiter(1)
        self._update: Update | None = None
        self._lock = ExitStack()
        self._idle_since = 0.0

    async def title_changed(self, event: TitleChanged) -> None:
        """Hear that something changed."""
        self._changed.set()

    async def start(self, budget_seconds: float) -> None:
        """Catch up as far as the budget goes, so that the first question finds something; `run` does the rest."""
        try:
            await self.catch_up(budget_seconds=budget_seconds)
        except (GatewayError, OSError, RuntimeError, ValueError):
            log.exception("search index could not be brought up to date at the start")

    async def run(self) -> None:
        """Keep the index up to date until cancelled. At most half of the time goes into it."""
        self._index.suspect = True  # opening reads hardly any file, so look at them once
        try:
            while True:
                started = self._clock.monotonic()
                if self._index.suspect:
                    await self._check_files()
                await self.catch_up(stay=True)
                await self.renew_vocabulary()
                await anyio.sleep(max(0.0, self._clock.monotonic() - started))
                with anyio.move_on_after(self._poll_seconds):
                    await self._changed.wait()
                quiet = not self._changed.is_set()
                self._changed = anyio.Event()
                if quiet:
                    await self._leave_if_idle()
        finally:
            await self._leave()

    async def catch_up(self, *, budget_seconds: float = math.inf, stay: bool = False) -> bool:
        """Take in what changed since the index was last committed.

        Args:
            budget_seconds: Stop after the batch in which this is used up; what was done is kept.
            stay: Stay the one who writes, so that the next change need not wait for merges of this one.

        Returns:
            Whether the index is up to date; False also when another process is at it.
        """
        version = await self._catalog.version()
        if version.id != self._index.folder.catalogue_id:
            await self._leave()
            self._index.turn_to(IndexFolder(self._index.folder.root, version.id))
        self._index.refresh()
        known = self._index.manifest
        if known is not None and known.complete and known.revision >= version.revision and self._index.is_open:
            return True
        finished = False
        try:
            update = self._update or await self._enter(version.revision)
            if update is None:
                return False
            finished = await self._apply_changes(update, version.revision, budget_seconds)
        finally:
            if not (stay and finished):
                await self._leave()
            self._index.refresh()
        return finished

    async def renew_vocabulary(self) -> None:
        """Write the names and words anew when too many have changed."""
        if not needs_renewal(self._index):
            return
        await self._leave()
        folder = self._index.folder
        with folder.writing() as ours:
            if ours:
                await self._in_thread(partial(renew, self._index, folder))

    async def _enter(self, revision: int) -> Update | None:
        """Become the one who writes; None when another process is."""
        folder = self._index.folder
        with ExitStack() as lock:
            if not lock.enter_context(folder.writing()):
                return None
            self._update = await self._in_thread(partial(Update.begin, folder, revision))
            self._lock = lock.pop_all()
        return self._update

    async def _leave(self) -> None:
        """Let others write, after merges in progress."""
        update, self._update = self._update, None
        with anyio.CancelScope(shield=True), self._lock:
            if update is not None:
                await self._in_thread(update.end)

    async def _leave_if_idle(self) -> None:
        if self._update is None:
            return
        idle_seconds = self._clock.monotonic() - self._idle_since
        if idle_seconds > LONGEST_IDLE_SECONDS or not await self._in_thread(self._update.is_merging):
            await self._leave()

    async def _apply_changes(self, update: Update, revision: int, budget_seconds: float) -> bool:
        started = self._clock.monotonic()
        per_commit, per_batch = await self._steps(update)
        async for batch in self._catalog.changed_since(update.manifest.revision, batch_size=per_batch):
            offers = await self._catalog.offers([title.id for title in batch])
            await self._in_thread(partial(update.put, batch, offers))
            if self._clock.monotonic() - started >= budget_seconds:
                await self._in_thread(update.commit)
                return False
            if update.uncommitted >= per_commit:
                await self._in_thread(update.commit)
                log.info("search index takes in titles", extra={"titles": update.titles})
        await self._finish(update, revision, self._clock.monotonic() - started)
        return True

    async def _steps(self, update: Update) -> tuple[int, int]:
        """How many titles to commit and to read at a time: in a build all commits are of one size."""
        if update.manifest.complete:
            return TITLES_PER_COMMIT, BATCH_TITLES
        counts = await self._catalog.counts()
        per_commit = sum(counts.get(kind, 0) for kind in KINDS)
        while per_commit > TITLES_PER_COMMIT:
            per_commit = -(-per_commit // MERGED_AT_ONCE)
        per_commit = max(1, per_commit)
        return per_commit, -(-per_commit // -(-per_commit // BATCH_TITLES))

    async def _finish(self, update: Update, revision: int, seconds: float) -> None:
        first_time = not update.manifest.complete
        self._idle_since = self._clock.monotonic()
        await self._in_thread(partial(update.commit, all_up_to=revision))
        if first_time:
            log.info("search index built", extra={"titles": update.titles, "seconds": round(seconds, 1)})
            kept_since = self._clock.now().timestamp() - OTHER_INDEXES_KEPT_DAYS * 86_400
            await self._in_thread(partial(self._index.folder.tidy, siblings_unused_since=kept_since))

    async def _check_files(self) -> None:
        """Start a new generation when the files of this one are damaged."""
        folder = self._index.folder
        manifest = folder.read()
        self._index.suspect = False
        await self._leave()
        if manifest is None or await self._in_thread(partial(is_whole, folder.generation(manifest))):
            return
        with folder.writing() as ours:
            if ours and folder.read() == manifest:
                log.warning("search index is damaged and will be built anew")
                await self._in_thread(partial(start_generation, folder))
        self._index.refresh()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._one_job)
        except BaseException as error:
            panic = is_panic(error)
            self._index.suspect |= panic or isinstance(error, ValueError)
            if panic:
                raise RuntimeError("tantivy gave up while writing the search index") from error
            raise
