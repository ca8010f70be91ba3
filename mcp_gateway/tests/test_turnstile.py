"""How many requests of one session may be in progress, alone and when there are many of all sessions."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from starlette.types import Receive, Scope, Send

from mcp_gateway.settings import HttpSection, McpSection, Settings
from mcp_gateway.tests.small_gateway import SmallGateway
from mcp_gateway.tests.test_http import Session
from mcp_gateway.tests.wire import listening
from mcp_gateway.transports.turnstile import Turnstile, session_in_header

pytestmark = pytest.mark.anyio

WAIT = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "wait", "arguments": {}}}


def limits(*, each: int, connections: int = 12_000, sessions: int = 10_000) -> Settings:
    http = HttpSection(port=0, max_connections=connections, max_sessions=sessions)
    return Settings(http=http, mcp=McpSection(max_running=1, max_waiting=each - 1))


class Slow:
    """An app behind a turnstile whose requests go on until they are let go; and what was refused."""

    def __init__(self, settings: Settings) -> None:
        self._app = Turnstile(settings).before(self._serve, session_in_header)
        self._gates: dict[str, list[anyio.Event]] = {}
        self._tasks: Any = None

    async def __aenter__(self) -> Slow:
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(self, *failure: Any) -> None:
        for session in list(self._gates):
            await self.let_go(session)
        await self._tasks.__aexit__(*failure)

    async def admits(self, session: str, method: str = "POST") -> bool:
        """Whether one more request begins, which then goes on."""
        headers = [(b"mcp-session-id", session.encode())] if session else []
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        before = self._in_progress
        self._tasks.start_soon(self._app, {"type": "http", "method": method, "headers": headers}, receive, send)
        await anyio.wait_all_tasks_blocked()
        assert sent == [] or (sent[0]["status"], dict(sent[0]["headers"])[b"retry-after"]) == (429, b"1")
        return self._in_progress > before

    async def let_go(self, session: str) -> None:
        """All requests of a session end."""
        for gate in self._gates.pop(session, []):
            gate.set()
        await anyio.wait_all_tasks_blocked()

    @property
    def _in_progress(self) -> int:
        return sum(len(gates) for gates in self._gates.values())

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        gate = anyio.Event()
        self._gates.setdefault(session_in_header(scope), []).append(gate)
        await gate.wait()


async def test_a_session_has_so_many_requests_in_progress_and_no_more() -> None:
    async with Slow(limits(each=2)) as slow:
        assert [await slow.admits("a") for _ in range(3)] == [True, True, False]
        assert await slow.admits("b")
        await slow.let_go("a")

        assert [await slow.admits("a") for _ in range(3)] == [True, True, False]


async def test_blanks_around_its_id_make_no_other_session() -> None:
    async with Slow(limits(each=1)) as slow:
        assert await slow.admits("a")

        assert not await slow.admits(" a\t")


async def test_streams_and_requests_without_session_are_not_counted() -> None:
    async with Slow(limits(each=1, connections=2, sessions=2)) as slow:
        assert all([await slow.admits("a", method="GET") for _ in range(3)])
        assert all([await slow.admits("") for _ in range(3)])

        assert await slow.admits("a")


async def test_while_there_are_more_than_connections_each_session_may_have_few() -> None:
    async with Slow(limits(each=4, connections=6, sessions=3)) as slow:
        assert all([await slow.admits("a") for _ in range(4)])
        assert all([await slow.admits("b") for _ in range(2)])

        assert not await slow.admits("a")
        assert [await slow.admits("c") for _ in range(3)] == [True, True, False]
        await slow.let_go("a")
        assert [await slow.admits("c") for _ in range(3)] == [True, True, False]


async def test_sessions_whose_clients_hang_up_on_their_requests_lock_nobody_out() -> None:
    """What was asked goes on, without a connection that would be counted."""
    settings = Settings(
        http=HttpSection(port=0, max_connections=8, max_sessions=8), mcp=McpSection(max_running=4, max_waiting=0)
    )
    small = SmallGateway(settings)
    async with listening(small) as http:
        refused = [
            await hang_up(http, small, session, number) for session in await sessions(http, 5) for number in range(4)
        ]
        (other,) = await sessions(http, 1)
        health = await http.get("/healthz")
        answer = await http.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers=other.headers)
        small.gate.set()

    assert refused == [False] * 8 + [False, True, True, True] * 3
    assert health.status_code == answer.status_code == 200


async def sessions(http: httpx.AsyncClient, count: int) -> list[Session]:
    opened = [Session(http, "2025-11-25") for _ in range(count)]
    for session in opened:
        await session.initialize()
    return opened


async def hang_up(http: httpx.AsyncClient, small: SmallGateway, session: Session, number: int) -> bool:
    """Call a tool, and leave as soon as it runs. Whether that was refused."""
    before, refused = small.running, False
    async with anyio.create_task_group() as tasks:

        async def call() -> None:
            nonlocal refused
            response = await http.post("/mcp", json={**WAIT, "id": number}, headers=session.headers)
            refused = response.status_code == 429
            tasks.cancel_scope.cancel()

        tasks.start_soon(call)
        with anyio.fail_after(10):
            while small.running == before:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    return refused
