"""Fixtures of the conformance tests: the server under test, once on each transport."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.abc import TaskStatus

from mcp_gateway.tests.wire import Wire
from protocol_tests.conformance.peers import (
    EVERYTHING,
    Offer,
    Peer,
    Server,
    Transport,
    offer_of,
    server_of,
    transports_of,
)

# Other servers may have many gaps.
OTHERS_SECONDS = 3.0


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once on each transport that has its rule."""
    if "transport" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("over")
    there = [name for name in transports_of(metafunc.config) if mark is None or name in mark.args]
    skip = pytest.mark.skip(reason=f"only over {', '.join(mark.args) if mark else ''}")
    params: list[Any] = [*there] or [pytest.param(None, marks=skip, id="elsewhere")]
    metafunc.parametrize("transport", params, scope="session")


class Pool:
    """Keeps a session of each kind over stdio, where each costs a process."""

    def __init__(self, tasks: anyio.abc.TaskGroup) -> None:
        self._tasks = tasks
        self._wires: dict[str, Wire] = {}

    async def lend(self, peer: Peer, kind: str) -> Wire:
        """A ready session with nothing received yet."""
        wire = self._wires.get(kind)
        if wire is None or wire.ended or not await _answers(wire):
            wire = self._wires[kind] = await self._tasks.start(self._keep, peer, kind)
        wire.received.clear()
        return wire

    async def _keep(self, peer: Peer, kind: str, *, task_status: TaskStatus[Wire]) -> None:
        async with peer.ready(EVERYTHING if kind == "asking" else {}) as wire:
            task_status.started(wire)
            await anyio.sleep_forever()


async def _answers(wire: Wire) -> bool:
    with anyio.move_on_after(5):
        return "result" in await wire.request("ping")
    return False


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server under test."""
    server = server_of(pytestconfig, tmp_path_factory.mktemp("server"))
    with server.stack:
        yield server


@pytest.fixture(scope="session")
async def pool(anyio_backend: str) -> AsyncIterator[Pool]:
    """The sessions over stdio that tests share."""
    async with anyio.create_task_group() as tasks:
        yield Pool(tasks)
        tasks.cancel_scope.cancel()


@pytest.fixture(scope="session")
def offers() -> dict[str, Offer]:
    """What the server offers, by transport, once it was asked."""
    return {}


@pytest.fixture
async def peer(server: Server, transport: Transport, offers: dict[str, Offer]) -> Peer:
    """The server on one transport."""
    peer = Peer(server, transport)
    if not server.own:
        peer.wait_seconds = OTHERS_SECONDS
    if transport not in offers:
        async with peer.open() as wire:
            result = await wire.initialize(peer.version)
            offers[transport] = await offer_of(wire, result["capabilities"])
    peer.offer = offers[transport]
    return peer


@asynccontextmanager
async def _session(peer: Peer, pool: Pool, kind: str) -> AsyncIterator[Wire]:
    if peer.transport == "stdio":
        yield await pool.lend(peer, kind)
    else:
        async with peer.ready(EVERYTHING if kind == "asking" else {}) as wire:
            yield wire


@pytest.fixture
async def wire(peer: Peer, pool: Pool) -> AsyncIterator[Wire]:
    """A ready session of a client without capabilities."""
    async with _session(peer, pool, "plain") as wire:
        wire.received.clear()
        yield wire


@pytest.fixture
async def asking(peer: Peer, pool: Pool) -> AsyncIterator[Wire]:
    """A ready session of a client that can be asked for roots and sampling."""
    async with _session(peer, pool, "asking") as wire:
        wire.received.clear()
        yield wire
