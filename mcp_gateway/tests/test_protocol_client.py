"""What the server asks the client: sampling, elicitation, roots. Ids name lines of the requirements."""

from typing import Any

import pytest

from mcp_gateway.settings import McpSection, Settings
from mcp_gateway.tests.conftest import Talk
from mcp_gateway.tests.small_gateway import SmallGateway
from mcp_gateway.tests.wire import Wire, over_pipes

pytestmark = pytest.mark.anyio

ANSWER = {"role": "assistant", "content": {"type": "text", "text": "fine"}, "model": "m", "stopReason": "endTurn"}
ALL = {"sampling": {}, "roots": {"listChanged": True}, "elicitation": {}}


def text_of(answer: dict[str, Any]) -> str:
    return str(answer["result"]["content"][0]["text"])


async def test_the_clients_model_is_asked_while_the_call_is_open(talk: Talk) -> None:
    """A03, A04, A05, G07, N02, N06."""
    async with talk.open() as wire:
        await wire.initialize(capabilities=ALL)
        ids = []
        for _ in range(2):
            call = await wire.post("tools/call", {"name": "ask_model"})
            question = await wire.until(lambda m: m.get("method") == "sampling/createMessage" and m["id"] not in ids)
            ids.append(question["id"])
            await wire.respond(question, result=ANSWER)
            assert text_of(await wire.answer_to(call)) == '{"text":"fine"}'

        assert question["params"] == {
            "messages": [{"role": "user", "content": {"type": "text", "text": "How are you?"}}],
            "maxTokens": 10,
        }
        assert all(isinstance(request_id, int) for request_id in ids)


@pytest.mark.parametrize("tool", ["ask_model", "ask_user", "look_around"])
async def test_a_client_is_only_asked_for_what_it_declared(wire: Wire, tool: str) -> None:
    """B07, N01, O01: nothing goes over the wire but the error of the tool."""
    result = await wire.call(tool)

    assert result["isError"] is True
    assert not [m for m in wire.received if "method" in m]


async def test_a_user_is_only_asked_in_revisions_that_know_it(talk: Talk) -> None:
    """B08."""
    async with talk.open() as wire:
        await wire.initialize("2024-11-05", ALL)

        assert (await wire.call("ask_user"))["isError"] is True


async def test_the_user_is_asked(talk: Talk) -> None:
    async with talk.open() as wire:
        await wire.initialize("2025-06-18", ALL)
        call = await wire.post("tools/call", {"name": "ask_user"})
        await wire.respond(
            await wire.asked("elicitation/create"), result={"action": "accept", "content": {"sure": True}}
        )

        assert "accept {'sure': True}" in text_of(await wire.answer_to(call))


@pytest.mark.parametrize(
    "outcome",
    [
        {"error": {"code": -1, "message": "User rejected sampling request"}},
        {"result": {}},
        {"result": {**ANSWER, "content": {"type": "image", "data": "", "mimeType": "image/png"}}},
        {"result": {**ANSWER, "model": 5}},
        {"result": "yes"},
        {"error": "no"},
    ],
)
async def test_a_refusal_and_nonsense_are_ordinary_outcomes(talk: Talk, outcome: dict[str, Any]) -> None:
    """N03, N04, O04."""
    async with talk.open() as wire:
        await wire.initialize(capabilities=ALL)
        call = await wire.post("tools/call", {"name": "ask_model"})
        await wire.respond(await wire.asked("sampling/createMessage"), **outcome)

        answer = await wire.answer_to(call)
        assert answer["result"]["isError"] is True
        assert '"reason":"unavailable"' in text_of(answer)
        assert await wire.result("ping") == {}


async def test_a_client_that_does_not_answer_is_told_so_and_a_late_answer_is_ignored() -> None:
    """B18, E01, E06."""
    async with over_pipes(SmallGateway(Settings(mcp=McpSection(ask_seconds=0.05)))) as wire:
        await wire.initialize(capabilities=ALL)
        answer = await wire.request("tools/call", {"name": "ask_model"})
        question = await wire.asked("sampling/createMessage")

        assert answer["result"]["isError"] is True
        (cancelled,) = wire.notifications("notifications/cancelled")
        assert cancelled["params"]["requestId"] == question["id"]
        await wire.respond(question, result=ANSWER)
        assert await wire.result("ping") == {}


async def test_a_cancelled_call_takes_its_question_back(talk: Talk) -> None:
    """E01, E02."""
    async with talk.open() as wire:
        await wire.initialize(capabilities=ALL)
        call = await wire.post("tools/call", {"name": "ask_model"})
        question = await wire.asked("sampling/createMessage")
        await wire.notify("notifications/cancelled", {"requestId": call})

        taken_back = await wire.until(lambda m: m.get("method") == "notifications/cancelled")
        assert taken_back["params"]["requestId"] == question["id"]
        assert await wire.result("ping") == {}
        assert not [m for m in wire.received if m.get("id") == call and "method" not in m]


async def test_questions_do_not_use_up_what_may_run() -> None:
    """A27: a client that serves one request at a time still gets its answers through."""
    async with over_pipes(SmallGateway(Settings(mcp=McpSection(max_running=1)))) as wire:
        await wire.initialize(capabilities=ALL)
        call = await wire.post("tools/call", {"name": "ask_model"})
        question = await wire.asked("sampling/createMessage")

        assert await wire.result("ping") == {}
        await wire.respond(question, result=ANSWER)
        assert text_of(await wire.answer_to(call)) == '{"text":"fine"}'


async def test_roots_are_asked_for_once_until_they_change(talk: Talk) -> None:
    """O02, O05, O06."""
    async with talk.open() as wire:
        await wire.initialize(capabilities=ALL)
        for number, uri in enumerate(("file:///a", "file:///b")):
            seen = len(wire.received)
            call = await wire.post("tools/call", {"name": "look_around"})
            question = await wire.until(lambda m: m.get("method") == "roots/list", after=seen)
            await wire.respond(question, result={"roots": [{"uri": uri}, {"uri": "http://x"}, 5]})
            assert text_of(await wire.answer_to(call)) == f'{{"text":"{uri}"}}'
            await wire.notify("notifications/roots/list_changed")
            assert len([m for m in wire.received if m.get("method") == "roots/list"]) == number + 1
