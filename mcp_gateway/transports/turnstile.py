"""How many requests of one session may be in progress, so that a few sessions cannot keep all others out.

Connections do not bound them: a request is carried out although its sender hangs up, since that cancels nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_gateway.settings import Settings
from mcp_gateway.transports.problem import problem

TOO_MANY = "Too many requests of this session are in progress; wait for their answers."


class Turnstile:
    """Counts the POSTs of all sessions that are in progress.

    A session may have `max_running` and `max_waiting`. While all together have more than there can be connections,
    clients hung up on theirs: then each may have as many as leaves room for all sessions.
    """

    def __init__(self, settings: Settings) -> None:
        self._most_each = settings.mcp.max_running + settings.mcp.max_waiting
        self._many = settings.http.max_connections
        self._few_each = max(1, settings.http.max_connections // settings.http.max_sessions)
        self._all = 0
        self._of_session: Counter[str] = Counter()

    def before(self, app: ASGIApp, session_of: Callable[[Scope], str]) -> ASGIApp:
        """The app, for sessions that have room for one more; others are told to wait.

        Args:
            session_of: The session that a request names; empty when it names none, and is not counted.
        """

        async def passing(scope: Scope, receive: Receive, send: Send) -> None:
            session = session_of(scope) if scope["method"] == "POST" else ""
            if not session:
                await app(scope, receive, send)
            elif self._has_room(session):
                await self._serve(session, app(scope, receive, send))
            else:
                await problem(429, TOO_MANY, headers={"Retry-After": "1"})(scope, receive, send)

        return passing

    def _has_room(self, session: str) -> bool:
        most = self._most_each if self._all < self._many else self._few_each
        return self._of_session[session] < most

    async def _serve(self, session: str, serving: Awaitable[None]) -> None:
        self._all += 1
        self._of_session[session] += 1
        try:
            await serving
        finally:
            self._all -= 1
            self._of_session[session] -= 1
            if not self._of_session[session]:
                del self._of_session[session]


def session_in_header(scope: Scope) -> str:
    """The session that a request of streamable HTTP names, whatever blanks are around it."""
    for name, value in scope["headers"]:
        if name == b"mcp-session-id":
            return bytes(value).strip(b" \t").decode("latin-1")
    return ""
