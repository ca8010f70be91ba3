"""completion/complete."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.tests.wire import Wire
from protocol_tests.conformance.peers import Peer
from protocol_tests.conformance.shapes import error_faults
from protocol_tests.requirements import requirement

pytestmark = pytest.mark.anyio

PROMPT = {"type": "ref/prompt", "name": "test_prompt_with_arguments"}
TEMPLATE = {"type": "ref/resource", "uri": "test://template/{id}/data"}


def asked(ref: Any, name: Any, value: Any = "") -> dict[str, Any]:
    return {"ref": ref, "argument": {"name": name, "value": value}}


@requirement("L01", "L02", "L03", "L08")
async def test_at_most_a_hundred_values_are_sent_and_the_rest_counted(peer: Peer, wire: Wire) -> None:
    peer.needs(prompts=["test_prompt_with_arguments"])
    completion = (await wire.result("completion/complete", asked(PROMPT, "arg2")))["completion"]

    assert len(completion["values"]) == 100
    assert all(isinstance(value, str) for value in completion["values"])
    assert completion["total"] > 100
    assert completion["hasMore"] is True


@requirement("L03")
@pytest.mark.parametrize("uri", ["test://template/{id}/data", "test://template/1/data"])
async def test_variables_of_templates_can_be_completed(peer: Peer, wire: Wire, uri: str) -> None:
    peer.needs(resources=[str(TEMPLATE["uri"])])
    result = await wire.result("completion/complete", asked({"type": "ref/resource", "uri": uri}, "id"))

    assert isinstance(result["completion"]["values"], list)
    assert len(result["completion"]["values"]) <= 100


@requirement("L04")
async def test_what_begins_as_typed_comes_first(peer: Peer, wire: Wire) -> None:
    peer.needs(prompts=["test_prompt_with_arguments"])
    everything = (await wire.result("completion/complete", asked(PROMPT, "arg2")))["completion"]["values"]
    typed = everything[50][:-1]
    values = (await wire.result("completion/complete", asked(PROMPT, "arg2", typed)))["completion"]["values"]

    assert values[0].startswith(typed)
    assert [value.startswith(typed) for value in values] == sorted(
        (value.startswith(typed) for value in values), reverse=True
    )


@requirement("L05")
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"ref": PROMPT},
        {"argument": {"name": "arg1", "value": ""}},
        {"ref": "x", "argument": "y"},
        {"ref": PROMPT, "argument": {"name": "arg1"}},
        asked(PROMPT, "arg1", 5),
        asked(PROMPT, 5),
        asked({"type": "ref/prompt", "name": "no_such_prompt"}, "arg1"),
        asked({"type": "ref/prompt"}, "arg1"),
        asked({"type": "ref/resource", "uri": "test://no/such/{x}"}, "x"),
        asked({"type": "ref/tool", "name": "echo"}, "text"),
    ],
    ids=str,
)
async def test_what_is_malformed_or_unknown_is_refused(peer: Peer, wire: Wire, params: Any) -> None:
    peer.needs(prompts=["test_prompt_with_arguments"])

    assert (await wire.error("completion/complete", params))["code"] == -32602


@requirement("L05")
async def test_an_unknown_argument_is_refused_or_gives_no_values(peer: Peer, wire: Wire) -> None:
    peer.needs(prompts=["test_prompt_with_arguments"])
    answer = await wire.request("completion/complete", asked(PROMPT, "no_such_argument"))

    assert answer["error"]["code"] == -32602 if "error" in answer else not answer["result"]["completion"]["values"]


@requirement("L06")
async def test_completions_beyond_the_rate_are_refused_and_the_session_lives(peer: Peer) -> None:
    async with peer.ready(variant="few calls") as wire:
        answers = [await wire.request("completion/complete", asked(PROMPT, "arg1")) for _ in range(12)]
        refused = [answer["error"] for answer in answers if "error" in answer]

        assert 1 <= len(refused) < len(answers)
        assert error_faults(refused[-1]) == []
        assert refused[-1]["data"]["reason"] == "rate_limited"
        assert await wire.result("ping") == {}
