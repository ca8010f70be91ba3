"""Attacks on streams, sessions and what is kept for them. All of them were found by attacking it."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import httpx
import pytest

from mcp_gateway.api import Call, NoParams, capability
from mcp_gateway.call import LOCAL, ElicitationRequest
from mcp_gateway.capability import Definition
from mcp_gateway.protocol.outbox import Line
from mcp_gateway.protocol.server import GatewayServer
from mcp_gateway.settings import HttpSection, McpSection, Settings
from mcp_gateway.skills import Skill, skill
from mcp_gateway.tests.small_gateway import Said, SmallGateway
from mcp_gateway.tests.test_http import BOTH, Session
from mcp_gateway.tests.test_streamable_http import Events, call, session_at
from mcp_gateway.tests.wire import listening, sse_session
from mcp_gateway.transports import security, sse
from mcp_gateway.transports.responses import accepts
from mcp_gateway.transports.resumption import SentEvents
from mcp_gateway.transports.streamable_http import StreamableHttp

pytestmark = pytest.mark.anyio

PING_SECONDS = 0.2
EVENTS = "text/event-stream"


class Noisy(SmallGateway):
    """With tools that say and ask things."""

    def _tools(self) -> list[Any]:
        more = (self.steps, self.speak, self.ask_much)
        return [*super()._tools(), *(capability(tool.__name__, tool) for tool in more)]

    async def steps(self, params: NoParams, call: Call) -> Said:
        """Report, wait for the gate, and answer."""
        await call.progress(1, 3, "begun")
        self.running += 1
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        return Said(text="finished")

    async def speak(self, params: NoParams, call: Call) -> Said:
        """Log twenty lines."""
        for number in range(20):
            await call.log("info", f"line {number}")
        return Said(text="spoken")

    async def ask_much(self, params: NoParams, call: Call) -> Said:
        """Ask three things at a time."""
        form = {"type": "object", "properties": {}}
        await call.ask({name: ElicitationRequest(f"{name}?", form) for name in "abc"})
        return Said(text="asked")


def noisy(*, mcp: McpSection | None = None, **http: Any) -> SmallGateway:
    return Noisy(Settings(http=HttpSection(port=0, **http), mcp=mcp or McpSection()))


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not holds():
            await anyio.lowlevel.checkpoint()


def raw(http: httpx.AsyncClient, session: Session, message: object) -> bytes:
    body = json.dumps(message).encode()
    fields = {"host": "localhost", **session.headers, "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body


async def connect(http: httpx.AsyncClient) -> anyio.abc.SocketStream:
    return await anyio.connect_tcp(str(http.base_url.host), http.base_url.port or 0)


async def post_and_hang_up(http: httpx.AsyncClient, session: Session, message: object) -> None:
    async with await connect(http) as connection:
        await connection.send(raw(http, session, message))


def resuming(session: Session, event_id: str) -> dict[str, str]:
    return {**session.headers, "accept": EVENTS, "last-event-id": event_id}


async def assert_calls_are_kept_open(small: SmallGateway, http: httpx.AsyncClient) -> None:
    """What is done beside requests still is: for another client, a long call is kept open by comments."""
    small.gate = anyio.Event()
    async with session_at(http) as other:
        with anyio.fail_after(1):
            async with http.stream("POST", "/mcp", json=call("wait"), headers=other.headers) as response:
                async for line in response.aiter_lines():
                    if line.startswith(": "):
                        small.gate.set()


# --- streams that are taken up again


async def test_taking_up_a_stream_that_never_began_harms_no_other_client() -> None:
    small = noisy(sse_ping_seconds=PING_SECONDS)
    async with listening(small) as http, session_at(http) as session:
        await post_and_hang_up(http, session, call("wait"))
        await until(lambda: small.running == 1)
        await anyio.sleep(0.05)
        with anyio.move_on_after(2 * PING_SECONDS):
            await http.get("/mcp", headers=resuming(session, "3/0"))
        small.gate.set()

        await assert_calls_are_kept_open(small, http)


async def test_a_reply_that_was_taken_up_before_it_began_is_sent_there() -> None:
    small = noisy(sse_ping_seconds=5)
    async with listening(small) as http, session_at(http) as session:
        await post_and_hang_up(http, session, call("wait"))
        await until(lambda: small.running == 1)
        await anyio.sleep(0.05)
        async with http.stream("GET", "/mcp", headers=resuming(session, "3/0")) as response:
            small.gate.set()
            with anyio.fail_after(1):
                assert "done" in json.dumps(await Events(response).next())


async def test_a_reply_is_taken_up_although_its_first_response_is_open_and_silent() -> None:
    small = noisy()
    async with listening(small) as http, session_at(http) as session, anyio.create_task_group() as tasks:
        tasks.start_soon(partial(http.post, "/mcp", json=call("wait"), headers=session.headers))
        await until(lambda: small.running == 1)
        async with http.stream("GET", "/mcp", headers=resuming(session, "3/0")) as response:
            small.gate.set()
            assert response.status_code == 200


async def test_an_unread_answer_and_a_notification_behind_it_harm_no_other_client() -> None:
    small = noisy(sse_ping_seconds=PING_SECONDS)
    large = call("echo")
    large["params"]["arguments"] = {"text": "x" * 8, "times": 1_000_000}
    note = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}
    async with listening(small) as http, session_at(http) as session:
        async with await connect(http) as connection:
            await connection.send(raw(http, session, large) + raw(http, session, note))
            read = await connection.receive()
            await anyio.sleep(2 * PING_SECONDS)
            with anyio.fail_after(5):
                while b"HTTP/1.1 202" not in read and EVENTS.encode() not in read:
                    read = read[-100:] + await connection.receive(1 << 20)

        await assert_calls_are_kept_open(small, http)


async def test_a_batch_that_was_withdrawn_after_its_stream_began_ends_properly() -> None:
    small = noisy()
    async with listening(small) as http, session_at(http, "2025-03-26") as session:
        batch = [call("steps", 7, progressToken=1)]
        async with http.stream("POST", "/mcp", json=batch, headers=session.headers) as response:
            events = Events(response)
            await events.next()
            await session.send("notifications/cancelled", {"requestId": 7}, request_id=None)
            with anyio.fail_after(5):
                assert [line async for line in events._lines if line.startswith("data: {")] == []


async def test_what_one_stream_says_does_not_push_out_the_answer_of_another() -> None:
    small = noisy()
    async with listening(small) as http, session_at(http) as session:
        message = call("steps", progressToken=1)
        async with http.stream("POST", "/mcp", json=message, headers=session.headers) as response:
            events = Events(response)
            await events.next()
        small.gate.set()
        await until(lambda: small.running == 0)
        await http.post("/mcp", json=call("speak", 2), headers=session.headers)
        resumed = await http.get("/mcp", headers=resuming(session, events.last_id))

    assert "finished" in resumed.text


async def test_what_is_kept_of_streams_is_bounded_in_bytes() -> None:
    sent = SentEvents()
    for _ in range(100):
        sent.keep("1", bytes(4 << 20))

    assert sum(len(message) for _, _, message in sent._events) <= 16 << 20


async def test_streams_that_were_left_leave_nothing_to_send() -> None:
    small = noisy(sse_ping_seconds=PING_SECONDS)
    async with listening(small) as http, session_at(http) as session:
        headers = {**session.headers, "accept": EVENTS}
        for _ in range(20):
            async with http.stream("GET", "/mcp", headers=headers):
                pass
        await anyio.sleep(2 * PING_SECONDS)
        comments = 0
        async with http.stream("GET", "/mcp", headers=headers) as response:
            with anyio.move_on_after(PING_SECONDS / 2):
                async for line in response.aiter_lines():
                    comments += line.startswith(": ")

    assert comments <= 1


# --- requests that wait, and what they are asked


async def test_a_request_that_waits_for_its_turn_can_be_withdrawn() -> None:
    small = noisy(mcp=McpSection(max_running=1))
    settle = call("settle", 2)
    settle["params"]["arguments"] = {"id": "1", "outcome": "sold"}
    async with listening(small) as http, session_at(http) as session, anyio.create_task_group() as tasks:
        tasks.start_soon(partial(http.post, "/mcp", json=call("wait", 1), headers=session.headers))
        await until(lambda: small.running == 1)
        tasks.start_soon(partial(http.post, "/mcp", json=settle, headers=session.headers))
        await anyio.sleep(0.1)
        await session.send("notifications/cancelled", {"requestId": 2}, request_id=None)
        small.gate.set()

    assert small.settled == []


async def test_who_asks_three_things_makes_room_for_one_request() -> None:
    small = noisy(mcp=McpSection(max_running=1))
    async with listening(small) as http, sse_session(http) as wire, anyio.create_task_group() as tasks:
        await wire.initialize("2025-06-18", {"elicitation": {}})
        await wire.post("tools/call", {"name": "ask_much", "arguments": {}})
        await wire.until_received(4)
        for _ in range(3):
            tasks.start_soon(wire.post, "tools/call", {"name": "wait", "arguments": {}})
        await anyio.sleep(0.1)
        running = small.running
        small.gate.set()

    assert running == 1


async def test_one_client_whose_requests_wait_does_not_lock_the_others_out() -> None:
    small = noisy(mcp=McpSection(max_running=1), max_connections=600)
    async with listening(small) as http, session_at(http) as session:
        for number in range(1250):
            await post_and_hang_up(http, session, call("wait", number))
        await anyio.sleep(0.1)
        healthy = await http.get("/healthz")
        small.gate.set()

    assert healthy.status_code == 200, healthy.text


async def test_an_answer_wakes_one_of_those_who_wait_not_all(monkeypatch: pytest.MonkeyPatch) -> None:
    small, waits = noisy(mcp=McpSection(max_running=1)), 0
    wait = Line.wait

    async def counted(line: Line) -> None:
        nonlocal waits
        waits += 1
        await wait(line)

    monkeypatch.setattr(Line, "wait", counted)
    server = GatewayServer(small)
    transport = StreamableHttp(server)
    async with server.running(), transport.running():
        started = await _exchange(transport, "POST", {}, _initialize())
        session_id = {"mcp-session-id": dict(started["headers"])[b"mcp-session-id"]}
        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(_exchange, transport, "POST", session_id, call("wait", number))
            await until(lambda: small.running == 1)
            small.gate.set()

    assert waits <= 500


# --- what is remembered


@pytest.mark.parametrize(
    "look",
    [
        lambda text: accepts({"accept": ",".join(text[i : i + 4] for i in range(0, len(text), 4))}, "text/html"),
        lambda text: sse.session_in_query({"query_string": f"session_id={text}".encode()}),
        security._name_of,
    ],
    ids=["accept", "session_id", "host"],
)
async def test_headers_of_strangers_are_not_remembered_for_ever(look: Callable[[str], object]) -> None:
    tracemalloc.start()
    try:
        for number in range(40):
            look(f"{number:08}" + "".join(f"{part:04x}" for part in range(3000)))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert held < 256 * 1024, f"{held // 1024} KB of 40 requests"


async def test_who_never_came_back_after_the_handshake_makes_room_for_others() -> None:
    async with listening(noisy(max_sessions=3)) as http:
        statuses = [(await http.post("/mcp", json=_initialize(), headers=BOTH)).status_code for _ in range(4)]

    assert statuses[-1] == 200


async def test_who_leaves_while_joining_is_forgotten() -> None:
    small = noisy()
    server = GatewayServer(small)
    transport = StreamableHttp(server)
    async with server.running(), transport.running():
        started = await _exchange(transport, "POST", {}, _initialize())
        session_id = dict(started["headers"])[b"mcp-session-id"]
        note = [{"jsonrpc": "2.0", "method": "notifications/initialized"}]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_exchange, transport, "POST", {"mcp-session-id": session_id}, note)
            tasks.start_soon(_exchange, transport, "DELETE", {"mcp-session-id": session_id}, None)

    assert not small.resources._uris


def _initialize() -> dict[str, Any]:
    params = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}


async def _exchange(app: StreamableHttp, method: str, headers: dict[str, bytes], message: object) -> dict[str, Any]:
    """One exchange without a network: the start of the response."""
    fields = [(name.encode(), value.encode()) for name, value in BOTH.items()]
    scope: dict[str, Any] = {"type": "http", "method": method, "path": "/mcp", "caller": LOCAL}
    scope["headers"] = [*fields, *((name.encode(), value) for name, value in headers.items())]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(message).encode(), "more_body": False}

    async def send(part: Any) -> None:
        sent.append(part)

    await app(scope, receive, send)
    started: dict[str, Any] = sent[0]
    return started


# --- HTTP


async def test_a_header_may_be_spread_over_lines() -> None:
    small = noisy()
    async with listening(small) as http, session_at(http) as session, await connect(http) as connection:
        whole = raw(http, session, call("show"))
        spread = whole.replace(
            b"accept: application/json, text/event-stream",
            b"accept: application/json\r\naccept: text/event-stream",
        )
        assert spread != whole
        await connection.send(spread)
        assert b" 200 " in (await connection.receive())[:20]


async def test_a_type_of_quality_nought_is_not_accepted() -> None:
    assert not accepts({"accept": "application/json, text/event-stream;q=0"}, EVENTS)


async def test_a_get_with_too_long_a_body_is_no_failure_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    small = noisy(max_body_bytes=2048)
    async with listening(small) as http, session_at(http) as session, await connect(http) as connection:
        fields = f"host: localhost\r\naccept: {EVENTS}\r\nmcp-session-id: {session.headers['mcp-session-id']}"
        await connection.send(f"GET /mcp HTTP/1.1\r\n{fields}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        await connection.receive()
        await connection.send(b"fa0\r\n" + b"x" * 4000 + b"\r\n")
        with anyio.fail_after(5), suppress(anyio.EndOfStream):
            while await connection.receive():
                pass

    assert [r for r in caplog.records if r.levelname == "ERROR" and r.name.startswith("mcp_gateway")] == []


# --- skills


def written(folder: Path, head: str) -> Path:
    folder.mkdir()
    (folder / "SKILL.md").write_text(f"---\nname: {folder.name}\ndescription: Something.\n{head}\n---\nText\n")
    return folder


@pytest.mark.parametrize("head", ["x: !!binary aGk=", "x: &x [*x]", "x: !!set {a, b}", "x: 2024-99-99"])
async def test_a_head_that_cannot_be_listed_is_no_skill(tmp_path: Path, head: str) -> None:
    with pytest.raises(Definition):
        skill(written(tmp_path / "hostile", head))


async def test_a_head_that_grows_when_it_is_listed_is_no_skill(tmp_path: Path) -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 5)]
    with pytest.raises(Definition):
        skill(written(tmp_path / "bomb", "\n".join(lines)))


async def test_no_file_outside_a_skill_is_published(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("hunter2")
    folder = written(tmp_path / "linked", "a: b")
    (folder / "notes.md").symlink_to(tmp_path / "secret.txt")
    try:
        found: Skill | None = skill(folder)
    except Definition:
        found = None

    assert found is None or b"hunter2" not in found.files.values()


async def test_a_large_file_is_not_read_before_it_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "large", "a: b")
    with (folder / "large.bin").open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(Definition):
            skill(folder)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 32 << 20


@pytest.mark.parametrize("uri", ["skill:", "skill://", "skill:/"])
async def test_what_names_no_folder_has_no_children(tmp_path: Path, uri: str) -> None:
    assert skill(written(tmp_path / "plain", "a: b")).directory(uri) is None
