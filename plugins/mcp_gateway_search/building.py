"""Builds the index, or takes in very many changes: as a process of its own, for that takes a core for a while.

A build is nothing but catching up from revision 0. What was committed is kept when it is broken off.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

from mcp_gateway.catalog.models import KINDS
from mcp_gateway.catalog.store import Catalog

from .index import TitleIndex
from .index_folder import IndexFolder, Manifest
from .index_writer import Update
from .vocabulary import needs_renewal, renew

log = logging.getLogger(__name__)

BATCH_TITLES = 1000

# While much comes in, searches see it in steps of so many at most: each commit writes a segment.
TITLES_PER_COMMIT = 18_000
# tantivy merges so many segments of about one size. A build writes equal ones, as many as make a single one in the
# end: each segment costs every search some time. Of a large catalogue they are larger, to be merged only once.
MERGED_AT_ONCE = 8
MOST_PER_COMMIT = 150_000
# As much as the documents between two commits of a build need at most, so that each commit is one segment.
WRITER_BYTES = 600_000_000


async def build(catalog: Catalog, root: Path) -> bool:
    """Bring the index and its vocabulary up to the catalogue.

    Args:
        root: The folder of all indexes.

    Returns:
        Whether this was done; not where another process writes.
    """
    version = await catalog.version()
    folder = IndexFolder(root, version.id)
    with folder.writing() as ours, ExitStack() as ending:
        if ours:
            if _is_behind(folder.read(), version.revision):
                update = Update.begin(folder, version.revision, writer_bytes=WRITER_BYTES)
                ending.callback(update.end)
                await _take_in_changes(catalog, update, version.revision)
            _renew_vocabulary(folder)  # while segments are merged
    return ours


def _is_behind(known: Manifest | None, revision: int) -> bool:
    return known is None or not known.complete or known.revision < revision


async def _take_in_changes(catalog: Catalog, update: Update, revision: int) -> None:
    started = perf_counter()
    per_commit, per_batch = await _steps(catalog, update)
    async for batch in catalog.changed_since(update.manifest.revision, batch_size=per_batch):
        update.put(batch, await catalog.offers([title.id for title in batch]))
        if update.uncommitted >= per_commit:
            update.commit()
            log.info("search index takes in titles", extra={"titles": update.titles})
    update.finish(revision)
    log.info("search index built", extra={"titles": update.titles, "seconds": round(perf_counter() - started, 1)})


def _renew_vocabulary(folder: IndexFolder) -> None:
    index = TitleIndex(folder)
    index.refresh()
    if needs_renewal(index):
        renew(index, folder)


async def _steps(catalog: Catalog, update: Update) -> tuple[int, int]:
    """How many titles to commit and to read at a time: in a build all commits are of one size."""
    if update.manifest.complete:
        return TITLES_PER_COMMIT, BATCH_TITLES
    counts = await catalog.counts()
    titles = sum(counts.get(kind, 0) for kind in KINDS)
    per_commit = -(-titles // MERGED_AT_ONCE) if titles > TITLES_PER_COMMIT else max(1, titles)
    while per_commit > MOST_PER_COMMIT:
        per_commit = -(-per_commit // MERGED_AT_ONCE)
    return per_commit, -(-per_commit // -(-per_commit // BATCH_TITLES))
