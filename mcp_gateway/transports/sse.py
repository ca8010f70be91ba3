"""HTTP with SSE, the transport of 2024-11-05: `GET /sse` is the stream, `POST /messages?session_id=` takes messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from secrets import token_urlsafe
from urllib.parse import quote

import anyio
from anyio.abc import TaskGroup
from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mcp_gateway.protocol.conversation import conversation
from mcp_gateway.protocol.duplex import Duplex
from mcp_gateway.protocol.messages import PARSE_ERROR, REQUEST_TIMEOUT, Parsed, Refusal, Request, RpcError
from mcp_gateway.protocol.outbox import Outbox, Shared
from mcp_gateway.protocol.server import GatewayServer
from mcp_gateway.transports.access import caller_of, refusal
from mcp_gateway.transports.event_stream import event, stream
from mcp_gateway.transports.framing import parse
from mcp_gateway.transports.problem import problem, problem_of
from mcp_gateway.transports.responses import REMEMBERED_CHARS, body_of

log = logging.getLogger(__name__)

FINISH_SECONDS = 1.0
MISSED_PINGS = 2


@dataclass(frozen=True, slots=True)
class _Session:
    """A conversation, and the id of whoever opened it."""

    duplex: Duplex
    owner: str


class SseTransport:
    """All SSE sessions of one process. Use it within `running()`."""

    def __init__(self, server: GatewayServer, *, messages_path: str = "/messages") -> None:
        self._server = server
        self._messages_path = messages_path
        self._sessions: dict[str, _Session] = {}
        self._shared = Shared(server.gateway.settings.mcp.max_waiting_bytes)
        self._closing = False
        self._tasks: TaskGroup

    @property
    def session_count(self) -> int:
        """Streams that are open."""
        return len(self._sessions)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold what is done beside the streams."""
        async with anyio.create_task_group() as self._tasks:
            yield
            self._tasks.cancel_scope.cancel()

    def close(self) -> None:
        """End all streams: what runs is given a moment, and the streams end properly."""
        self._closing = True
        for session in self._sessions.values():
            self._tasks.start_soon(_end, session.duplex)

    async def stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET /sse`: open a session and stream to it until either side has had enough."""
        if scope["method"] != "GET":
            await problem(405, "Open the stream with GET.", headers={"Allow": "GET"})(scope, receive, send)
        elif self.session_count >= self._server.gateway.settings.http.max_sessions or self._closing:
            await problem(503, "Too many open sessions.", headers={"Retry-After": "30"})(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def post(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST /messages?session_id=`: take a message; its answer comes on the stream."""
        found = await self._read(scope, receive)
        if isinstance(found, Response):
            await found(scope, receive, send)
            return
        session, parsed = found
        await _take(session, parsed, scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        session_id = token_urlsafe(32)
        outbox = Outbox(shared=self._shared)
        async with conversation(self._server, outbox, kind="sse", session_id=session_id) as session:
            self._sessions[session_id] = _Session(session, caller_of(scope).id)
            try:
                with self._pinged(session):
                    await self._stream(outbox, receive, send, self._endpoint(scope, session_id))
            finally:
                del self._sessions[session_id]
                outbox.close()

    async def _stream(self, outbox: Outbox, receive: Receive, send: Send, endpoint: str) -> None:
        settings = self._server.gateway.settings
        await stream(
            outbox,
            receive,
            send,
            first=b"event: endpoint\r\ndata: " + endpoint.encode() + b"\r\n\r\n",
            show=event,
            ping_seconds=settings.http.sse_ping_seconds,
            slow_reader_seconds=settings.mcp.slow_reader_seconds,
        )

    @contextmanager
    def _pinged(self, session: Duplex) -> Iterator[None]:
        """Ping the client while the block runs, and close its stream when it answers no longer."""
        limits = self._server.gateway.settings.mcp
        later = asyncio.get_running_loop().call_later  # not a task that sleeps: there may be ten thousand
        missed, timer = 0, None

        async def ping() -> None:
            nonlocal missed, timer
            try:
                await session.send_raw_request("ping", None, {"timeout": limits.ask_seconds})
                missed = 0
            except RpcError as error:
                missed = missed + 1 if error.code == REQUEST_TIMEOUT else 0
            if session.outbox.closed:
                return
            if missed < MISSED_PINGS:
                timer = later(limits.ping_seconds, self._tasks.start_soon, ping)
            else:
                log.warning("a client answers no pings, its stream was closed")
                session.outbox.close()

        timer = later(limits.ping_seconds, self._tasks.start_soon, ping)
        try:
            yield
        finally:
            timer.cancel()

    async def _read(self, scope: Scope, receive: Receive) -> tuple[Duplex, Parsed] | Response:
        """For which session a message is, and the message; or why it is refused."""
        if scope["method"] != "POST":
            return problem(405, "Send messages with POST.", headers={"Allow": "POST"})
        content_type = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        if content_type.partition(b";")[0].strip().lower() != b"application/json":
            return problem(415, "Messages are sent as application/json.")
        session_id = session_in_query(scope)
        caller = caller_of(scope)
        if session_id not in self._sessions or self._sessions[session_id].owner != caller.id:
            return problem(404, "There is no such session. Open a stream at /sse and post to the URI it names.")
        parsed = parse(await body_of(receive), caller)
        if (forbidden := self._server.forbidden(parsed)) is not None:
            return problem_of(refusal(self._server.gateway, scope, forbidden))
        session = self._sessions.get(session_id)
        return problem(404, "The session has ended.") if session is None else (session.duplex, parsed)

    def _endpoint(self, scope: Scope, session_id: str) -> str:
        return f"{quote(scope.get('root_path', ''))}{self._messages_path}?session_id={session_id}"


async def _take(session: Duplex, parsed: Parsed, scope: Scope, receive: Receive, send: Send) -> None:
    """Accept a message as soon as the session takes it, and serve it."""
    if isinstance(parsed, Request):
        await session.serve_here(parsed, partial(_accept, send))
        return
    await session.receive(parsed)
    if isinstance(parsed, Refusal) and parsed.code == PARSE_ERROR:
        await problem(400, parsed.message)(scope, receive, send)
    else:
        await _accept(send)


async def _end(session: Duplex) -> None:
    await session.finish(FINISH_SECONDS)
    with anyio.move_on_after(FINISH_SECONDS):
        await session.outbox.drained()
    session.outbox.close()


def session_in_query(scope: Scope) -> str:
    """The session that the URI of a message names."""
    query: bytes = scope["query_string"]
    return _known_id(query) if len(query) <= REMEMBERED_CHARS else ""


@lru_cache(maxsize=1024)  # the same for every message of a session
def _known_id(query: bytes) -> str:
    return QueryParams(query).get("session_id", "")


async def _accept(send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"8")]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": b"Accepted"})
