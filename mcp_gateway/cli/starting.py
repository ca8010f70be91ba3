"""The gateway as commands start it: imported when it is needed, with garbage collection to suit what stays."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from mcp_gateway.settings import Settings

if TYPE_CHECKING:  # takes a third of a second to import, which a command that is refused must not
    from mcp_gateway.gateway import Gateway

# Calls make few cycles, so there is little to find; at Python's own 700 it looked some hundred times a second.
OBJECTS_BETWEEN_COLLECTIONS = 20_000


@asynccontextmanager
async def started(settings: Settings, *, only: Collection[str] | None = None) -> AsyncIterator[Gateway]:
    """A running gateway. Arguments and errors are those of `Gateway`."""
    from mcp_gateway.gateway import Gateway

    async with Gateway(settings, only=only).running() as gateway:
        collect_garbage()
        yield gateway


def collect_garbage() -> None:
    """Begin to collect garbage, which `main` has put off.

    What is there by now stays: looking through its 100,000 objects again and again would stop every call for 50 ms.
    """
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    gc.enable()
