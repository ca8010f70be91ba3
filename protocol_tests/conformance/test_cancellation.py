"""notifications/cancelled, from the client and from the server."""

from __future__ import annotations

from typing import Any

import anyio
import orjson
import pytest

from mcp_gateway.tests.wire import Wire
from protocol_tests.conformance.peers import Peer
from protocol_tests.conformance.shapes import initialize_params, text_of
from protocol_tests.conformance.wires import StdioWire
from protocol_tests.requirements import requirement

pytestmark = pytest.mark.anyio


async def start_work(wire: Wire, steps: int = 100_000) -> int:
    """Start a tool that shows that it runs, and wait until it does."""
    await wire.call("recall_notes")
    params = {"name": "work", "arguments": {"steps": steps}, "_meta": {"progressToken": "work"}}
    request_id = await wire.post("tools/call", params)
    await wire.until(lambda m: m.get("method") == "notifications/progress")
    return request_id


async def until_idle(wire: Wire) -> str:
    """Wait until no work runs; returns what was remembered meanwhile."""
    with anyio.fail_after(20):
        while True:
            told = text_of(await wire.call("recall_notes"))
            if '"running":0' in told:
                return told


@requirement("E02", "E03", "E04", "E11", "E07")
async def test_a_cancelled_call_is_stopped_and_nothing_more_comes_of_it(peer: Peer, wire: Wire) -> None:
    peer.needs("work", "recall_notes")
    call = await start_work(wire)
    for _ in range(2):
        await wire.notify("notifications/cancelled", {"requestId": call, "reason": "enough"})
    told = await until_idle(wire)
    seen = len([m for m in wire.received if m.get("method", "").startswith("notifications/")])
    for _ in range(20):
        await wire.result("ping")

    assert "worked" not in told
    assert not [m for m in wire.received if m.get("id") == call and "method" not in m]
    assert len([m for m in wire.received if m.get("method", "").startswith("notifications/")]) == seen


@requirement("E03")
async def test_many_cancelled_calls_leave_nothing_behind(peer: Peer, wire: Wire) -> None:
    peer.needs("work", "recall_notes")
    for _ in range(100):
        call = await wire.post("tools/call", {"name": "work", "arguments": {"steps": 100_000}})
        await wire.notify("notifications/cancelled", {"requestId": call})

    assert "worked" not in await until_idle(wire)


@requirement("E05", "E07")
async def test_a_cancellation_too_late_or_of_another_type_changes_nothing(peer: Peer, wire: Wire) -> None:
    peer.needs("work", "recall_notes")
    done = await wire.post("ping")
    await wire.answer_to(done)
    await wire.notify("notifications/cancelled", {"requestId": done})
    call = await start_work(wire, 10)
    await wire.notify("notifications/cancelled", {"requestId": str(call)})

    assert text_of((await wire.answer_to(call))["result"]) == "worked"


@requirement("E07")
async def test_a_cancellation_before_its_request_changes_nothing(wire: Wire) -> None:
    await wire.notify("notifications/cancelled", {"requestId": "early"})
    await wire.send({"jsonrpc": "2.0", "id": "early", "method": "ping"})

    assert (await wire.answer_to("early"))["result"] == {}


@requirement("E08")
@pytest.mark.over("stdio")
async def test_the_reason_is_logged(peer: Peer, wire: Wire) -> None:
    peer.needs("work", "recall_notes")
    assert isinstance(wire, StdioWire)
    call = await start_work(wire)
    await wire.notify("notifications/cancelled", {"requestId": call, "reason": "changed my mind 4711"})
    await until_idle(wire)

    with anyio.fail_after(10):
        while b"changed my mind 4711" not in wire.log:
            await wire.result("ping")


@requirement("E09")
@pytest.mark.parametrize("params", [None, {}, {"requestId": [1]}, {"requestId": True}, {"requestId": 1.0}], ids=str)
async def test_a_malformed_cancellation_is_ignored(peer: Peer, wire: Wire, params: Any) -> None:
    peer.needs("work", "recall_notes")
    call = await start_work(wire, 10)
    await wire.notify("notifications/cancelled", params)

    assert "result" in await wire.answer_to(call)


@requirement("E10")
async def test_initialize_cannot_be_cancelled(peer: Peer) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize_params(peer.version)}
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    async with peer.open() as wire:
        if peer.transport == "stdio":  # both in one write
            await wire.send_bytes(orjson.dumps(request) + b"\n" + orjson.dumps(cancel))
        else:
            await wire.send(request)
            await wire.send(cancel)

        assert "result" in await wire.answer_to(1)
