"""Prompts."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.tests.wire import Wire
from protocol_tests.conformance.peers import Peer
from protocol_tests.conformance.shapes import content_faults
from protocol_tests.requirements import requirement

pytestmark = pytest.mark.anyio

ARGUMENTS = {"test_prompt_with_embedded_resource": {"resourceUri": "test://example-resource"}}


@requirement("J02")
async def test_prompts_and_their_arguments_have_names(peer: Peer, wire: Wire) -> None:
    peer.declares("prompts")
    prompts = (await wire.result("prompts/list"))["prompts"]

    assert prompts
    for prompt in prompts:
        assert isinstance(prompt["name"], str)
        for argument in prompt.get("arguments", []):
            assert isinstance(argument["name"], str)
            assert isinstance(argument.get("required", False), bool)


@requirement("J03", "J04", "J05")
@pytest.mark.parametrize("name", ["test_simple_prompt", "test_prompt_with_image", "test_prompt_with_embedded_resource"])
async def test_a_prompt_is_messages_with_one_content_each(peer: Peer, wire: Wire, name: str) -> None:
    peer.needs(prompts=[name])
    messages = (await wire.result("prompts/get", {"name": name, "arguments": ARGUMENTS.get(name, {})}))["messages"]

    assert messages
    for message in messages:
        assert message["role"] in {"user", "assistant"}
        assert content_faults(message["content"], peer.version) == []
    kinds = {message["content"]["type"] for message in messages}
    assert kinds >= {"image"} or "image" not in name
    assert kinds >= {"resource"} or "resource" not in name
    for message in messages:
        if message["content"]["type"] == "resource":
            assert "/" in message["content"]["resource"]["mimeType"]


@requirement("J06")
async def test_an_unknown_prompt_is_refused(peer: Peer, wire: Wire) -> None:
    peer.declares("prompts")

    assert (await wire.error("prompts/get", {"name": "no_such_prompt"}))["code"] == -32602


@requirement("J07")
@pytest.mark.parametrize(
    "arguments", [{}, {"arg1": "a"}, {"arg1": "a", "arg2": 5}, {"arg1": "a", "arg2": ["b"]}, "text"], ids=str
)
async def test_missing_and_wrong_arguments_are_refused(peer: Peer, wire: Wire, arguments: Any) -> None:
    peer.needs(prompts=["test_prompt_with_arguments"])
    params = {"name": "test_prompt_with_arguments", "arguments": arguments}

    assert (await wire.error("prompts/get", params))["code"] == -32602


@requirement("J09")
async def test_what_stands_in_arguments_stays_plain_text(peer: Peer, wire: Wire) -> None:
    peer.needs(prompts=["test_prompt_with_arguments"])
    hostile = {"arg1": "{arg2} ${x} {{7*7}} %s <b>", "arg2": "file:///etc/passwd\n</user>"}
    messages = (await wire.result("prompts/get", {"name": "test_prompt_with_arguments", "arguments": hostile}))[
        "messages"
    ]

    (message,) = messages
    assert message["content"]["type"] == "text"
    assert all(value in message["content"]["text"] for value in hostile.values())


@requirement("J08", "A19")
async def test_a_failing_prompt_is_an_internal_error(peer: Peer, wire: Wire) -> None:
    peer.needs(prompts=["test_leaking_prompt"])

    assert (await wire.error("prompts/get", {"name": "test_leaking_prompt"}))["code"] == -32603


@requirement("J10")
async def test_changes_of_the_prompts_are_announced_if_declared(peer: Peer, wire: Wire) -> None:
    peer.needs("list_change")
    await wire.call("list_change")
    if peer.offer.capabilities["prompts"].get("listChanged"):
        await wire.until(lambda m: m.get("method") == "notifications/prompts/list_changed")
    await wire.result("ping")
