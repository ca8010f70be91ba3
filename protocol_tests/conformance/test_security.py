"""What no client may do to another, or learn of the server."""

from __future__ import annotations

import pytest

from mcp_gateway.tests.wire import Wire
from protocol_tests.conformance.peers import Peer
from protocol_tests.requirements import requirement

pytestmark = pytest.mark.anyio


@requirement("P02", "D07", "E02")
@pytest.mark.over("sse", "http")
async def test_one_session_cannot_cancel_what_another_runs(peer: Peer) -> None:
    peer.needs("work")
    async with peer.ready() as one, peer.ready() as other:
        message = {"jsonrpc": "2.0", "id": "same", "method": "tools/call"}
        await one.send({**message, "params": {"name": "work", "arguments": {"steps": 20}}})
        await other.notify("notifications/cancelled", {"requestId": "same"})

        assert "result" in await one.answer_to("same")


@requirement("P02", "A06")
@pytest.mark.over("sse", "http")
async def test_the_same_ids_in_two_sessions_are_not_mixed_up(peer: Peer) -> None:
    peer.needs("echo")
    async with peer.ready() as one, peer.ready() as other:
        for number in range(20):
            for wire, text in ((one, "one"), (other, "other")):
                params = {"name": "echo", "arguments": {"text": text}}
                await wire.send({"jsonrpc": "2.0", "id": f"id {number}", "method": "tools/call", "params": params})
        for wire, text in ((one, "one"), (other, "other")):
            for number in range(20):
                answer = await wire.answer_to(f"id {number}")
                assert answer["result"]["content"][0]["text"] == text


@requirement("P03", "A02", "B03")
async def test_the_lifecycle_is_that_of_2024_11_05_on_every_transport(peer: Peer) -> None:
    async with peer.ready(version="2024-11-05") as wire:
        tools = (await wire.result("tools/list"))["tools"]

        assert tools
        assert await wire.result("ping") == {}


@requirement("H10", "K08", "P02")
async def test_errors_of_every_kind_name_nothing_internal(peer: Peer, wire: Wire) -> None:
    for method, params in (
        ("no/such", {}),
        ("tools/call", {"name": "no_such_tool"}),
        ("tools/call", {"name": "echo", "arguments": {"text": {"deep": [1]}}}),
        ("resources/read", {"uri": "file:///etc/passwd"}),
        ("prompts/get", {"name": "' OR 1=1 --"}),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": "x" * 1000}}),
    ):
        await wire.request(method, params)

    for secret in ("Traceback", "site-packages", ".py", "SELECT ", "sqlite", "pydantic.dev"):
        assert secret not in str(wire.received)
