"""What other processes do in the tests of the index's life. Each talks to its test over stdin and stdout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import anyio
import anyio.to_thread

from mcp_gateway_search import building
from mcp_gateway_search.index_writer import Update
from mcp_gateway_search.tests.world import open_catalogue, title, world_of


async def serve(folder: Path) -> None:
    """Keep the index and answer each line with the ids it finds; `import ID` imports a title, `stop` ends."""
    async with open_catalogue(folder) as catalog, anyio.create_task_group() as tasks:
        world = await world_of(catalog, folder)
        await world.keeper.catch_up()
        tasks.start_soon(world.keeper.run)
        say("ready")
        while (line := (await anyio.to_thread.run_sync(sys.stdin.readline)).strip()) not in {"", "stop"}:
            if line.startswith("import "):
                await catalog.import_records([title(line.removeprefix("import "), "Imported", 2000)])
                say("imported")
            else:
                say(" ".join(await world.ids(line)))
        tasks.cancel_scope.cancel()


async def hold_the_lock(folder: Path) -> None:
    """Write, and never end."""
    async with open_catalogue(folder) as catalog:
        world = await world_of(catalog, folder)
        with world.index.folder.writing() as ours:
            update = Update.begin(world.index.folder, 0)
            say("locked" if ours and update else "not locked")
            await anyio.sleep_forever()


async def build_and_stop_halfway(folder: Path) -> None:
    """Build the index up to the second commit, and hang there with more written but not committed."""
    building.BATCH_TITLES, building.TITLES_PER_COMMIT = 500, 1000

    put = Update.put

    def put_and_hang(self: Update, *args: Any) -> None:
        put(self, *args)
        if self.titles >= 2500:
            say("halfway")
            sys.stdin.read()

    with patch.object(Update, "put", put_and_hang):
        async with open_catalogue(folder) as catalog:
            await (await world_of(catalog, folder)).build()


def say(line: str) -> None:
    """Tell the test."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
