"""The server asks the client's model."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.tests.wire import JsonObject, Wire
from protocol_tests.conformance.peers import Peer
from protocol_tests.conformance.shapes import content_faults, text_of
from protocol_tests.requirements import requirement

pytestmark = pytest.mark.anyio

ANSWER = {"role": "assistant", "content": {"type": "text", "text": "fine"}, "model": "m", "stopReason": "endTurn"}


async def ask(peer: Peer, wire: Wire, **outcome: Any) -> tuple[JsonObject, JsonObject]:
    """Call the tool that asks, answer it so; returns the question and the tool's result."""
    peer.needs("test_sampling")
    call = await wire.post("tools/call", {"name": "test_sampling", "arguments": {"prompt": "How are you?"}})
    question = await wire.asked("sampling/createMessage")
    await wire.respond(question, **outcome)
    answer = await wire.answer_to(call)
    assert await wire.result("ping") == {}
    return question, answer["result"]


@requirement("N02", "N06", "A03")
async def test_the_model_is_asked_while_the_call_is_open(peer: Peer, asking: Wire) -> None:
    question, result = await ask(peer, asking, result=ANSWER)

    params = question["params"]
    assert params["messages"]
    for message in params["messages"]:
        assert message["role"] in {"user", "assistant"}
        assert message["content"]["type"] in {"text", "image"}
        assert content_faults(message["content"], peer.version) == []
    assert isinstance(params["maxTokens"], int)
    assert params.get("includeContext", "none") in {"none", "thisServer", "allServers"}
    preferences = params.get("modelPreferences", {})
    assert all(0 <= value <= 1 for name, value in preferences.items() if name.endswith("Priority"))
    assert "fine" in text_of(result)


@requirement("N03")
@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"content": {"type": "text", "text": "x"}},
        {**ANSWER, "content": 5},
        {**ANSWER, "content": {"type": "text"}},
        {**ANSWER, "model": 5},
    ],
    ids=str,
)
async def test_an_answer_that_makes_no_sense_is_an_error_of_the_tool(
    peer: Peer, asking: Wire, answer: dict[str, Any]
) -> None:
    _, result = await ask(peer, asking, result=answer)

    assert result["isError"] is True


@requirement("N03")
@pytest.mark.parametrize("answer", [5, "x", [], None], ids=str)
async def test_an_answer_that_is_no_object_is_an_error_of_the_tool(peer: Peer, asking: Wire, answer: Any) -> None:
    _, result = await ask(peer, asking, result=answer)

    assert result["isError"] is True


@requirement("N04")
@pytest.mark.parametrize(
    "error", [{"code": -1, "message": "User rejected sampling request"}, {"code": -32601, "message": "no"}], ids=str
)
async def test_a_refusal_is_an_ordinary_outcome(peer: Peer, asking: Wire, error: dict[str, Any]) -> None:
    _, result = await ask(peer, asking, error=error)

    assert result["isError"] is True
