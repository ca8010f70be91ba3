"""The MCP server: which methods there are, what is declared, and how errors look.

Everything passes `answer` here, on every transport and in every revision. It answers the gateway's methods with ready
dictionaries; the SDK's own validation and serialisation of each result would cost more than the answer. What it does
not know itself (2026-07-28: schemas, sealing, discovery, listening) it leaves to the SDK, in `modern.py`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import TaskGroup

from mcp_gateway import __version__
from mcp_gateway.call import CAPABILITY_OF, Call
from mcp_gateway.contributions import Registered
from mcp_gateway.errors import Forbidden, GatewayError, InternalError, MissingCapability, NotFound, translation
from mcp_gateway.protocol import completion, prompts, resources, skills, tools
from mcp_gateway.protocol import logging as log_levels
from mcp_gateway.protocol.client import McpClient
from mcp_gateway.protocol.connection import Connection
from mcp_gateway.protocol.context import Params, RequestContext
from mcp_gateway.protocol.encoding import encode
from mcp_gateway.protocol.exchange import Exchange
from mcp_gateway.protocol.lists import Listing
from mcp_gateway.protocol.messages import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    Parsed,
    Request,
    RpcError,
)
from mcp_gateway.protocol.rounds import Rounds
from mcp_gateway.protocol.served import Served
from mcp_gateway.protocol.session import Session
from mcp_gateway.protocol.tasks import EXTENSION as TASKS
from mcp_gateway.protocol.tasks import Errand, Tasks
from mcp_gateway.protocol.versions import ONLY_OF_HANDSHAKES, REVISIONS, SERVER_INFO_KEY, Revision, initialize_result
from mcp_gateway.registry import authorise

if TYPE_CHECKING:
    from mcp_gateway.protocol.modern import Modern

log = logging.getLogger(__name__)

_INPUT_REQUIRED = frozenset({"prompts/get", "resources/read", "tools/call"})
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


@dataclass(slots=True)
class _Asked:
    """A request, who asks it, and the way back."""

    context: RequestContext
    connection: Connection
    revision: Revision
    method: str
    params: Mapping[str, Any]


CAPABILITIES: Mapping[str, Any] = {
    "logging": {},
    "prompts": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "tools": {"listChanged": True},
    "completions": {},
    "extensions": {TASKS: {}, skills.EXTENSION: skills.SETTINGS},
}
SERVER_INFO = {"name": "media-gateway", "title": "Media Gateway", "version": __version__}
_STAMP = {SERVER_INFO_KEY: SERVER_INFO}


class GatewayServer:
    """The gateway as an MCP server. Use it within `running()`."""

    def __init__(self, gateway: Served) -> None:
        self.gateway = gateway
        self._methods = _methods(gateway)
        self._running: TaskGroup | None = None
        self._tasks = Tasks(gateway.clock, self._spawn)
        self._task_methods: Mapping[str, Method] = {
            "tasks/get": self._tasks.get,
            "tasks/update": self._tasks.update,
            "tasks/cancel": self._tasks.cancel,
        }
        self._skill_methods = _skill_methods(gateway)
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
        if "modern" in vars(self):
            self.modern.close()

    def warm_up(self) -> None:
        """Load what the first request of 2026-07-28 would have to wait for."""
        self.modern  # noqa: B018 — made when it is first asked for

    @cached_property
    def modern(self) -> Modern:
        """What the SDK does for 2026-07-28. Its import takes 0.3 s and 25 MB: who shakes hands need not wait."""
        from mcp_gateway.protocol.modern import Modern

        return Modern(self.gateway, CAPABILITIES, SERVER_INFO)

    async def answer(
        self, context: RequestContext, connection: Connection, method: str, params: Params
    ) -> dict[str, Any]:
        """The result of a request. Raises RpcError, and nothing else."""
        revision = REVISIONS[connection.protocol_version]
        try:
            return await self._answer(_Asked(context, connection, revision, method, params or {}))
        except RpcError:
            raise
        except GatewayError as error:
            raise _translate(error, revision) from None
        except RecursionError:
            raise RpcError(INVALID_PARAMS, "Invalid params: nested too deeply") from None
        except Exception:
            reference = token_hex(6)
            log.exception("a request failed", extra={"method": method, "reference": reference})
            raise _translate(InternalError(reference), revision) from None

    async def take_note(self, context: RequestContext, connection: Connection, method: str, params: Params) -> None:
        """Take note of a notification. What is wrong with it is nobody's to hear."""
        if connection.client_capabilities is not None:
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
        if per_request and method in ONLY_OF_HANDSHAKES:
            raise RpcError(METHOD_NOT_FOUND, "Method not found", method)
        if per_request:
            return await self._answer_envelope(asked, serve)
        if asked.connection.client_capabilities is None:
            raise RpcError(INVALID_REQUEST, "Initialize first")
        return await self._run(asked, serve)

    async def _by_sdk(self, asked: _Asked) -> dict[str, Any]:
        if not asked.revision.per_request:
            raise RpcError(METHOD_NOT_FOUND, "Method not found", asked.method)
        self._refuse_to_tell(asked)
        return await self.modern.answer(asked.context, asked.connection, asked.method, asked.params)

    def _refuse_to_tell(self, asked: _Asked) -> None:
        """Raises Forbidden for `subscriptions/listen` to a resource that the caller may not read."""
        wanted = asked.params.get("notifications") if asked.method == "subscriptions/listen" else None
        uris = wanted.get("resourceSubscriptions") if isinstance(wanted, dict) else None
        for uri in uris if isinstance(uris, list) else ():
            with suppress(NotFound):
                authorise(self.gateway.registry.resource_for(str(uri))[0], asked.context.caller)

    def end_sign_in(self, sign_in: str) -> None:
        """Stop the tasks that were begun with it."""
        self._tasks.end_sign_in(sign_in)

    async def _initialize(self, asked: _Asked) -> dict[str, Any]:
        if asked.connection.client_capabilities is not None:
            raise RpcError(INVALID_REQUEST, "Already initialized")
        asked.connection.open(asked.params)
        return initialize_result(
            {
                "protocolVersion": asked.connection.protocol_version,
                "capabilities": CAPABILITIES,
                "serverInfo": SERVER_INFO,
                "instructions": self.gateway.instructions,
            }
        )

    async def _answer_envelope(self, asked: _Asked, serve: Method) -> dict[str, Any]:
        async def run(params: Mapping[str, Any]) -> dict[str, Any]:
            return await self._run(asked if params is asked.params else replace(asked, params=params), serve)

        result = await self.modern.answer_with(asked.context, asked.connection, asked.method, asked.params, run)
        return self._envelope(asked.method, result)

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
            caller=context.caller,
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
        """How the client is asked, where it can be, and that is not by a request."""
        if not asked.revision.per_request or asked.method not in _INPUT_REQUIRED:
            return None
        if asked.method != "tools/call" or not _knows_tasks(asked.connection):
            return Rounds(asked.params, asked.revision) if _can_be_asked(asked.connection) else None
        translate = partial(_as_mcp_error, asked.revision)
        return Errand(asked.params, asked.revision, self._tasks, caller=asked.context.caller, translate=translate)

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
        return {**complete, **result, "_meta": _STAMP}

    def forbidden(self, parsed: Parsed) -> Forbidden | None:
        """Why the caller of a request may not use what it names; None also when that is not there, or for a batch."""
        if not isinstance(parsed, Request) or parsed.caller.everything:
            return None
        named = self._named(parsed.method, parsed.params or {})
        try:
            if named is not None:
                authorise(named, parsed.caller)
        except Forbidden as error:
            return error
        return None

    def _named(self, method: str, params: Mapping[str, Any]) -> Registered | None:
        """The capability that a request names."""
        name, uri = params.get("name"), params.get("uri")
        with suppress(NotFound):
            if method == "tools/call" and isinstance(name, str):
                return self.gateway.registry.tool(name)
            if method in {"resources/read", "resources/subscribe"} and isinstance(uri, str):
                return self.gateway.registry.resource_for(uri)[0]
        return None

    def schema_with_headers(self, tool: object) -> Mapping[str, Any] | None:
        """The input schema of a tool, if some of its arguments are repeated as headers (2026-07-28)."""
        if not isinstance(tool, str):
            return None
        if tool not in self._with_headers:
            try:
                schema = self.gateway.registry.tool(tool).capability.input_schema
            except NotFound:
                return None
            self._with_headers[tool] = schema if b"x-mcp-header" in encode(schema) else None
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


def _translate(error: GatewayError, revision: Revision) -> RpcError:
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
    return RpcError(code, error.message, data)


def _as_mcp_error(revision: Revision, error: Exception) -> RpcError:
    if isinstance(error, GatewayError):
        return _translate(error, revision)
    return error if isinstance(error, RpcError) else RpcError(INTERNAL_ERROR, "Internal error")


def _can_be_asked(connection: Connection) -> bool:
    declared = connection.client_capabilities or {}
    return any(capability in declared for capability in CAPABILITY_OF.values())


def _knows_tasks(connection: Connection) -> bool:
    declared = connection.client_capabilities
    extensions = declared.get("extensions") if declared is not None else None
    return isinstance(extensions, dict) and TASKS in extensions


def _refuse_without_tasks(asked: _Asked) -> None:
    if not _knows_tasks(asked.connection):
        raise MissingCapability(["tasks"])
    headers = asked.context.headers
    if headers is not None and headers.get("mcp-name") != asked.params.get("taskId"):
        raise RpcError(HEADER_MISMATCH, "mcp-name header does not match the request body's 'taskId' parameter")
