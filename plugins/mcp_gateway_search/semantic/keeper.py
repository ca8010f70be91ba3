"""Gives every title that has an overview its vector, in the background."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from mcp_gateway.catalog.derived import DerivedFolder
from mcp_gateway.catalog.events import TitleChanged
from mcp_gateway.catalog.models import Title, TitleId
from mcp_gateway.catalog.store import Catalog

from .embedder import Embedder, hash_of, text_of
from .vectors import LAYOUT, Described, VectorStore

log = logging.getLogger(__name__)
T = TypeVar("T")

# So many titles are put on disk at a time: what a killed process loses, and what one that stops waits for.
BATCH_TITLES = 32
_TOLD_EVERY = 5000


class Meanings:
    """Knows which titles mean what a description says, as far as it has come.

    A `Retriever`: until the model is open, and while there are no vectors, it finds nothing.

    Args:
        root: A folder for the vectors; each model has one of its own in it.
        open_embedder: Loads the model.
        poll_seconds: Longest pause between looks at the catalogue's revision.
    """

    def __init__(
        self, catalog: Catalog, root: Path, open_embedder: Callable[[], Awaitable[Embedder]], *, poll_seconds: float = 5
    ) -> None:
        self._catalog = catalog
        self._root = root
        self._open_embedder = open_embedder
        self._poll_seconds = poll_seconds
        self._embedder: Embedder | None = None
        self._store: VectorStore | None = None
        self._changed = anyio.Event()
        self._writing, self._asking = anyio.CapacityLimiter(1), anyio.CapacityLimiter(1)

    async def retrieve(self, query: str, limit: int) -> Sequence[TitleId]:
        """Titles whose descriptions mean most nearly what the query says, best first."""
        if self._embedder is None or self._store is None:
            return ()
        work = partial(_nearest, self._embedder, self._store, query, limit)
        return await anyio.to_thread.run_sync(work, limiter=self._asking, abandon_on_cancel=True)

    async def title_changed(self, event: TitleChanged) -> None:
        """Hear that something changed."""
        self._changed.set()

    async def run(self) -> None:
        """Keep the vectors up to date until cancelled."""
        while True:
            await self.catch_up()
            with anyio.move_on_after(self._poll_seconds):
                await self._changed.wait()
            self._changed = anyio.Event()

    async def catch_up(self) -> bool:
        """Embed what changed; whether all is done, False also when another process is at it."""
        if self._embedder is None:
            self._embedder = await self._open_embedder()
        embedder = self._embedder
        version = await self._catalog.version()
        store = self._store_of(version.id, embedder)
        await self._in_thread(store.refresh)
        if store.revision >= version.revision:
            return True
        with store.folder.writing() as ours:
            if not ours:
                return False
            await self._in_thread(store.mend)
            done = 0
            async for batch in self._catalog.changed_since(store.revision, batch_size=BATCH_TITLES):
                added = await self._in_thread(partial(_embed, embedder, store, batch))
                if added and (done + added) // _TOLD_EVERY > done // _TOLD_EVERY:
                    log.info("descriptions embedded", extra={"titles": store.titles})
                done += added
            await self._in_thread(partial(store.publish, version.revision))
            await self._in_thread(store.compact)
        if done:
            log.info("all descriptions embedded", extra={"titles": store.titles})
        return True

    def _store_of(self, catalogue_id: str, embedder: Embedder) -> VectorStore:
        if self._store is None or self._store.folder.catalogue_id != catalogue_id:
            folder = DerivedFolder(self._root / embedder.name, catalogue_id, layout=LAYOUT)
            self._store = VectorStore(folder, embedder.width)
        return self._store

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._writing)


def _nearest(embedder: Embedder, store: VectorStore, query: str, limit: int) -> list[TitleId]:
    store.refresh()
    return store.nearest(embedder.embed([query])[0], limit) if len(store) else []


def _embed(embedder: Embedder, store: VectorStore, titles: Sequence[Title]) -> int:
    """Add what is new about these titles; how many vectors that took."""
    texts = {title.id: text for title in titles if (text := text_of(title))}
    known = {
        each.id: Described(hash_of(texts[each.id]), round(each.popularity)) if each.id in texts else None
        for each in titles
    }
    new = {told.text: texts[each] for each, told in known.items() if told and not store.has(told.text)}
    if new:
        store.add(list(new), embedder.embed(list(new.values())))
    changed = [(each, told) for each, told in known.items() if store.described(each) != told]
    if changed:
        store.assign(changed)
    store.refresh()
    return len(new)
