"""Builds a segment of the whole catalogue: as a process of its own, for that takes a core for a while."""

from __future__ import annotations

import logging
from pathlib import Path
from time import perf_counter

from mcp_gateway.catalog.store import Catalog

from .drafts import draft_of
from .index_folder import IndexFolder, Manifest
from .segment_writer import SegmentWriter

log = logging.getLogger(__name__)

BATCH_TITLES = 1000


async def build(catalog: Catalog, root: Path) -> Manifest:
    """Write the catalogue into one segment, which nobody uses until somebody publishes the manifest.

    Args:
        root: The folder of all indexes.

    Returns:
        What is to be published. What changes meanwhile is left for the next time.
    """
    started = perf_counter()
    version = await catalog.version()
    folder = IndexFolder(root, version.id)
    writer = SegmentWriter(folder.path)
    try:
        async for batch in catalog.changed_since(0, batch_size=BATCH_TITLES):
            for title in batch:
                if title.revision <= version.revision:
                    writer.add(draft_of(title))
        name = folder.write_segment(writer)
    finally:
        writer.close()
    seconds = round(perf_counter() - started, 1)
    log.info("suggest index built", extra={"titles": writer.titles, "seconds": seconds})
    return Manifest((name,), version.revision)
