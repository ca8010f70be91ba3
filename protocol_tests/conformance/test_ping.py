"""Ping, in both directions."""

from __future__ import annotations

import anyio
import pytest

from mcp_gateway.tests.wire import Wire
from protocol_tests.conformance.peers import Peer
from protocol_tests.conformance.wires import StdioWire
from protocol_tests.requirements import requirement

pytestmark = pytest.mark.anyio


@requirement("F01")
async def test_a_ping_is_answered_with_an_empty_result(wire: Wire) -> None:
    with anyio.fail_after(10):
        for _ in range(100):
            assert await wire.result("ping") == {}


@requirement("F02")
@pytest.mark.over("sse")
async def test_the_server_pings_as_often_as_it_is_told_to(peer: Peer) -> None:
    """Over stdio the process itself shows that the client lives."""
    async with peer.ready(variant="frequent pings") as wire:
        for _ in range(3):
            seen = len(wire.received)
            question = await wire.until(lambda m: m.get("method") == "ping", after=seen)
            await wire.respond(question, result={})

        assert await wire.result("ping") == {}


@requirement("F02")
async def test_by_default_pings_are_rare(peer: Peer, wire: Wire) -> None:
    for _ in range(50):
        await wire.result("ping")

    assert len([m for m in wire.received if m.get("method") == "ping"]) <= 1


@requirement("F03")
@pytest.mark.over("sse")
async def test_a_client_that_answers_no_pings_is_disconnected(peer: Peer) -> None:
    async with peer.ready(variant="frequent pings") as wire:
        await wire.until_ended()


@requirement("F03", "B15")
@pytest.mark.over("stdio")
async def test_over_stdio_a_client_that_is_gone_ends_the_server(peer: Peer) -> None:
    async with peer.ready() as wire:
        assert isinstance(wire, StdioWire)

        assert await wire.close_input() == 0
