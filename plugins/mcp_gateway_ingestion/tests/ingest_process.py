"""Takes a file in, in a process of its own that tests can kill: `ingest_process.py DATABASE_URL SOURCE FILE
BATCH_LINES`.

Prints a line after each batch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio

from mcp_gateway.clock import SystemClock
from mcp_gateway.tests.catalogues import opened
from mcp_gateway_ingestion import plugin
from mcp_gateway_ingestion.store import RejectedStore
from mcp_gateway_ingestion.tests.conftest import Ingestion


async def ingest(*arguments: str) -> None:
    """Take the file in."""
    url, source, path, batch_lines = arguments
    async with opened(url, ingestion=plugin.register_migrations()) as (db, catalog):
        services: Any = SimpleNamespace(db=db, clock=SystemClock())
        ingestion = Ingestion(db, catalog, RejectedStore(services))
        await ingestion.run(
            Path(path),
            source=source,
            batch_lines=int(batch_lines),
            on_progress=lambda progress: print(progress.records, flush=True),  # noqa: T201
        )
    print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    anyio.run(ingest, *sys.argv[1:])
