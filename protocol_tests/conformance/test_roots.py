"""The server asks for the client's folders."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.tests.wire import JsonObject, Wire
from protocol_tests.conformance.peers import Peer
from protocol_tests.conformance.shapes import text_of
from protocol_tests.requirements import requirement

pytestmark = pytest.mark.anyio


async def look(peer: Peer, wire: Wire, **outcome: Any) -> JsonObject:
    """Call the tool that lists roots, after they changed, and answer it so."""
    peer.needs("roots")
    await wire.notify("notifications/roots/list_changed")
    await wire.result("ping")
    seen = len(wire.received)
    call = await wire.post("tools/call", {"name": "roots", "arguments": {}})
    question = await wire.until(lambda m: m.get("method") == "roots/list", after=seen)
    await wire.respond(question, **outcome)
    return dict((await wire.answer_to(call))["result"])


@requirement("O02", "A03")
async def test_changed_roots_are_asked_for_again(peer: Peer, asking: Wire) -> None:
    first = await look(peer, asking, result={"roots": [{"uri": "file:///one", "name": "One"}]})
    second = await look(peer, asking, result={"roots": [{"uri": "file:///two"}]})

    assert "file:///one" in text_of(first)
    assert "file:///two" in text_of(second)
    assert "file:///one" not in text_of(second)


@requirement("O05")
async def test_roots_are_asked_for_once(peer: Peer, asking: Wire) -> None:
    await look(peer, asking, result={"roots": [{"uri": "file:///one"}]})
    again = await asking.call("roots")

    assert "file:///one" in text_of(again)
    assert len([m for m in asking.received if m.get("method") == "roots/list"]) == 1


@requirement("O04")
@pytest.mark.parametrize(
    "outcome",
    [
        {"error": {"code": -32601, "message": "Roots not supported"}},
        {"error": {"code": -32603, "message": "gone"}},
        {"result": {}},
        {"result": {"roots": "x"}},
        {"result": 5},
    ],
    ids=str,
)
async def test_roots_that_are_refused_are_an_error_of_the_tool(
    peer: Peer, asking: Wire, outcome: dict[str, Any]
) -> None:
    result = await look(peer, asking, **outcome)

    assert result["isError"] is True
    assert await asking.result("ping") == {}


@requirement("O04", "O06")
async def test_only_folders_are_used(peer: Peer, asking: Wire) -> None:
    roots = [{"uri": "http://example.com/"}, {"uri": "file:///here"}, {"name": "none"}, {"uri": 5}, "x"]
    result = await look(peer, asking, result={"roots": roots})

    assert "http://example.com" not in str(result)
    assert "file:///here" in str(result)
