"""The gateway as commands start it: imported when it is needed, and left out when garbage is looked for."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import anyio

from mcp_gateway.settings import Settings

if TYPE_CHECKING:  # takes a third of a second to import, which a command that is refused must not
    from mcp_gateway.gateway import Gateway

S = TypeVar("S")
T = TypeVar("T")


@asynccontextmanager
async def started(
    settings: Settings,
    *,
    only: Collection[str] | None = None,
    platforms_of_all: bool = False,
    one_shot: bool = False,
) -> AsyncIterator[Gateway]:
    """A running gateway. Arguments and errors are those of `Gateway`."""
    from mcp_gateway.gateway import Gateway

    made = Gateway(settings, only=only, platforms_of_all=platforms_of_all, one_shot=one_shot)
    async with made.running() as gateway:
        # What is there by now stays: looking through its 100,000 objects again would stop all calls for 50 ms.
        gc.freeze()
        yield gateway


def asked(settings: Settings, plugin: str, service: type[S], question: Callable[[S], Awaitable[T]]) -> T:
    """What a service of one plugin answers, for a command that wants nothing else. The gateway runs for that long.

    Raises:
        Unavailable: The plugin does not run.
    """

    async def ask() -> T:
        async with started(settings, only={plugin}, one_shot=True) as gateway:
            return await question(gateway.provided(service))

    return anyio.run(ask)
