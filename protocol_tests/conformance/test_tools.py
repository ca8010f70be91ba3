"""Tools."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.tests.wire import Wire
from protocol_tests.conformance.peers import Peer
from protocol_tests.conformance.shapes import content_faults, error_faults, text_of
from protocol_tests.requirements import requirement

pytestmark = pytest.mark.anyio


@requirement("H02")
async def test_tools_have_unique_names_and_object_schemas(peer: Peer, wire: Wire) -> None:
    peer.declares("tools")
    tools = (await wire.result("tools/list"))["tools"]
    names = [tool["name"] for tool in tools]

    assert names
    assert len(set(names)) == len(names)
    assert all(isinstance(tool["name"], str) and tool["inputSchema"]["type"] == "object" for tool in tools)


@requirement("H03", "I07", "J10")
async def test_a_change_of_the_tools_is_announced(peer: Peer, wire: Wire) -> None:
    peer.needs("list_change")
    before = {tool["name"] for tool in (await wire.result("tools/list"))["tools"]}
    await wire.call("list_change")
    if peer.offer.capabilities["tools"].get("listChanged"):
        await wire.until(lambda m: m.get("method") == "notifications/tools/list_changed")
    after = {tool["name"] for tool in (await wire.result("tools/list"))["tools"]}

    assert before != after
    for feature in ("tools", "resources", "prompts"):
        if not peer.offer.capabilities.get(feature, {}).get("listChanged"):
            assert wire.notifications(f"notifications/{feature}/list_changed") == []


@requirement("H04", "H11", "H13")
@pytest.mark.parametrize(
    "tool", ["test_simple_text", "test_image_content", "test_embedded_resource", "test_multiple_content_types"]
)
async def test_a_result_is_content_of_known_kinds(peer: Peer, wire: Wire, tool: str) -> None:
    peer.needs(tool)
    result = await wire.call(tool)

    assert result["content"]
    assert [fault for block in result["content"] for fault in content_faults(block, peer.version)] == []
    assert result.get("isError", False) is False


@requirement("H05")
async def test_an_unknown_tool_is_a_protocol_error(peer: Peer, wire: Wire) -> None:
    peer.declares("tools")

    assert (await wire.error("tools/call", {"name": "no_such_tool"}))["code"] == -32602


@requirement("H06")
@pytest.mark.parametrize(
    "arguments",
    [{}, {"a": 1}, {"a": 1, "b": "two"}, {"a": 1, "b": 2.5}, {"a": 1, "b": None}, {"a": 1, "b": 2, "c": 3}, []],
    ids=str,
)
async def test_wrong_arguments_are_refused(peer: Peer, wire: Wire, arguments: Any) -> None:
    peer.needs("add")
    is_open = peer.offer.tools["add"]["inputSchema"].get("additionalProperties") is not False
    if "c" in arguments and is_open:
        pytest.skip("the tool takes other arguments too")
    answer = await wire.request("tools/call", {"name": "add", "arguments": arguments})

    refused = answer["error"]["code"] == -32602 if "error" in answer else answer["result"]["isError"] is True
    assert refused, answer


@requirement("H06")
async def test_a_tool_does_not_run_with_wrong_arguments(peer: Peer, wire: Wire) -> None:
    peer.needs("remember_note", "recall_notes")
    await wire.call("recall_notes")
    for arguments in ({"text": 5}, {"text": "a", "more": "b"}, {}):
        assert (await wire.call("remember_note", arguments))["isError"] is True

    assert '"notes":[]' in text_of(await wire.call("recall_notes"))


@requirement("H07", "H10")
async def test_a_failing_tool_is_a_result_that_the_model_can_read(peer: Peer, wire: Wire) -> None:
    peer.needs("test_error_handling")
    result = await wire.call("test_error_handling")

    assert result["isError"] is True
    assert text_of(result)
    assert "Traceback" not in str(result)


@requirement("H09", "P02")
async def test_calls_beyond_the_rate_are_refused_and_the_session_lives(peer: Peer) -> None:
    async with peer.ready(variant="few calls") as wire:
        answers = [await wire.request("tools/call", {"name": "test_simple_text"}) for _ in range(12)]
        read = await wire.error("resources/read", {"uri": "test://static-text"})
        refused = [answer["result"] for answer in answers if answer["result"].get("isError")]

        assert 1 <= len(refused) < len(answers)
        assert "rate_limited" in text_of(refused[-1])
        assert error_faults(read) == []
        assert await wire.result("ping") == {}


@requirement("H10", "K08")
async def test_what_a_failing_tool_had_in_hand_stays_hidden(peer: Peer, wire: Wire) -> None:
    peer.needs("leak")
    result = await wire.call("leak")

    assert result["isError"] is True
    for secret in ("hunter2", "/srv", "Traceback", "ValueError"):
        assert secret not in str(wire.received)


@requirement("H10")
async def test_control_characters_do_no_harm(peer: Peer, wire: Wire) -> None:
    peer.needs("control_characters")

    assert text_of(await wire.call("control_characters")) == "a\r\nb\x00\x1b[31m\u2028\x7f"
    assert await wire.result("ping") == {}


@requirement("H12")
async def test_arguments_may_be_absent(peer: Peer, wire: Wire) -> None:
    peer.needs("test_simple_text")

    assert "isError" not in await wire.result("tools/call", {"name": "test_simple_text"})


@requirement("C04", "H04")
async def test_text_goes_through_a_tool_unchanged(peer: Peer, wire: Wire) -> None:
    peer.needs("echo")
    text = 'Ä "quoted" \\ 日本語 𝄞 e\u0301\ttab\nline'

    assert text_of(await wire.call("echo", {"text": text})) == text
