"""Streamable HTTP since 2026-07-28: a request brings all that is needed to serve it, and nothing is left after it.

The headers have to say what the message says, so that what stands between client and server may go by them. A client
cancels a request by hanging up.
"""

from __future__ import annotations

import anyio
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    InboundLadderRejection,
    InboundModernRoute,
    classify_inbound_request,
    find_duplicated_routing_header,
    unsupported_protocol_version_rejection,
    validate_mcp_param_headers,
)
from mcp_types import HEADER_MISMATCH
from starlette.datastructures import Headers as RawHeaders
from starlette.types import Receive, Scope, Send

from mcp_gateway.protocol.context import RequestContext, TransportContext, error_answer
from mcp_gateway.protocol.conversation import enveloped
from mcp_gateway.protocol.dispatcher import answer_to
from mcp_gateway.protocol.encoding import encode
from mcp_gateway.protocol.messages import Notification, Parsed, Refusal, Request, RequestId
from mcp_gateway.protocol.server import GatewayServer
from mcp_gateway.transports.event_stream import until_gone
from mcp_gateway.transports.reply import Attendant, Reply, Spawn
from mcp_gateway.transports.responses import Headers, refuse, respond

# Until then a client that hangs up is not noticed; most requests are over before.
WATCH_SECONDS = 0.05
Route = InboundModernRoute | InboundLadderRejection
_TRANSPORT = TransportContext(kind="streamable-http", can_send_request=False)


class SingleExchange:
    """Serves requests without sessions.

    Args:
        spawn: Runs a task beside a request.
    """

    def __init__(self, server: GatewayServer, spawn: Spawn) -> None:
        self._server = server
        self._spawn = spawn
        self._limits = server.gateway.settings

    async def serve(self, parsed: Parsed, headers: Headers, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what a POST brought: a request, or a notification, which is accepted and changes nothing.

        Args:
            headers: By name.
        """
        match parsed:
            case Request():
                route = self._route(parsed, headers, scope)
                await self._serve(parsed, route, headers, receive, send)
            case Notification() | None:
                rejection = unsupported_protocol_version_rejection(headers.get("mcp-protocol-version", ""))
                await (respond(send, None, 202) if rejection is None else _reject(send, rejection, None))
            case Refusal(request_id, code, message):
                await refuse(send, 400, message, code, request_id)
            case _:
                await refuse(send, 400, "A request or a notification is expected, one at a time")

    async def _serve(self, request: Request, route: Route, headers: Headers, receive: Receive, send: Send) -> None:
        if isinstance(route, InboundLadderRejection):
            await _reject(send, route, request.id)
            return
        work = anyio.CancelScope()
        reply = Reply(send, slow_reader_seconds=self._limits.mcp.slow_reader_seconds, on_lost=work.cancel)

        async def watch() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(until_gone, receive, work.cancel)
                await anyio.sleep(self._limits.http.sse_ping_seconds)
                await reply.keep_open(self._limits.http.sse_ping_seconds)

        attendant = Attendant(WATCH_SECONDS, watch, self._spawn)
        try:
            with work:
                answer, code = await self._answer(request, route, headers, reply)
                await reply.end(answer, 200 if code is None else ERROR_CODE_HTTP_STATUS.get(code, 200))
        finally:
            attendant.leave()

    async def _answer(
        self, request: Request, route: InboundModernRoute, headers: Headers, reply: Reply
    ) -> tuple[bytes, int | None]:
        context = RequestContext(_TRANSPORT, reply, request.id, caller=request.caller, headers=headers)
        connection = enveloped(route)
        try:
            result = self._server.answer(context, connection, request.method, request.params)
            return await answer_to(request, result)
        finally:
            context.close()

    def _route(self, request: Request, headers: Headers, scope: Scope) -> Route:
        """Who asks, and in which revision; or why it is not served, by the SDK's rules."""
        duplicated = _duplicated(headers, scope)
        if duplicated is not None:
            return InboundLadderRejection(HEADER_MISMATCH, f"{duplicated} header appears more than once")
        route = classify_inbound_request({"method": request.method, "params": request.params}, headers=headers)
        if isinstance(route, InboundLadderRejection) or request.method != "tools/call":
            return route
        params = request.params or {}
        schema = self._server.schema_with_headers(params.get("name"))
        arguments = params.get("arguments") or {}
        if schema is None or not isinstance(arguments, dict):
            return route
        return validate_mcp_param_headers(schema, arguments, _raw(scope)) or route


def _duplicated(headers: Headers, scope: Scope) -> str | None:
    if len(headers) == len(scope["headers"]):
        return None
    return find_duplicated_routing_header(_raw(scope).items())


def _raw(scope: Scope) -> RawHeaders:
    """With those that were sent twice."""
    return RawHeaders(raw=[(name, value.strip(b" \t")) for name, value in scope["headers"]])


async def _reject(send: Send, rejection: InboundLadderRejection, request_id: RequestId | None) -> None:
    status = ERROR_CODE_HTTP_STATUS.get(rejection.code, 200)
    body = error_answer(request_id, rejection.code, rejection.message, rejection.data)
    await respond(send, encode(body), status)
