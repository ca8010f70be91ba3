"""Keeps the index equal to the catalogue: has it built, takes in changes, and starts anew when it is damaged.

Events only wake the keeper; what has changed it asks the catalogue, by revision. So events that are lost, late or
doubled do no harm. Few changes are taken in here; for many of them there is a process of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from mcp_gateway.api import Clock, GatewayError
from mcp_gateway.catalog.events import TitleChanged
from mcp_gateway.catalog.models import Title
from mcp_gateway.catalog.store import Catalog

from .building import build
from .index import TitleIndex, is_panic
from .index_folder import IndexFolder, is_whole
from .index_writer import Update, start_generation
from .vocabulary import needs_renewal

log = logging.getLogger(__name__)
T = TypeVar("T")

# So many changes are taken in within a third of a second; of a new catalogue so many titles are found at once.
FEW_TITLES = 2000

# After a change the index stays open for writing until nothing changes and nothing is merged, but idle no longer.
LONGEST_IDLE_SECONDS = 30.0
# Between two changes: more would make the second one late.
LONGEST_REST_SECONDS = 0.05


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
        self._begun = anyio.Event()
        self._up_to_date = anyio.Event()
        self._one_job = anyio.CapacityLimiter(1)
        self._update: Update | None = None
        self._lock = ExitStack()
        self._idle_since = 0.0

    async def title_changed(self, event: TitleChanged) -> None:
        """Hear that something changed."""
        self._changed.set()

    async def wait(self, seconds: float) -> None:
        """Wait until `run` has made something searchable; and until it has caught up, but no longer than this."""
        await self._begun.wait()
        with anyio.move_on_after(seconds):
            await self._up_to_date.wait()

    async def health(self) -> Mapping[str, Any]:
        """How the index fares: `up to date`, or `being built` or `behind` while answers may lack something."""
        version, known = await self._catalog.version(), self._index.manifest
        complete = known is not None and known.complete and known.revision >= version.revision
        state = "up to date" if complete else "behind" if self._index.is_complete else "being built"
        return {"status": "ok", "index": state, "titles": self._index.size}

    async def run(self) -> None:
        """Keep the index up to date until cancelled. Small changes take at most half of the time."""
        try:
            await self._catch_up_at_first()
            self._index.suspect = True  # opening reads hardly any file, so look at them once
            while True:
                started = self._clock.monotonic()
                if self._index.suspect:
                    await self._check_files()
                if await self.catch_up(stay=True):
                    self._up_to_date.set()
                if needs_renewal(self._index):
                    await self._build()
                await anyio.sleep(min(LONGEST_REST_SECONDS, max(0.0, self._clock.monotonic() - started)))
                with anyio.move_on_after(self._poll_seconds):
                    await self._changed.wait()
                quiet = not self._changed.is_set()
                self._changed = anyio.Event()
                if quiet:
                    await self._leave_if_idle()
        finally:
            await self._leave()

    async def _catch_up_at_first(self) -> None:
        try:
            if await self.catch_up(stay=True):
                self._up_to_date.set()
        except (GatewayError, OSError, RuntimeError, ValueError):
            log.exception("search index could not be brought up to date at the start")
        finally:
            self._begun.set()

    async def catch_up(self, *, stay: bool = False) -> bool:
        """Take in what changed since the index was last committed.

        Args:
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
        update = self._update or await self._enter(version.revision)
        if update is None:
            return False
        finished = False
        try:
            titles = await self._first_changes(update.manifest.revision)
            if len(titles) < FEW_TITLES:
                await self._put(update, titles, partial(update.finish, version.revision))
                finished = True
            elif self._index.size == 0:
                await self._put(update, titles, update.commit_sample)
        finally:
            if not (stay and finished):
                await self._leave()
            self._index.refresh()
        return finished or await self._build()

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

    async def _first_changes(self, revision: int) -> Sequence[Title]:
        """What changed after a revision, the oldest change first, but no more than `FEW_TITLES`."""
        async for batch in self._catalog.changed_since(revision, batch_size=FEW_TITLES):
            return batch
        return []

    async def _put(self, update: Update, titles: Sequence[Title], commit: Callable[[], None]) -> None:
        offers = await self._catalog.offers([title.id for title in titles])
        await self._in_thread(partial(update.put, titles, offers))
        await self._in_thread(commit)
        self._idle_since = self._clock.monotonic()

    async def _build(self) -> bool:
        """Have it brought up to date, with its vocabulary, by another process."""
        self._begun.set()
        await self._leave()
        try:
            return await self._catalog.elsewhere(partial(build, root=self._index.folder.root))
        except (RuntimeError, ValueError):
            self._index.suspect = True
            raise
        finally:
            self._index.refresh()

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
                empty, _ = await self._in_thread(partial(start_generation, folder))
                folder.publish(empty)
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
