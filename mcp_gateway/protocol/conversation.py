"""Who serves a client: the era of handshakes remembers it, the later one finds all it needs in each request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp_gateway.protocol.connection import Connection, Outbound
from mcp_gateway.protocol.context import Params, RequestContext
from mcp_gateway.protocol.dispatcher import Dispatcher
from mcp_gateway.protocol.duplex import Duplex
from mcp_gateway.protocol.messages import INVALID_REQUEST, UNSUPPORTED_PROTOCOL_VERSION, RpcError
from mcp_gateway.protocol.outbox import Outbox
from mcp_gateway.protocol.server import GatewayServer
from mcp_gateway.protocol.versions import PROTOCOL_VERSION_KEY, REVISIONS


class Handshake:
    """A client that shook hands, or is about to. Implements `dispatcher.Handlers`."""

    def __init__(self, server: GatewayServer, dispatcher: Dispatcher, session_id: str | None = None) -> None:
        self.connection = Connection(dispatcher, session_id=session_id)
        self._server = server

    async def on_request(self, context: RequestContext, method: str, params: Params) -> dict[str, Any]:
        """Serve a request of the session."""
        if method != "initialize" and has_envelope(params):
            raise RpcError(INVALID_REQUEST, "This connection began with a handshake; send requests without envelope")
        return await self._server.answer(context, self.connection, method, params)

    async def on_notify(self, context: RequestContext, method: str, params: Params) -> None:
        """Take note of something in the session."""
        await self._server.take_note(context, self.connection, method, params)

    async def close(self) -> None:
        """The client is gone: forget what it subscribed to."""
        await self.connection.close()


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
        # Without sessions a notification belongs to nothing that lasts.

    async def _serve_envelope(self, context: RequestContext, method: str, params: Params) -> dict[str, Any]:
        if method == "initialize":
            raise _handshake_refused(params)
        from mcp.shared.inbound import InboundLadderRejection, classify_inbound_request  # see GatewayServer.modern

        route = classify_inbound_request({"method": method, "params": params})
        if isinstance(route, InboundLadderRejection):
            raise RpcError(route.code, route.message, route.data)
        connection = enveloped(route, self.handshake.connection.outbound)
        return await self._server.answer(context, connection, method, params)


def enveloped(route: Any, outbound: Outbound | None = None) -> Connection:
    """The connection that a request brings with it, as the SDK has read it."""
    declared = route.client_capabilities if isinstance(route.client_capabilities, dict) else None
    return Connection(
        outbound,
        protocol_version=route.protocol_version,
        client_capabilities=declared,
        client_info=route.client_info,
    )


def has_envelope(params: Params) -> bool:
    """Whether a request carries its own protocol version: one of the era without handshakes."""
    meta = (params or {}).get("_meta")
    return isinstance(meta, dict) and PROTOCOL_VERSION_KEY in meta


def _handshake_refused(params: Params) -> RpcError:
    data: dict[str, Any] = {"supported": [name for name, revision in REVISIONS.items() if revision.per_request]}
    requested = (params or {}).get("protocolVersion")
    if isinstance(requested, str):
        data["requested"] = requested
    return RpcError(UNSUPPORTED_PROTOCOL_VERSION, "This connection is served without a handshake", data)
