"""Keeps the index equal to the catalogue: builds it, adds what changes, and starts anew when it is damaged.

Events only wake the keeper; what has changed it asks the catalogue, by revision. So events that are lost, late or
doubled do no harm.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from mcp_gateway.api import Clock
from mcp_gateway.catalog.events import TitleChanged
from mcp_gateway.catalog.models import Title
from mcp_gateway.catalog.store import Catalog, CatalogVersion

from .building import build
from .drafts import Draft, draft_of
from .index import SuggestIndex
from .index_folder import IndexFolder, Manifest
from .segment_writer import SegmentWriter

log = logging.getLogger(__name__)
T = TypeVar("T")

BATCH_TITLES = 1000

# Each segment costs every question some time: of more than so many, all but the first become one …
MAX_SEGMENTS = 5
# … unless they have more titles than this, or than this part of the first: then everything is built anew.
MAX_ADDED_TITLES = 5000
MAX_ADDED_PART = 0.05

# A catalogue that has no index yet first gets one of so many titles, so that something is found.
FIRST_TITLES = 3000

LONGEST_REST_SECONDS = 0.05
OTHER_INDEXES_KEPT_DAYS = 7


class IndexKeeper:
    """Brings what changes in the catalogue into the index.

    Of the processes that share a data folder one writes at a time; the others read what it has published.

    Args:
        poll_seconds: Longest pause between looks at the catalogue's revision.
    """

    def __init__(self, catalog: Catalog, index: SuggestIndex, clock: Clock, *, poll_seconds: float = 0.5) -> None:
        self._catalog = catalog
        self._index = index
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._changed = anyio.Event()
        self._up_to_date = anyio.Event()
        self._threads = anyio.CapacityLimiter(2)

    async def title_changed(self, event: TitleChanged) -> None:
        """Hear that something changed."""
        self._changed.set()

    async def wait(self, seconds: float) -> None:
        """Wait until `run` has caught up for the first time, but no longer than this."""
        with anyio.move_on_after(seconds):
            await self._up_to_date.wait()

    async def health(self) -> Mapping[str, Any]:
        """How the index fares: `up to date`, or `being built` or `behind` while answers may lack something."""
        version, known = await self._catalog.version(), self._index.manifest
        revision = known.revision if known else 0
        state = "up to date" if known and revision >= version.revision else "behind" if revision else "being built"
        return {"status": "ok", "index": state, "titles": sum(segment.titles for segment in self._index.segments[:1])}

    async def run(self) -> None:
        """Keep the index up to date until cancelled. Small changes take at most half of the time."""
        self._index.refresh()
        if self._is_up_to(await self._catalog.version()):
            self._up_to_date.set()  # nobody has to wait until all of the files is read
        await self._check_files()
        while True:
            started = self._clock.monotonic()
            if await self.catch_up():
                self._up_to_date.set()
            await anyio.sleep(min(LONGEST_REST_SECONDS, max(0.0, self._clock.monotonic() - started)))
            with anyio.move_on_after(self._poll_seconds):
                await self._changed.wait()
            self._changed = anyio.Event()

    async def catch_up(self) -> bool:
        """Take in what changed since the index was last published.

        Returns:
            Whether the index is up to date; False also when another process is at it.
        """
        version = await self._catalog.version()
        if version.id != self._index.folder.catalogue_id:
            self._index.turn_to(IndexFolder(self._index.folder.root, version.id))
        self._index.refresh()
        if self._is_up_to(version):
            return True
        with self._index.folder.writing() as ours:
            if not ours:
                return False
            # Between the look above and the lock another process may have published.
            self._index.refresh()
            manifest = await self._brought_up_to(version, self._index.manifest)
            self._publish(manifest)
            await self._in_thread(self._tidy)
            return True

    def _is_up_to(self, version: CatalogVersion) -> bool:
        known = self._index.manifest
        if known is None or version.id != self._index.folder.catalogue_id:
            return False
        return known.revision >= version.revision and len(known.segments) <= MAX_SEGMENTS

    async def _brought_up_to(self, version: CatalogVersion, known: Manifest | None) -> Manifest:
        if known is None:
            known = await self._first_titles(version)
            if known.revision == version.revision:
                return known
            self._publish(known)
        manifest = await self._added_to(known, version) if known.revision else None
        if manifest is None:
            return await self._rebuilt()
        if len(manifest.segments) > MAX_SEGMENTS:
            self._publish(manifest)
            return await self._joined(manifest) or await self._rebuilt()
        return manifest

    async def _first_titles(self, version: CatalogVersion) -> Manifest:
        """An index of the whole catalogue if it is small, or else of some titles, at revision 0."""
        titles: list[Title] = []
        async for batch in self._catalog.changed_since(0, batch_size=FIRST_TITLES):
            titles = batch
            break
        name = await self._in_thread(lambda: self._write(_drafts(titles)))
        return Manifest((name,), version.revision if len(titles) < FIRST_TITLES else 0)

    async def _rebuilt(self) -> Manifest:
        """Have it built anew by another process, beside the index in use, which takes in meanwhile what it can."""
        finished = anyio.Event()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._follow_until, finished)
                try:
                    built = await self._catalog.elsewhere(partial(build, root=self._index.folder.root))
                finally:
                    finished.set()
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        newest = await self._catalog.version()
        return await self._added_to(built, newest, compare=False) or built

    async def _follow_until(self, finished: anyio.Event) -> None:
        """While the new index is built, publish changes in the old one, as long as they are few."""
        while not finished.is_set():
            with anyio.move_on_after(self._poll_seconds):
                await self._changed.wait()
            self._changed = anyio.Event()
            version, known = await self._catalog.version(), self._index.manifest
            if known is not None and known.revision < version.revision:
                manifest = await self._added_to(known, version)
                if manifest is None:
                    return
                self._publish(manifest)

    async def _added_to(self, manifest: Manifest, version: CatalogVersion, *, compare: bool = True) -> Manifest | None:
        """The index with what changed in a segment of its own; None when that is too much for one.

        Args:
            compare: Leave out titles of which nothing changed that matters here.
        """
        changed: dict[str, Draft] = {}
        async for batch in self._catalog.changed_since(manifest.revision, batch_size=BATCH_TITLES):
            drafts = await self._in_thread(partial(self._different if compare else _drafts, batch))
            changed.update((draft.id, draft) for draft in drafts)
            if len(changed) > self._most_added():
                return None
        if not changed:
            return Manifest(manifest.segments, version.revision)
        name = await self._in_thread(partial(self._write, changed.values()))
        return Manifest((*manifest.segments, name), version.revision)

    async def _joined(self, manifest: Manifest) -> Manifest | None:
        """The index with all that was added to it in one segment; None when that is too much for one."""
        added = {title_id for segment in self._index.segments[1:] for title_id in segment.title_ids}
        if len(added) > self._most_added():
            return None
        titles = await self._catalog.get(added)
        name = await self._in_thread(lambda: self._write(_drafts(titles.values())))
        return Manifest((manifest.segments[0], name), manifest.revision)

    def _most_added(self) -> float:
        first = self._index.segments[0].titles if self._index.segments else 0
        return max(MAX_ADDED_TITLES, first * MAX_ADDED_PART)

    def _different(self, titles: Iterable[Title]) -> list[Draft]:
        known = ((draft, self._index.title(draft.id)) for draft in _drafts(titles))
        return [draft for draft, item in known if item is None or item.mark != draft.mark]

    def _write(self, drafts: Iterable[Draft]) -> str:
        writer = SegmentWriter(self._index.folder.path)
        try:
            for draft in drafts:
                writer.add(draft)
            return self._index.folder.write_segment(writer)
        finally:
            writer.close()

    def _publish(self, manifest: Manifest) -> None:
        if manifest != self._index.manifest:
            self._index.folder.publish(manifest)
            self._index.refresh()

    def _tidy(self) -> None:
        kept_since = self._clock.now().timestamp() - OTHER_INDEXES_KEPT_DAYS * 86_400
        self._index.folder.tidy(siblings_unused_since=kept_since)

    async def _check_files(self) -> None:
        """Start anew when a segment is damaged."""
        folder = self._index.folder
        whole = [await self._in_thread(segment.is_whole) for segment in self._index.segments]
        if self._index.manifest is None or all(whole):
            return
        with folder.writing() as ours:
            if ours and folder.read() == self._index.manifest:
                log.warning("suggest index is damaged and will be built anew")
                self._index.forget()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._threads)


def _drafts(titles: Iterable[Title]) -> list[Draft]:
    return [draft_of(title) for title in titles]
