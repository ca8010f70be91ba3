"""Asking the client: one way to write it, over requests of ours or, since 2026-07-28, over rounds of the same call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcp_gateway.api import Call, ElicitationRequest, NoParams, RootsRequest, capability
from mcp_gateway.tests.conftest import Talk
from mcp_gateway.tests.small_gateway import SmallGateway, Strict
from mcp_gateway.tests.test_protocol_client import ALL, ANSWER, text_of
from mcp_gateway.tests.wire import Wire, over_pipes

pytestmark = pytest.mark.anyio

NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
YES = {"action": "accept", "content": {"sure": True}}


class Told(Strict):
    """What was answered."""

    text: str


class Order(Strict):
    """What to delete."""

    title: str = "Alien"


class Interview:
    """Tools that ask, and what became of them."""

    def __init__(self) -> None:
        self.started = 0
        self.stopped = 0
        self.finished = 0
        self.wording = "Sure?"

    def tools(self) -> list[Any]:
        return [
            capability("interview", self.interview),
            capability("confirm", self.confirm),
            capability("ask_both", self.ask_both),
        ]

    async def interview(self, params: NoParams, call: Call) -> Told:
        """Ask twice under one key, and catch what must not be caught."""
        self.started += 1
        names = []
        for _ in range(2):
            try:
                answer = await call.elicit("Who?", NAME, key="who")
            except Exception as error:
                return Told(text=f"caught {error!r}")
            finally:
                self.stopped += 1
            names.append((answer.content or {}).get("name", answer.action))
        self.finished += 1
        return Told(text=" and ".join(names))

    async def confirm(self, params: Order, call: Call) -> Told:
        """Ask in words that may change between two rounds."""
        return Told(text=(await call.elicit(self.wording, {"type": "object"})).action)

    async def ask_both(self, params: NoParams, call: Call) -> Told:
        """Ask two things at once."""
        answers = await call.ask({"who": ElicitationRequest("Who?", NAME), "where": RootsRequest()})
        return Told(text=f"{answers['who']} {answers['where']}")


class Rounds:
    """A client of 2026-07-28 that calls one tool in rounds."""

    def __init__(self, wire: Wire, capabilities: Mapping[str, Any] = ALL) -> None:
        self.wire = wire
        self.meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": dict(capabilities),
        }

    async def call(self, tool: str, **more: Any) -> Any:
        """The answer to one round."""
        return await self.wire.request("tools/call", {"name": tool, "_meta": self.meta, **more})

    async def ask(self, tool: str, **more: Any) -> Any:
        """The result of a round that needs input."""
        result = (await self.call(tool, **more))["result"]
        assert result["resultType"] == "input_required", result
        return result


@asynccontextmanager
async def interviewed() -> AsyncIterator[tuple[Rounds, Interview]]:
    interview = Interview()
    async with over_pipes(SmallGateway(extra=interview.tools())) as wire:
        yield Rounds(wire), interview


def who(name: Any, key: str = "who") -> dict[str, Any]:
    return {key: {"action": "accept", "content": {"name": name}}}


@pytest.mark.parametrize(
    ("tool", "key", "answer", "told"),
    [
        ("ask_user", "elicitation", YES, "accept {'sure': True}"),
        ("ask_user", "elicitation", {"action": "decline"}, "decline {}"),
        ("ask_model", "sampling", ANSWER, "fine"),
    ],
)
async def test_a_question_ends_the_call_and_the_next_one_brings_the_answer(
    tool: str, key: str, answer: Any, told: str
) -> None:
    """The same handlers are asked over requests of the server in `test_protocol_client`."""
    async with interviewed() as (client, _):
        question = await client.ask(tool)
        answered = await client.call(tool, inputResponses={key: answer}, requestState=question["requestState"])

    assert list(question["inputRequests"]) == [key]
    assert "ttlMs" not in question
    assert text_of(answered) == f'{{"text":"{told}"}}'


async def test_answers_are_kept_over_rounds_and_the_handler_runs_anew() -> None:
    async with interviewed() as (client, interview):
        first = await client.ask("interview")
        second = await client.ask("interview", inputResponses=who("Ann"), requestState=first["requestState"])
        done = await client.call("interview", inputResponses=who("Bo", "who-2"), requestState=second["requestState"])

    assert text_of(done) == '{"text":"Ann and Bo"}'
    assert list(second["inputRequests"]) == ["who-2"]
    assert (interview.started, interview.finished) == (3, 1)
    assert interview.stopped == 5  # `finally` ran at each question, answered or not


async def test_a_state_holds_for_one_call_of_one_tool_and_cannot_be_changed() -> None:
    async with interviewed() as (client, interview):
        state = (await client.ask("confirm", arguments={"title": "Alien"}))["requestState"]
        answers = {"elicitation": {"action": "accept", "content": {}}}
        refused = [
            await client.call("confirm", arguments=arguments, inputResponses=answers, requestState=wrong)
            for arguments, wrong in (
                ({"title": "Aliens"}, state),
                ({"title": "Alien"}, state[:-2] + ("AA" if state[-2:] != "AA" else "BB")),
                ({"title": "Alien"}, "v1.e30"),
                ({"title": "Alien"}, '{"asked": {}}'),
            )
        ]
        elsewhere = await client.call("interview", inputResponses=who("Ann"), requestState=state)

    assert [answer["error"]["code"] for answer in (*refused, elsewhere)] == [-32602] * 5
    assert interview.started == 0


async def test_consent_to_one_question_is_not_consent_to_another() -> None:
    async with interviewed() as (client, interview):
        state = (await client.ask("confirm"))["requestState"]
        interview.wording = "Delete the other one?"
        again = await client.ask(
            "confirm", inputResponses={"elicitation": {"action": "accept", "content": {}}}, requestState=state
        )

    assert again["inputRequests"]["elicitation"]["params"]["message"] == "Delete the other one?"


@pytest.mark.parametrize(
    "answers",
    [{}, who("Ann", "wrong"), who(5), {"who": {"action": "accept"}}, {"who": {"roots": []}}],
)
async def test_an_answer_that_is_missing_or_does_not_fit_is_asked_for_again(answers: Any) -> None:
    async with interviewed() as (client, _):
        state = (await client.ask("interview"))["requestState"]
        again = await client.ask("interview", inputResponses=answers, requestState=state)

    assert list(again["inputRequests"]) == ["who"]


async def test_what_the_client_did_not_declare_is_an_error_of_the_protocol() -> None:
    async with over_pipes(SmallGateway()) as wire:
        answer = await Rounds(wire, {"roots": {}}).call("ask_model")

    assert answer["error"]["code"] == -32021
    assert answer["error"]["data"]["requiredCapabilities"] == {"sampling": {}}


async def test_several_things_are_asked_in_one_round() -> None:
    async with interviewed() as (client, _):
        question = await client.ask("ask_both")
        answers = {**who("Ann"), "where": {"roots": [{"uri": "file:///a"}]}}
        done = await client.call("ask_both", inputResponses=answers, requestState=question["requestState"])

    assert {key: request["method"] for key, request in question["inputRequests"].items()} == {
        "who": "elicitation/create",
        "where": "roots/list",
    }
    assert "Ann" in text_of(done)
    assert "file:///a" in text_of(done)


async def test_several_requests_of_the_server_are_open_at_once() -> None:
    """Before 2026-07-28."""
    async with over_pipes(SmallGateway(extra=Interview().tools())) as wire:
        await wire.initialize("2025-11-25", ALL)
        call = await wire.post("tools/call", {"name": "ask_both"})
        user, roots = await wire.asked("elicitation/create"), await wire.asked("roots/list")
        await wire.respond(roots, result={"roots": []})
        await wire.respond(user, result=who("Ann")["who"])

        assert "Ann" in text_of(await wire.answer_to(call))


async def test_one_of_several_requests_may_be_refused() -> None:
    async with over_pipes(SmallGateway(extra=Interview().tools())) as wire:
        await wire.initialize("2025-11-25", ALL)
        call = await wire.post("tools/call", {"name": "ask_both"})
        await wire.respond(await wire.asked("roots/list"), error={"code": -1, "message": "no"})
        answer = await wire.answer_to(call)

    assert answer["result"]["isError"] is True
    assert '"reason":"unavailable"' in text_of(answer)


async def test_a_form_that_is_not_filled_in_right_is_no_answer(talk: Talk) -> None:
    """Before 2026-07-28."""
    async with talk.open() as wire:
        await wire.initialize("2025-06-18", ALL)
        call = await wire.post("tools/call", {"name": "ask_user"})
        wrong = {"action": "accept", "content": {"sure": "perhaps"}}
        await wire.respond(await wire.asked("elicitation/create"), result=wrong)

        assert (await wire.answer_to(call))["result"]["isError"] is True
