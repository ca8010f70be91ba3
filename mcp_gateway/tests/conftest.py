"""Fixtures of the protocol tests: one small gateway, reached over each duplex transport."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import anyio
import httpx
import pytest

from mcp_gateway.tests.small_gateway import SmallGateway
from mcp_gateway.tests.wire import Wire, listening, over_pipes, sse_session


@dataclass
class Talk:
    """A gateway, and how to reach it."""

    gateway: SmallGateway
    open: Callable[[], AbstractAsyncContextManager[Wire]]


@dataclass
class Web:
    """A gateway that listens, and a client of its address."""

    gateway: SmallGateway
    http: httpx.AsyncClient


@pytest.fixture(scope="module")
async def web(anyio_backend: str) -> AsyncIterator[Web]:
    """One HTTP server for the tests of a module."""
    gateway = SmallGateway()
    async with listening(gateway) as client:
        yield Web(gateway, client)


@pytest.fixture(params=["stdio", "sse"])
async def talk(request: pytest.FixtureRequest, web: Web) -> Talk:
    """The small gateway over stdio and over SSE. Over stdio only one session is possible."""
    if request.param == "stdio":
        gateway = SmallGateway()
        return Talk(gateway, lambda: over_pipes(gateway))
    web.gateway.gate = anyio.Event()
    return Talk(web.gateway, lambda: sse_session(web.http))


@pytest.fixture
async def wire(talk: Talk) -> AsyncIterator[Wire]:
    """A session of 2024-11-05, ready."""
    async with talk.open() as wire:
        await wire.initialize()
        yield wire
