"""The MCP server: which methods there are, what is declared, and how errors look. The SDK does the handshake.

Everything passes the one middleware here, on every transport and in every revision. It answers the gateway's methods
with ready dictionaries; the SDK's own validation and serialisation of each result would cost more than the answer.
This file and the dispatcher alone touch what the SDK calls provisional: `Server.middleware` and `ServerRunner`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial
from secrets import token_hex
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp.server.caching import CacheHint
from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    SERVER_INFO_META_KEY,
    CompletionsCapability,
    LoggingCapability,
    PromptsCapability,
    ResourcesCapability,
    ServerCapabilities,
    SubscriptionsListenRequestParams,
    ToolsCapability,
)
from mcp_types.methods import CLIENT_REQUESTS, validate_client_request
from pydantic import ValidationError

from mcp_gateway import __version__
from mcp_gateway.call import Call
from mcp_gateway.errors import GatewayError, InternalError, NotFound, translation
from mcp_gateway.protocol import completion, prompts, resources, tools
from mcp_gateway.protocol import logging as log_levels
from mcp_gateway.protocol.client import McpClient
from mcp_gateway.protocol.exchange import Exchange
from mcp_gateway.protocol.listen import ListenBus
from mcp_gateway.protocol.lists import Listing
from mcp_gateway.protocol.served import Served
from mcp_gateway.protocol.session import Session
from mcp_gateway.protocol.versions import REVISIONS, Revision, initialize_result

log = logging.getLogger(__name__)

Method = Callable[[Exchange], Awaitable[dict[str, Any]]]

# 2026-07-28: how long clients may keep an answer. Lists are the same for everybody and announced when they change.
_LIST_HINT = {"ttlMs": 60_000, "cacheScope": "public"}
_CACHE_HINTS: Mapping[str, dict[str, Any]] = {
    "tools/list": _LIST_HINT,
    "resources/list": _LIST_HINT,
    "resources/templates/list": _LIST_HINT,
    "prompts/list": _LIST_HINT,
    "resources/read": {"ttlMs": 0, "cacheScope": "private"},
}


class GatewayServer(Server[Any]):
    """The gateway as an MCP server. Use it within `running()`."""

    def __init__(self, gateway: Served) -> None:
        super().__init__(
            "media-gateway",
            version=__version__,
            title="Media Gateway",
            instructions=gateway.instructions,
            cache_hints={"server/discover": CacheHint(ttl_ms=60_000, scope="public")},
            get_tool_input_schema=self._input_schema,
        )
        self.gateway = gateway
        self.middleware = [self._serve]
        self._methods = _methods(gateway)
        self._tasks: TaskGroup | None = None
        self._listen = ListenHandler(ListenBus(gateway.resources))
        self.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, self._listen)
        gateway.registry.on_change(gateway.resources.lists_changed)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold the tasks that tell clients of changes."""
        async with anyio.create_task_group() as self._tasks:
            yield
            self._tasks.cancel_scope.cancel()

    def close_streams(self) -> None:
        """End the streams of `subscriptions/listen` properly."""
        self._listen.close()

    def get_capabilities(self, *_: Any, **__: Any) -> ServerCapabilities:
        """What is served, which the middleware knows and the SDK's table of handlers does not."""
        return ServerCapabilities(
            tools=ToolsCapability(list_changed=True),
            resources=ResourcesCapability(subscribe=True, list_changed=True),
            prompts=PromptsCapability(list_changed=True),
            logging=LoggingCapability(),
            completions=CompletionsCapability(),
        )

    async def _serve(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """The middleware: every request and notification passes here, and only MCPErrors leave."""
        revision = REVISIONS[ctx.protocol_version]
        try:
            if ctx.request_id is None:
                return await self._take_note(ctx, call_next)
            return await self._answer(ctx, call_next, revision)
        except MCPError:
            raise
        except ValidationError as error:
            raise MCPError(INVALID_PARAMS, _explain(error)) from None
        except GatewayError as error:
            raise _translate(error, revision) from None
        except RecursionError:
            raise MCPError(INVALID_PARAMS, "Invalid params: nested too deeply") from None
        except Exception:
            reference = token_hex(6)
            log.exception("a request failed", extra={"method": ctx.method, "reference": reference})
            raise _translate(InternalError(reference), revision) from None

    async def _take_note(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        result = await call_next(ctx)
        connection = _connection(ctx)
        if connection.client_params is not None:
            session = self._session(connection)
            if ctx.method == "notifications/initialized":
                session.join()
            elif ctx.method == "notifications/roots/list_changed":
                session.roots = None
        return result

    async def _answer(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext, revision: Revision
    ) -> HandlerResult:
        connection = _connection(ctx)
        if ctx.method == "initialize":
            return await self._initialize(ctx, call_next, connection)
        if ctx.method == "ping" and not revision.per_request:
            return {}
        method = self._methods.get(ctx.method)
        if method is None:
            return await call_next(ctx)
        if (ctx.method, ctx.protocol_version) not in CLIENT_REQUESTS:
            raise MCPError(METHOD_NOT_FOUND, "Method not found", ctx.method)
        if revision.per_request:
            validate_client_request(ctx.method, ctx.protocol_version, ctx.params)
        elif connection.client_params is None:
            raise MCPError(INVALID_REQUEST, "Initialize first")
        result = await self._run(ctx, method, connection, revision)
        return self._envelope(ctx.method, result) if revision.per_request else result

    async def _initialize(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext, connection: Connection
    ) -> dict[str, Any]:
        if connection.client_params is not None:
            raise MCPError(INVALID_REQUEST, "Already initialized")
        return initialize_result(await call_next(ctx))

    async def _run(
        self, ctx: ServerRequestContext[Any, Any], method: Method, connection: Connection, revision: Revision
    ) -> dict[str, Any]:
        params = ctx.params or {}
        meta = params.get("_meta")
        session = self._session(connection)
        client = McpClient(
            ctx.session._request_outbound,
            connection,
            session,
            revision,
            meta=meta if isinstance(meta, dict) else {},
            clock=self.gateway.clock,
            ask_seconds=self.gateway.settings.mcp.ask_seconds,
        )
        call = Call(
            client=client,
            clock=self.gateway.clock,
            session_id=connection.session_id,
            protocol_version=ctx.protocol_version,
        )
        result = await method(Exchange(params, revision, session, call))
        await client.finish()
        return result

    def _session(self, connection: Connection) -> Session:
        """What is remembered about this client; for a revision without sessions it lasts one request."""
        session = connection.state.get("gateway")
        if session is None:
            session = Session(connection, self.gateway.resources, self.gateway.clock, self._spawn)
            connection.state["gateway"] = session
        return session

    def _spawn(self, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._tasks is not None:
            self._tasks.start_soon(job)

    def _envelope(self, method: str, result: dict[str, Any]) -> dict[str, Any]:
        """2026-07-28: what every result says besides."""
        meta = {SERVER_INFO_META_KEY: self.server_info_stamp}
        return {"resultType": "complete", **_CACHE_HINTS.get(method, {}), **result, "_meta": meta}

    def _input_schema(self, name: str) -> Mapping[str, Any] | None:
        try:
            return self.gateway.registry.tool(name).capability.input_schema
        except NotFound:
            return None


def _methods(gateway: Served) -> dict[str, Method]:
    registry = gateway.registry
    listing = partial(Listing, registry, gateway.cursors, page_size=gateway.settings.mcp.page_size)
    return {
        "tools/list": listing(
            name="tools", items=registry.tools, key=lambda r: r.capability.name, show=tools.show
        ).list,
        "tools/call": partial(tools.call, registry),
        "resources/list": listing(
            name="resources", items=registry.resources, key=lambda r: r.capability.uri or "", show=resources.show
        ).list,
        "resources/templates/list": listing(
            name="resourceTemplates",
            items=registry.templates,
            key=lambda r: r.capability.uri or "",
            show=resources.show_template,
        ).list,
        "resources/read": partial(resources.read, registry),
        "resources/subscribe": partial(resources.subscribe, registry),
        "resources/unsubscribe": resources.unsubscribe,
        "prompts/list": listing(
            name="prompts", items=registry.prompts, key=lambda r: r.prompt.name, show=prompts.show
        ).list,
        "prompts/get": partial(prompts.get, registry),
        "completion/complete": partial(completion.complete, registry),
        "logging/setLevel": log_levels.set_level,
    }


def _connection(ctx: ServerRequestContext[Any, Any]) -> Connection:
    # The SDK keeps it private, but only it lives as long as the session on every transport.
    return ctx.session._connection


def _translate(error: GatewayError, revision: Revision) -> MCPError:
    code, data = translation(error).jsonrpc_code, error.payload()
    if isinstance(error, NotFound):
        is_resource = data.get("what") == "resource"
        code = revision.unknown_resource if is_resource else INVALID_PARAMS
        if is_resource:
            data["uri"] = data["name"]
    return MCPError(code, error.message, data)


def _explain(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(str(part) for part in fault["loc"] if part != "params")
    return f"Invalid params: {path}: {fault['msg']}"[:300]
