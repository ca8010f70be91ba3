"""A process that syncs, and kills itself where it waits for the n-th time: `sync_process DATABASE_URL SEED AWAITS`."""

from __future__ import annotations

import os
import signal
import sys

import anyio

from mcp_gateway.storage.engine import open_database
from mcp_gateway.testing import FakeClock
from mcp_gateway.tests.catalogues import NOW
from mcp_gateway_ingestion.tests.killing import KilledAt
from mcp_gateway_ingestion.tests.sync_world import RememberingSource, SyncWorld


def shelf_at(hour: int) -> RememberingSource:
    """A source as it is in a given hour: every process sees the same one."""
    clock = FakeClock(NOW)
    source = RememberingSource(clock, page_size=5)
    source.put(*(f"t{number:02}" for number in range(30)))
    for passed in range(hour):
        clock.advance(3600)
        source.put(f"t{passed % 30:02}", prices={"HD": 100 + passed})
        source.put(f"t{passed * 7 % 30:02}", prices={"Standard": 0, "Premium": 0})
    return source


async def sync(url: str, hour: int, awaits: int) -> None:
    """Sync, and die."""
    source = shelf_at(hour)
    async with open_database(url) as db:
        world = SyncWorld(db, source.clock, source)
        run = world.sync.listing_run(world.sync.targets[0])
        await KilledAt(run.run(), awaits, kill=lambda: os.kill(os.getpid(), signal.SIGKILL)).run()


if __name__ == "__main__":
    anyio.run(sync, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
