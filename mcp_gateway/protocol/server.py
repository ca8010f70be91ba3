"""The MCP server: which methods there are, what is declared, and how errors look. The SDK does the handshake.

Everything passes `answer` here, on every transport and in every revision. It answers the gateway's methods with ready
dictionaries; the SDK's own validation and serialisation of each result would cost more than the answer. What it does
not know itself (the handshake, discovery, listening) it leaves to the SDK's `ServerRunner`, and only this file does.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from secrets import token_hex
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp.server.caching import CacheHint
from mcp.server.connection import Connection
from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.runner import ServerRunner
from mcp.server.session import ServerSession
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import X_MCP_HEADER_KEY
from mcp_types import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    SERVER_INFO_META_KEY,
    CompletionsCapability,
    LoggingCapability,
    PromptsCapability,
    ResourcesCapability,
    ServerCapabilities,
    SubscriptionsListenRequestParams,
    ToolsCapability,
)
from mcp_types.methods import CLIENT_REQUESTS, INPUT_REQUIRED_METHODS, is_input_required, validate_client_request
from pydantic import ValidationError

from mcp_gateway import __version__
from mcp_gateway.call import LOCAL, Call
from mcp_gateway.errors import GatewayError, InternalError, MissingCapability, NotFound, translation
from mcp_gateway.protocol import completion, prompts, resources, skills, tools
from mcp_gateway.protocol import logging as log_levels
from mcp_gateway.protocol.client import McpClient
from mcp_gateway.protocol.dispatcher import Params, RequestContext
from mcp_gateway.protocol.encoding import encode
from mcp_gateway.protocol.exchange import Exchange
from mcp_gateway.protocol.listen import ListenBus
from mcp_gateway.protocol.lists import Listing
from mcp_gateway.protocol.rounds import STATE_SECONDS, Rounds
from mcp_gateway.protocol.served import Served
from mcp_gateway.protocol.session import Session
from mcp_gateway.protocol.tasks import EXTENSION as TASKS
from mcp_gateway.protocol.tasks import Errand, Tasks
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
    "skills/list": _LIST_HINT,
    "skills/get": _LIST_HINT,
    "resources/directory/read": _LIST_HINT,
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request, who asks it, and the way back."""

    context: RequestContext
    connection: Connection
    revision: Revision
    method: str
    params: Mapping[str, Any]


class GatewayServer(Server[Any]):
    """The gateway as an MCP server. Use it within `running()`."""

    def __init__(self, gateway: Served) -> None:
        super().__init__(
            "media-gateway",
            version=__version__,
            title="Media Gateway",
            instructions=gateway.instructions,
            cache_hints={"server/discover": CacheHint(ttl_ms=60_000, scope="public")},
        )
        self.gateway = gateway
        self.middleware = []
        self._methods = _methods(gateway)
        self._running: TaskGroup | None = None
        self._tasks = Tasks(gateway.clock, self._spawn)
        self._task_methods: Mapping[str, Method] = {
            "tasks/get": self._tasks.get,
            "tasks/update": self._tasks.update,
            "tasks/cancel": self._tasks.cancel,
        }
        self._skill_methods = _skill_methods(gateway)
        keys = gateway.cursors.keys_for("request state")
        self._sealed = RequestStateBoundary(
            RequestStateSecurity(keys=keys, ttl=STATE_SECONDS), default_audience="media-gateway"
        )
        self._listen = ListenHandler(ListenBus(gateway.resources))
        self.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, self._listen)
        self._stamp = {SERVER_INFO_META_KEY: self.server_info_stamp}
        self._with_headers: dict[str, Mapping[str, Any] | None] = {}
        gateway.registry.on_change(self._with_headers.clear)
        gateway.registry.on_change(gateway.resources.lists_changed)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold what outlives a request: telling clients of changes, and calls that became tasks."""
        async with anyio.create_task_group() as self._running:
            yield
            self._running.cancel_scope.cancel()

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
            extensions={TASKS: {}, skills.EXTENSION: skills.SETTINGS},
        )

    async def answer(
        self, context: RequestContext, connection: Connection, method: str, params: Params
    ) -> dict[str, Any]:
        """The result of a request. Raises MCPError, and nothing else."""
        revision = REVISIONS[connection.protocol_version]
        try:
            return await self._answer(_Asked(context, connection, revision, method, params or {}))
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
            log.exception("a request failed", extra={"method": method, "reference": reference})
            raise _translate(InternalError(reference), revision) from None

    async def take_note(self, context: RequestContext, connection: Connection, method: str, params: Params) -> None:
        """Take note of a notification. What is wrong with it is nobody's to hear."""
        await ServerRunner(self, connection, None).on_notify(context, method, params)
        if connection.client_params is not None:
            session = self._session(connection)
            if method == "notifications/initialized":
                session.join()
            elif method == "notifications/roots/list_changed":
                session.roots = None

    async def _answer(self, asked: _Asked) -> dict[str, Any]:
        per_request, method = asked.revision.per_request, asked.method
        if method == "initialize" and not per_request:
            return await self._initialize(asked)
        if method == "ping" and not per_request:
            return {}
        if per_request and method in self._task_methods:
            _refuse_without_tasks(asked)
            return self._envelope(method, await self._run(asked, self._task_methods[method]))
        if per_request and method in self._skill_methods:
            return self._envelope(method, await self._run(asked, self._skill_methods[method]))
        serve = self._methods.get(method)
        if serve is None:
            return await self._by_sdk(asked)
        if (method, asked.revision.name) not in CLIENT_REQUESTS:
            raise MCPError(METHOD_NOT_FOUND, "Method not found", method)
        if per_request:
            return await self._answer_envelope(asked, serve)
        if asked.connection.client_params is None:
            raise MCPError(INVALID_REQUEST, "Initialize first")
        return await self._run(asked, serve)

    async def _by_sdk(self, asked: _Asked) -> dict[str, Any]:
        return await ServerRunner(self, asked.connection, None).on_request(asked.context, asked.method, asked.params)

    async def _initialize(self, asked: _Asked) -> dict[str, Any]:
        if asked.connection.client_params is not None:
            raise MCPError(INVALID_REQUEST, "Already initialized")
        return initialize_result(await self._by_sdk(asked))

    async def _answer_envelope(self, asked: _Asked, serve: Method) -> dict[str, Any]:
        validate_client_request(asked.method, asked.revision.name, asked.params)
        if asked.params.get("requestState") is not None:
            result = await self._sealed(_sdk_context(asked), lambda ctx: self._run_again(asked, ctx, serve))
        else:
            result = await self._run(asked, serve)
            if is_input_required(result):
                result = await self._sealed(_sdk_context(asked), partial(_already, result))
        return self._envelope(asked.method, result)

    async def _run_again(self, asked: _Asked, ctx: ServerRequestContext[Any, Any], serve: Method) -> dict[str, Any]:
        """Serve a request that comes back, with its state opened."""
        return await self._run(replace(asked, params=ctx.params or {}), serve)

    async def _run(self, asked: _Asked, serve: Method) -> dict[str, Any]:
        context, connection, revision, params = asked.context, asked.connection, asked.revision, asked.params
        meta = params.get("_meta")
        session = self._session(connection)
        rounds = self._rounds(asked)
        client = McpClient(
            context,
            connection,
            session,
            revision,
            meta=meta if isinstance(meta, dict) else {},
            rounds=rounds,
            clock=self.gateway.clock,
            ask_seconds=self.gateway.settings.mcp.ask_seconds,
        )
        call = Call(
            client=client,
            clock=self.gateway.clock,
            session_id=connection.session_id,
            protocol_version=revision.name,
        )
        exchange = Exchange(params, revision, session, call)
        result = await (serve(exchange) if rounds is None else rounds.run(partial(serve, exchange)))
        await client.finish()
        return result

    def _rounds(self, asked: _Asked) -> Rounds | None:
        """How the client is asked, where that is not by a request."""
        if not asked.revision.per_request or asked.method not in INPUT_REQUIRED_METHODS:
            return None
        if asked.method != "tools/call" or not _knows_tasks(asked.connection):
            return Rounds(asked.params, asked.revision)
        translate = partial(_as_mcp_error, asked.revision)
        return Errand(asked.params, asked.revision, self._tasks, caller_id=LOCAL.id, translate=translate)

    def _session(self, connection: Connection) -> Session:
        """What is remembered about this client; for a revision without sessions it lasts one request."""
        session = connection.state.get("gateway")
        if session is None:
            session = Session(connection, self.gateway.resources, self.gateway.clock, self._spawn)
            connection.state["gateway"] = session
        return session

    def _spawn(self, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._running is not None:
            self._running.start_soon(job)

    def _envelope(self, method: str, result: Any) -> dict[str, Any]:
        """2026-07-28: what every result, a dictionary, says besides."""
        complete = {} if "resultType" in result else {"resultType": "complete", **_CACHE_HINTS.get(method, {})}
        return {**complete, **result, "_meta": self._stamp}

    def schema_with_headers(self, tool: object) -> Mapping[str, Any] | None:
        """The input schema of a tool, if some of its arguments are repeated as headers (2026-07-28)."""
        if not isinstance(tool, str):
            return None
        if tool not in self._with_headers:
            try:
                schema = self.gateway.registry.tool(tool).capability.input_schema
            except NotFound:
                return None
            self._with_headers[tool] = schema if X_MCP_HEADER_KEY.encode() in encode(schema) else None
        return self._with_headers[tool]


def _listing(gateway: Served, **options: Any) -> Listing[Any]:
    return Listing(gateway.registry, gateway.cursors, page_size=gateway.settings.mcp.page_size, **options)


def _skill_methods(gateway: Served) -> dict[str, Method]:
    registry = gateway.registry
    return {
        "skills/list": _listing(
            gateway, name="skills", items=registry.skills, key=lambda s: s.uri, show=skills.show
        ).list,
        "skills/get": partial(skills.get, registry),
        "resources/directory/read": partial(skills.read_directory, registry),
    }


def _methods(gateway: Served) -> dict[str, Method]:
    registry, listing = gateway.registry, partial(_listing, gateway)
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


def _sdk_context(asked: _Asked) -> ServerRequestContext[Any, Any]:
    """A request as the SDK's boundary of sealed state wants it."""
    return ServerRequestContext(
        session=ServerSession(asked.context, asked.connection),
        lifespan_context=None,
        protocol_version=asked.revision.name,
        method=asked.method,
        params=asked.params,
        request_id=asked.context.request_id,
    )


async def _already(result: HandlerResult, _: ServerRequestContext[Any, Any]) -> HandlerResult:
    return result


def _translate(error: GatewayError, revision: Revision) -> MCPError:
    code, data = translation(error).jsonrpc_code, error.payload()
    if isinstance(error, NotFound):
        is_resource = data.get("what") == "resource"
        code = revision.unknown_resource if is_resource else INVALID_PARAMS
        if is_resource:
            data["uri"] = data["name"]
    elif isinstance(error, MissingCapability) and revision.per_request:
        code = MISSING_REQUIRED_CLIENT_CAPABILITY
        data["requiredCapabilities"] = {
            **{name: {} for name in data["required_capabilities"] if name != "tasks"},
            **({"extensions": {TASKS: {}}} if "tasks" in data["required_capabilities"] else {}),
        }
    return MCPError(code, error.message, data)


def _as_mcp_error(revision: Revision, error: Exception) -> MCPError:
    if isinstance(error, GatewayError):
        return _translate(error, revision)
    return error if isinstance(error, MCPError) else MCPError(INTERNAL_ERROR, "Internal error")


def _knows_tasks(connection: Connection) -> bool:
    declared = connection.client_capabilities
    return declared is not None and TASKS in (declared.extensions or {})


def _refuse_without_tasks(asked: _Asked) -> None:
    if not _knows_tasks(asked.connection):
        raise MissingCapability(["tasks"])
    headers = asked.context.headers
    if headers is not None and headers.get("mcp-name") != asked.params.get("taskId"):
        raise MCPError(HEADER_MISMATCH, "mcp-name header does not match the request body's 'taskId' parameter")


def _explain(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(str(part) for part in fault["loc"] if part != "params")
    return f"Invalid params: {path}: {fault['msg']}"[:300]
