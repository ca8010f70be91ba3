"""Who serves a client: the era of handshakes remembers it, the later one finds all it needs in each request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.connection import Connection, NotifyOnlyOutbound
from mcp.server.runner import aclose_shielded
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import InboundLadderRejection, classify_inbound_request
from mcp_types import INVALID_REQUEST, PROTOCOL_VERSION_META_KEY, UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import LATEST_MODERN_VERSION, MODERN_PROTOCOL_VERSIONS

from mcp_gateway.protocol.dispatcher import Dispatcher, Params, RequestContext
from mcp_gateway.protocol.duplex import Duplex
from mcp_gateway.protocol.outbox import Outbox
from mcp_gateway.protocol.server import GatewayServer


class Handshake:
    """A client that shook hands, or is about to. Implements `dispatcher.Handlers`."""

    def __init__(self, server: GatewayServer, dispatcher: Dispatcher, session_id: str | None = None) -> None:
        self.connection = Connection.for_loop(dispatcher, session_id=session_id)
        self._server = server

    async def on_request(self, context: RequestContext, method: str, params: Params) -> dict[str, Any]:
        """Serve a request of the session."""
        if method != "initialize" and has_envelope(params):
            raise MCPError(INVALID_REQUEST, "This connection began with a handshake; send requests without envelope")
        return await self._server.answer(context, self.connection, method, params)

    async def on_notify(self, context: RequestContext, method: str, params: Params) -> None:
        """Take note of something in the session."""
        await self._server.take_note(context, self.connection, method, params)

    async def close(self) -> None:
        """The client is gone: forget what it subscribed to."""
        await aclose_shielded(self.connection)


@asynccontextmanager
async def conversation(
    server: GatewayServer, outbox: Outbox, *, kind: str, session_id: str | None = None
) -> AsyncIterator[Duplex]:
    """Serve the client of a duplex pipe as long as the block is open.

    The transport feeds `Duplex.receive` and empties the outbox.
    """
    limits = server.gateway.settings.mcp
    dispatcher = Duplex(outbox, kind=kind, max_running=limits.max_running, ask_seconds=limits.ask_seconds)
    eras = _Eras(server, dispatcher, session_id)
    try:
        async with dispatcher.serving(eras):
            yield dispatcher
    finally:
        await eras.handshake.close()


class _Eras:
    """Implements `dispatcher.Handlers`. The first request decides; a later one of the other era is refused."""

    def __init__(self, server: GatewayServer, dispatcher: Dispatcher, session_id: str | None) -> None:
        self.handshake = Handshake(server, dispatcher, session_id)
        self._server = server
        self._notify_only = NotifyOnlyOutbound(dispatcher)
        self._per_request: bool | None = None

    async def on_request(self, context: RequestContext, method: str, params: Params) -> dict[str, Any]:
        if self._per_request is None:
            self._per_request = method != "initialize" and has_envelope(params)
        if self._per_request:
            return await self._serve_envelope(context.one_way(), method, params)
        return await self.handshake.on_request(context, method, params)

    async def on_notify(self, context: RequestContext, method: str, params: Params) -> None:
        if not self._per_request:
            await self.handshake.on_notify(context, method, params)
            return
        connection = Connection.from_envelope(LATEST_MODERN_VERSION, None, None, outbound=self._notify_only)
        await self._server.take_note(context.one_way(), connection, method, params)

    async def _serve_envelope(self, context: RequestContext, method: str, params: Params) -> dict[str, Any]:
        if method == "initialize":
            raise _handshake_refused(params)
        route = classify_inbound_request({"method": method, "params": params})
        if isinstance(route, InboundLadderRejection):
            raise MCPError(route.code, route.message, route.data)
        connection = Connection.from_envelope(
            route.protocol_version, route.client_info, route.client_capabilities, outbound=self._notify_only
        )
        return await self._server.answer(context, connection, method, params)


def has_envelope(params: Params) -> bool:
    """Whether a request carries its own protocol version: one of the era without handshakes."""
    meta = (params or {}).get("_meta")
    return isinstance(meta, dict) and PROTOCOL_VERSION_META_KEY in meta


def _handshake_refused(params: Params) -> MCPError:
    data: dict[str, Any] = {"supported": list(MODERN_PROTOCOL_VERSIONS)}
    requested = (params or {}).get("protocolVersion")
    if isinstance(requested, str):
        data["requested"] = requested
    return MCPError(UNSUPPORTED_PROTOCOL_VERSION, "This connection is served without a handshake", data)
