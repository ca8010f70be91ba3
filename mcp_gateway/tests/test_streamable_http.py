"""The transport at `/mcp` itself: when it streams, how streams are taken up again, and what becomes of sessions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from mcp_gateway.api import Call, NoParams, capability
from mcp_gateway.settings import HttpSection, McpSection, Settings
from mcp_gateway.tests.small_gateway import Said, SmallGateway
from mcp_gateway.tests.test_http import BOTH, Session
from mcp_gateway.tests.wire import listening

pytestmark = pytest.mark.anyio

LATEST = "2025-11-25"
ENVELOPE = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


def call(tool: str, request_id: object = 1, **meta: Any) -> dict[str, Any]:
    params: dict[str, Any] = {"name": tool, "arguments": {}}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": {**params, "_meta": meta}}


def enveloped(tool: str) -> dict[str, Any]:
    return {
        "json": call(tool, **ENVELOPE),
        "headers": {**BOTH, "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": tool},
    }


@asynccontextmanager
async def session_at(http: httpx.AsyncClient, version: str = LATEST) -> AsyncIterator[Session]:
    session = Session(http, version)
    await session.initialize()
    yield session


class Events:
    """What a stream brought so far."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.last_id = ""

    async def next(self) -> dict[str, Any]:
        """The next message."""
        with anyio.fail_after(10):
            async for line in self._lines:
                if line.startswith("id: "):
                    self.last_id = line[4:]
                elif line.startswith("data: {"):
                    message: dict[str, Any] = json.loads(line[6:])
                    return message
        raise AssertionError("the stream ended")


class Stepping(SmallGateway):
    """With a tool that says something before its answer."""

    def _tools(self) -> list[Any]:
        return [*super()._tools(), capability("steps", self.steps)]

    async def steps(self, params: NoParams, call: Call) -> Said:
        """Report, wait for the gate, log and answer."""
        await call.progress(1, 3, "begun")
        await self.gate.wait()
        await call.log("info", "going on")
        return Said(text="finished")


def gateway(**settings: Any) -> SmallGateway:
    http = HttpSection(port=0, **settings.pop("http", {}))
    return Stepping(Settings(http=http, **settings))


async def test_an_answer_that_nothing_precedes_is_a_json_document() -> None:
    async with listening(gateway()) as http, session_at(http) as session:
        response = await http.post("/mcp", json=call("show"), headers=session.headers)

    assert response.headers["content-type"] == "application/json"
    assert response.json()["result"]["content"]


async def test_a_stream_begins_when_something_precedes_the_answer() -> None:
    small = gateway()
    async with listening(small) as http, session_at(http) as session:
        message = call("steps", progressToken="t")
        async with http.stream("POST", "/mcp", json=message, headers=session.headers) as response:
            events = Events(response)
            first = await events.next()
            small.gate.set()
            rest = [await events.next(), await events.next()]

    assert response.headers["content-type"].startswith("text/event-stream")
    assert first["params"]["progress"] == 1
    assert [rest[0]["params"]["data"], rest[1]["result"]["structuredContent"]] == ["going on", {"text": "finished"}]


async def test_a_call_that_says_nothing_for_long_is_kept_open_by_comments() -> None:
    small = gateway(http={"sse_ping_seconds": 0.02})
    async with listening(small) as http, session_at(http) as session:
        for options in ({"json": call("wait"), "headers": session.headers}, enveloped("wait")):
            small.gate = anyio.Event()
            async with http.stream("POST", "/mcp", **options) as response:
                lines = response.aiter_lines()
                while not (await anext(lines)).startswith(": "):
                    pass
                small.gate.set()
                assert '"done' in [line async for line in lines if line.startswith("data: {")][-1]


async def test_a_client_that_lost_a_stream_takes_it_up_where_it_was() -> None:
    small = gateway()
    async with listening(small) as http, session_at(http) as session:
        headers = {**session.headers, "accept": "text/event-stream"}
        message = call("steps", progressToken="t")
        async with http.stream("POST", "/mcp", json=message, headers=session.headers) as response:
            events = Events(response)
            await events.next()
        async with http.stream("GET", "/mcp", headers={**headers, "last-event-id": events.last_id}) as response:
            resumed = Events(response)
            small.gate.set()
            live = [await resumed.next(), await resumed.next()]
        again = await http.get("/mcp", headers={**headers, "last-event-id": events.last_id})

    assert live[0]["method"] == "notifications/message"
    assert live[1]["result"]["structuredContent"] == {"text": "finished"}
    assert [line for line in again.text.splitlines() if "finished" in line], "it is sent as often as it is asked for"


async def test_who_listens_again_ends_the_stream_it_had_before() -> None:
    small = gateway()
    async with listening(small) as http, session_at(http) as session:
        headers = {**session.headers, "accept": "text/event-stream"}
        listen = partial(http.stream, "GET", "/mcp", headers=headers)
        async with listen() as first, listen() as second:
            with anyio.fail_after(10):
                await first.aread()
            small.resources.lists_changed()
            assert (await Events(second).next())["method"] == "notifications/tools/list_changed"


async def test_what_changes_while_nobody_listens_is_told_later() -> None:
    small = gateway()
    async with listening(small) as http, session_at(http) as session:
        await session.send("resources/subscribe", {"uri": "example://items/1"})
        small.resources.changed("example://items/1")
        async with http.stream("GET", "/mcp", headers={**session.headers, "accept": "text/event-stream"}) as stream:
            told = await Events(stream).next()

    assert told["params"] == {"uri": "example://items/1"}


async def test_a_session_that_was_ended_is_unknown_and_its_calls_are_stopped() -> None:
    small = gateway()
    async with listening(small) as http, session_at(http) as session, anyio.create_task_group() as tasks:
        answers: list[httpx.Response] = []

        async def wait() -> None:
            answers.append(await http.post("/mcp", json=call("wait"), headers=session.headers))

        tasks.start_soon(wait)
        with anyio.fail_after(10):
            while not small.running:
                await anyio.lowlevel.checkpoint()
        ended = await http.delete("/mcp", headers=session.headers)
        after = await http.post("/mcp", json=call("echo"), headers=session.headers)

    assert (ended.status_code, after.status_code, small.running) == (200, 404, 0)
    assert answers[0].json()["error"]["code"] == -32000


async def test_an_idle_session_is_forgotten_but_not_one_that_listens() -> None:
    small = gateway(http={"session_idle_seconds": 0.5})
    async with listening(small) as http, session_at(http) as listener, session_at(http) as idle:
        headers = {**listener.headers, "accept": "text/event-stream"}
        async with http.stream("GET", "/mcp", headers=headers):
            with anyio.fail_after(10):
                while (await http.post("/mcp", json=call("show"), headers=idle.headers)).status_code != 404:  # noqa: ASYNC110 — a look is a use
                    await anyio.sleep(0.8)
            kept = await http.post("/mcp", json=call("show"), headers=listener.headers)

    assert kept.status_code == 200


async def test_hanging_up_cancels_a_request_without_a_session() -> None:
    small = gateway()
    async with listening(small) as http:
        async with anyio.create_task_group() as tasks:

            async def wait() -> None:
                await http.post("/mcp", **enveloped("wait"))

            tasks.start_soon(wait)
            with anyio.fail_after(10):
                while not small.running:
                    await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(10):
            while small.running:
                await anyio.lowlevel.checkpoint()


async def test_hanging_up_does_not_cancel_a_request_of_a_session() -> None:
    small = gateway()
    async with listening(small) as http, session_at(http) as session:
        async with http.stream("POST", "/mcp", json=call("steps", progressToken=1), headers=session.headers) as stream:
            events = Events(stream)
            await events.next()
        small.gate.set()
        headers = {**session.headers, "accept": "text/event-stream", "last-event-id": events.last_id}
        async with http.stream("GET", "/mcp", headers=headers) as resumed:
            later = Events(resumed)
            assert [await later.next(), await later.next()][1]["result"]


async def test_more_requests_than_may_run_wait_for_their_turn() -> None:
    small = gateway(mcp=McpSection(max_running=2))
    async with listening(small) as http, session_at(http) as session, anyio.create_task_group() as tasks:
        answered: list[int] = []

        async def wait(number: int) -> None:
            response = await http.post("/mcp", json=call("wait", number), headers=session.headers)
            answered.append(response.json()["id"])

        for number in range(5):
            tasks.start_soon(wait, number)
        with anyio.fail_after(10):
            while small.running < 2:
                await anyio.lowlevel.checkpoint()
            ping = await http.post("/mcp", json={"jsonrpc": "2.0", "id": "p", "method": "ping"}, headers=BOTH)
        assert small.running == 2
        small.gate.set()

    assert sorted(answered) == [0, 1, 2, 3, 4]
    assert ping.json()["result"] == {}


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"accept": "application/json"}, 406),
        ("POST", {"accept": "text/event-stream"}, 406),
        ("POST", {"accept": "*/*"}, 200),
        ("POST", {"accept": "application/*;q=0.5, text/*"}, 200),
        ("POST", {"content-type": "text/plain"}, 415),
        ("POST", {"content-type": "application/json; charset=utf-8"}, 200),
        ("POST", {"mcp-session-id": ""}, 404),
        ("POST", {"mcp-session-id": "x"}, 404),
        ("POST", {"mcp-protocol-version": "1999-01-01"}, 400),
        ("GET", {"accept": "application/json"}, 406),
        ("GET", {"mcp-session-id": "x"}, 404),
        ("DELETE", {"mcp-session-id": "x"}, 404),
        ("PUT", {}, 405),
        ("GET", {"mcp-protocol-version": "2026-07-28"}, 405),
    ],
)
async def test_the_rules_of_http(method: str, headers: dict[str, str], status: int) -> None:
    async with listening(gateway()) as http, session_at(http) as session:
        response = await http.request(method, "/mcp", json=call("show"), headers={**session.headers, **headers})

    assert response.status_code == status
    if status != 200:
        assert response.json()["error"]["code"] in {-32600, -32602, -32020, -32022}


async def test_without_a_session_nothing_but_a_handshake_or_ping_is_served() -> None:
    ping, note = {"jsonrpc": "2.0", "id": 1, "method": "ping"}, {"jsonrpc": "2.0", "method": "notifications/x"}
    async with listening(gateway()) as http:
        statuses = [
            (await http.post("/mcp", json=m, headers=BOTH)).status_code for m in (ping, note, [ping], call("show"))
        ]
        listening_without = await http.get("/mcp", headers={"accept": "text/event-stream"})

    assert statuses == [200, 400, 400, 400]
    assert listening_without.status_code == 400


async def test_the_session_id_is_given_once_and_to_those_who_shook_hands() -> None:
    async with listening(gateway()) as http:
        refused = await http.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "initialize"}, headers=BOTH)
        async with session_at(http) as session:
            called = await http.post("/mcp", json=call("show"), headers=session.headers)

    assert "error" in refused.json()
    assert "mcp-session-id" not in refused.headers
    assert "mcp-session-id" not in called.headers
