"""Streamable HTTP at `/mcp`: every message a POST, answered with JSON or, when something precedes the answer, events.

Ours on the SDK's rules, instead of its transport: that one knows no batches, mixes up requests of one id, takes those
of an impossible id for notifications, and costs eight tasks a request.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import anyio
from anyio.abc import TaskGroup
from starlette.types import Receive, Scope, Send

from mcp_gateway.errors import Forbidden, translation
from mcp_gateway.protocol.conversation import has_envelope
from mcp_gateway.protocol.encoding import encode
from mcp_gateway.protocol.messages import INTERNAL_ERROR, Parsed, Refusal, Request
from mcp_gateway.protocol.outbox import Shared
from mcp_gateway.protocol.server import GatewayServer
from mcp_gateway.protocol.versions import REVISIONS
from mcp_gateway.transports.access import caller_of, refusal
from mcp_gateway.transports.framing import parse
from mcp_gateway.transports.http_sessions import HttpSession
from mcp_gateway.transports.responses import EVENTS, JSON, Headers, accepts, body_of, refuse, respond
from mcp_gateway.transports.single_exchange import SingleExchange

log = logging.getLogger(__name__)

FINISH_SECONDS = 1.0
MAX_PAUSE_SECONDS = 30.0
MISSING_SESSION = "Initialize first, and send the Mcp-Session-Id that the answer has"
UNKNOWN_SESSION = "There is no such session, or no longer; initialize again"


class StreamableHttp:
    """All that is served at `/mcp`. Use it within `running()`."""

    def __init__(self, server: GatewayServer) -> None:
        self._server = server
        self._limits = server.gateway.settings.http
        self._sessions: dict[str, HttpSession] = {}
        self._closing = False
        self._kept = Shared(server.gateway.settings.mcp.max_waiting_bytes)
        self._tasks: TaskGroup
        self._single = SingleExchange(server, self._spawn)

    @property
    def session_count(self) -> int:
        """Sessions that are open."""
        return len(self._sessions)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold what outlives a request; leave out sessions that are idle for long."""
        async with anyio.create_task_group() as self._tasks:
            self._tasks.start_soon(self._expire)
            yield
            self._tasks.cancel_scope.cancel()

    def close(self) -> None:
        """End all sessions: what runs is given a moment, and the streams end properly."""
        self._closing = True
        for session in list(self._sessions.values()):
            self._tasks.start_soon(self._end, session, FINISH_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        headers, method = _headers(scope), scope["method"]
        if method == "POST":
            await self._post(headers, scope, receive, send)
        elif method in {"GET", "DELETE"} and _is_of_handshakes(headers):
            await self._in_session(headers, scope, receive, send)
        else:
            allowed = b"POST, GET, DELETE" if _is_of_handshakes(headers) else b"POST"
            await refuse(send, 405, "Method not allowed", headers=[(b"allow", allowed)])

    async def _post(self, headers: Headers, scope: Scope, receive: Receive, send: Send) -> None:
        if not (accepts(headers, JSON) and accepts(headers, EVENTS)):
            await refuse(send, 406, f"The client must accept both {JSON} and {EVENTS}")
        elif headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
            await refuse(send, 415, f"Messages are sent as {JSON}")
        else:
            parsed = parse(await body_of(receive), caller_of(scope))
            await self._take(parsed, headers, scope, receive, send)

    async def _take(self, parsed: Parsed, headers: Headers, scope: Scope, receive: Receive, send: Send) -> None:
        session_id = headers.get("mcp-session-id")
        forbidden = self._server.forbidden(parsed)
        if forbidden is not None:
            await _forbid(send, parsed, refusal(self._server.gateway, scope, forbidden))
        elif not _is_of_handshakes(headers):
            await self._single.serve(parsed, headers, scope, receive, send)
        elif session_id is None:
            await self._take_without_session(parsed, headers, scope, receive, send)
        elif (session := self._session(session_id, scope)) is None:
            await refuse(send, 404, UNKNOWN_SESSION)
        else:
            await session.serve(parsed, send, self._spawn)

    async def _take_without_session(
        self, parsed: Parsed, headers: Headers, scope: Scope, receive: Receive, send: Send
    ) -> None:
        match parsed:
            case Request(method="initialize"):
                await self._open(parsed, caller_of(scope).id, send)
            case Request(method="ping"):
                await respond(send, encode({"jsonrpc": "2.0", "id": parsed.id, "result": {}}))
            case Request() if has_envelope(parsed.params):
                await self._single.serve(parsed, headers, scope, receive, send)
            case Refusal():
                await refuse(send, 400, parsed.message, parsed.code, parsed.id)
            case _:
                request_id = parsed.id if isinstance(parsed, Request) else None
                await refuse(send, 400, MISSING_SESSION, request_id=request_id)

    async def _open(self, request: Request, owner: str, send: Send) -> None:
        if self.session_count >= self._limits.max_sessions:
            await self._end_the_most_idle()
        if self._closing or self.session_count >= self._limits.max_sessions:
            log.warning("a client was refused: too many sessions are open", extra={"sessions": self.session_count})
            await refuse(send, 503, "Too many open sessions", INTERNAL_ERROR, request.id, [(b"retry-after", b"30")])
            return
        session = HttpSession(self._server, self._kept, owner)
        self._sessions[session.id] = session
        if not await session.open(request, send):
            del self._sessions[session.id]

    def _session(self, session_id: str, scope: Scope) -> HttpSession | None:
        """The caller's session; those of others are not told from none."""
        session = self._sessions.get(session_id)
        return session if session is not None and session.owner == caller_of(scope).id else None

    async def _in_session(self, headers: Headers, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve GET, which listens, and DELETE, which ends the session."""
        session = self._session(headers.get("mcp-session-id", ""), scope)
        if "mcp-session-id" not in headers:
            await refuse(send, 400, MISSING_SESSION)
        elif session is None:
            await refuse(send, 404, UNKNOWN_SESSION)
        elif scope["method"] == "DELETE":
            await self._end(session, 0)
            await respond(send, None)
        elif not accepts(headers, EVENTS):
            await refuse(send, 406, f"The client must accept {EVENTS}")
        else:
            with session.used():
                await session.listen(headers.get("last-event-id"), receive, send)

    async def _end_the_most_idle(self) -> None:
        """Make room: who left without a word must not lock others out until their session expires."""
        idle = [session for session in self._sessions.values() if session.is_idle]
        if idle:
            await self._end(min(idle, key=lambda session: session.idle_since), 0)

    async def _end(self, session: HttpSession, seconds: float) -> None:
        self._sessions.pop(session.id, None)
        await session.end(seconds)

    async def _expire(self) -> None:
        pause = min(self._limits.session_idle_seconds / 4, MAX_PAUSE_SECONDS)
        while True:
            await anyio.sleep(pause)
            oldest = monotonic() - self._limits.session_idle_seconds
            for session in list(self._sessions.values()):
                if session.is_idle and session.idle_since < oldest:
                    await self._end(session, 0)

    def _spawn(self, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._tasks.start_soon(_contained, job)


async def _forbid(send: Send, parsed: Parsed, error: Forbidden) -> None:
    request_id = parsed.id if isinstance(parsed, Request) else None
    headers = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    code = translation(error).jsonrpc_code
    await refuse(send, 403, error.message, code, request_id, headers, data=error.payload())


async def _contained(job: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        await job()
    except Exception:  # of one client; the others' must go on
        log.exception("what is done beside a request failed")


def _headers(scope: Scope) -> Headers:
    """The headers by name: those that come again put together, and without the blanks around them (RFC 9110)."""
    fields = [(name.decode("latin-1"), value.decode("latin-1").strip(" \t")) for name, value in scope["headers"]]
    found = dict(fields)
    if len(found) == len(fields):
        return found
    together: dict[str, str] = {}
    for name, value in fields:
        together[name] = f"{together[name]}, {value}" if name in together else value
    return together


def _is_of_handshakes(headers: Headers) -> bool:
    version = headers.get("mcp-protocol-version")
    return version is None or (version in REVISIONS and not REVISIONS[version].per_request)
