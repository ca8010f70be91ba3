"""What other processes do in the tests of the index's life. Each talks to its test over stdin and stdout."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import patch

import anyio
import anyio.to_thread

from mcp_gateway_suggest.segment_file import SegmentOutput
from mcp_gateway_suggest.tests.world import open_catalogue, open_world, title


async def serve(folder: Path) -> None:
    """Keep the index and answer each line with the ids suggested; `import ID NAME` imports a title, `stop` ends."""
    async with open_world(folder) as world, anyio.create_task_group() as tasks:
        tasks.start_soon(world.keeper.run)
        say("ready")
        while (line := (await anyio.to_thread.run_sync(sys.stdin.readline)).strip()) not in {"", "stop"}:
            if line.startswith("import "):
                _, title_id, name = line.split(" ", 2)
                await world.catalog.import_records([title(title_id, name)])
                say("imported")
            else:
                say(" ".join(world.ids(line)))
        tasks.cancel_scope.cancel()


async def import_and_stop_in_the_middle_of_writing(folder: Path) -> None:
    """Import a title, and hang where its segment is half written."""
    section = SegmentOutput.section

    def section_and_hang(self: SegmentOutput, name: str, data: object) -> None:
        section(self, name, data)
        self.file.flush()
        if name == "entries":
            say("halfway")
            sys.stdin.read()

    async with open_catalogue(folder) as catalog:
        await catalog.import_records([title("new", "Brand New Name")])
    with patch.object(SegmentOutput, "section", section_and_hang):
        async with open_world(folder):
            say("not halfway")


def say(line: str) -> None:
    """Tell the test."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
