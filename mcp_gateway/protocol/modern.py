"""What the SDK does for 2026-07-28: it holds requests against their schemas, seals state, discovers and listens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from mcp.server.caching import CacheHint
from mcp.server.connection import Connection as SdkConnection
from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.runner import ServerRunner
from mcp.server.session import ServerSession
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPError
from mcp_types import ServerCapabilities, SubscriptionsListenRequestParams
from mcp_types.methods import is_input_required, validate_client_request
from pydantic import ValidationError

from mcp_gateway.protocol.connection import Connection
from mcp_gateway.protocol.context import RequestContext
from mcp_gateway.protocol.listen import ListenBus
from mcp_gateway.protocol.messages import INVALID_PARAMS, RpcError
from mcp_gateway.protocol.rounds import STATE_SECONDS
from mcp_gateway.protocol.served import Served

Serve = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


class Modern(Server[Any]):
    """The SDK's server, of which only what the gateway does not do itself is used."""

    def __init__(self, gateway: Served, capabilities: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        super().__init__(
            info["name"],
            version=info["version"],
            title=info["title"],
            instructions=gateway.instructions,
            cache_hints={"server/discover": CacheHint(ttl_ms=60_000, scope="public")},
        )
        self.middleware = []
        self._capabilities = ServerCapabilities.model_validate(capabilities)
        keys = gateway.cursors.keys_for("request state")
        self._sealed = RequestStateBoundary(
            RequestStateSecurity(keys=keys, ttl=STATE_SECONDS, bind_principal=_caller_of),
            default_audience="media-gateway",
        )
        self._listen = ListenHandler(ListenBus(gateway.resources))
        self.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, self._listen)

    def get_capabilities(self, *_: Any, **__: Any) -> ServerCapabilities:
        """What is served, which the gateway knows and the SDK's table of handlers does not."""
        return self._capabilities

    def close(self) -> None:
        """End the streams of `subscriptions/listen` properly."""
        self._listen.close()

    async def answer(
        self, context: RequestContext, connection: Connection, method: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Have the SDK answer. Raises RpcError."""
        runner: Any = ServerRunner(self, _of_sdk(connection), None)
        return await _translated(runner.on_request(context, method, params))

    async def answer_with(
        self, context: RequestContext, connection: Connection, method: str, params: Mapping[str, Any], serve: Serve
    ) -> dict[str, Any]:
        """Serve a request whose params fit their schema; what state it brings is unsealed, what it takes away sealed.

        Raises:
            RpcError: The params do not fit, or the state is not ours.
        """

        async def answer() -> Any:
            validate_client_request(method, connection.protocol_version, params)
            asked = partial(_context, context, connection, method, params)
            if params.get("requestState") is not None:
                return await self._sealed(asked(), lambda opened: serve(opened.params or {}))
            result = await serve(params)
            return await self._sealed(asked(), partial(_already, result)) if is_input_required(result) else result

        return await _translated(answer())


def _context(
    context: RequestContext, connection: Connection, method: str, params: Mapping[str, Any]
) -> ServerRequestContext[Any, Any]:
    """A request as the SDK's boundary of sealed state wants it."""
    return ServerRequestContext(
        session=ServerSession(context, _of_sdk(connection)),
        lifespan_context=context.caller.id,
        protocol_version=connection.protocol_version,
        method=method,
        params=params,
        request_id=context.request_id,
    )


def _caller_of(context: ServerRequestContext[Any, Any]) -> str:
    """Who may bring the state back."""
    return str(context.lifespan_context)


async def _already(result: HandlerResult, _: ServerRequestContext[Any, Any]) -> HandlerResult:
    return result


def _of_sdk(connection: Connection) -> SdkConnection:
    return SdkConnection.from_envelope(
        connection.protocol_version, connection.client_info, connection.client_capabilities
    )


async def _translated(answer: Awaitable[Any]) -> dict[str, Any]:
    try:
        result: dict[str, Any] = await answer
    except MCPError as error:
        raise RpcError(error.code, error.message, error.data) from None
    except ValidationError as error:
        raise RpcError(INVALID_PARAMS, _explain(error)) from None
    return result


def _explain(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(str(part) for part in fault["loc"] if part != "params")
    return f"Invalid params: {path}: {fault['msg']}"[:300]
