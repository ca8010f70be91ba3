"""Streamable HTTP at `/mcp`: the SDK's sessions and rules, driving our server."""

from __future__ import annotations

from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager

from mcp_gateway.protocol.server import GatewayServer


def session_manager(server: GatewayServer) -> StreamableHTTPSessionManager:
    """The sessions. Host, Origin and body size are the guard's business; the SDK checks the size once more."""
    http = server.gateway.settings.http
    return StreamableHTTPSessionManager(
        server,
        session_idle_timeout=http.session_idle_seconds,
        max_sessions=http.max_sessions,
        max_request_body_size=http.max_body_bytes,
    )


def endpoint(manager: StreamableHTTPSessionManager) -> StreamableHTTPASGIApp:
    """What serves `/mcp`."""
    return StreamableHTTPASGIApp(manager)
