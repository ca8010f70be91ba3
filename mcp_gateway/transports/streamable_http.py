"""Streamable HTTP at `/mcp`: the SDK's sessions and rules, driving our server."""

from __future__ import annotations

from mcp.server.streamable_http import EventStore
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_gateway.protocol.server import GatewayServer
from mcp_gateway.transports.resumption import SentEvents

# How long a client waits before it takes up a stream again.
RETRY_MS = 500


class SessionManager(StreamableHTTPSessionManager):
    """The SDK's, with a memory of what was sent for each session instead of one for all."""

    @property
    def event_store(self) -> EventStore:
        """A new one each time: the SDK asks for it when it opens a session."""
        return SentEvents()

    @event_store.setter
    def event_store(self, _: EventStore | None) -> None:
        """The SDK sets it, to none."""


def session_manager(server: GatewayServer) -> StreamableHTTPSessionManager:
    """The sessions. Host, Origin and body size are the guard's business; the SDK checks the size once more."""
    http = server.gateway.settings.http
    return SessionManager(
        server,
        session_idle_timeout=http.session_idle_seconds,
        max_sessions=http.max_sessions,
        max_request_body_size=http.max_body_bytes,
        retry_interval=RETRY_MS,
    )


def endpoint(manager: StreamableHTTPSessionManager) -> ASGIApp:
    """What serves `/mcp`."""
    return _Trimmed(StreamableHTTPASGIApp(manager))


class _Trimmed:
    """Takes blanks off the ends of the protocol's header values: no part of them (RFC 9110, 5.5), but uvicorn keeps
    them and the SDK compares."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope["headers"]
        if any(name[:4] == b"mcp-" and value.strip() != value for name, value in headers):
            scope = {**scope, "headers": [(name, value.strip(b" \t")) for name, value in headers]}
        await self._app(scope, receive, send)
