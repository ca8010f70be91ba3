"""REST: the routes of capabilities and plugins. A face only: every rule is in `Registry.invoke`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import Receive, Scope, Send

from mcp_gateway.arguments import from_text, is_suspect
from mcp_gateway.call import Call
from mcp_gateway.content import Audio, Content, EmbeddedResource, Image, Text
from mcp_gateway.contributions import Registered
from mcp_gateway.errors import Forbidden, GatewayError, InvalidParams, NotFound
from mcp_gateway.pagination import Links, link_header, links_of
from mcp_gateway.protocol.blocks import block
from mcp_gateway.protocol.encoding import encode
from mcp_gateway.protocol.served import Served
from mcp_gateway.protocol.versions import REVISIONS
from mcp_gateway.transports.access import caller_of, refusal
from mcp_gateway.transports.problem import problem, problem_of

# Their params stand in the query; those of the others in a JSON body.
QUERY_METHODS = frozenset({"GET", "DELETE"})
_NEWEST = REVISIONS["2025-11-25"]


class RestRoutes:
    """An ASGI application that follows the registry: what a plugin registers later is served too."""

    def __init__(self, gateway: Served) -> None:
        self._gateway = gateway
        self._registry = gateway.registry
        self._router = Router()
        self._made_of = -1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if self._made_of != self._registry.revision:
            self._router = Router(self._routes(), redirect_slashes=False)
            self._made_of = self._registry.revision
        await self._router(scope, receive, send)

    def _routes(self) -> list[BaseRoute]:
        by_path: defaultdict[str, dict[str, Registered]] = defaultdict(dict)
        for registered in self._registry.routes():
            rest = registered.capability.rest
            if rest is not None:
                by_path[rest.path][rest.method] = registered
        # A fixed path before one with variables, whatever the order in which plugins started.
        ordered = sorted(by_path.items(), key=lambda item: (item[0].count("{"), item[0]))
        return [*(self._route(path, by_method) for path, by_method in ordered), *self._registry.plugin_routes()]

    def _route(self, path: str, by_method: Mapping[str, Registered]) -> Route:
        async def serve(request: Request) -> Response:
            registered = by_method["GET" if request.method == "HEAD" else request.method]
            return await self._serve(registered, request)

        return Route(path, serve, methods=list(by_method))

    async def _serve(self, registered: Registered, request: Request) -> Response:
        try:
            arguments = await _arguments(registered, request)
            call = Call(caller=caller_of(request.scope), clock=self._gateway.clock)
            outcome = await self._registry.invoke(registered, arguments, call)
        except UnsupportedMediaType:
            return problem(415, "Send the parameters as application/json.")
        except Forbidden as error:
            return problem_of(refusal(self._gateway, request.scope, error))
        except GatewayError as error:
            return problem_of(error)
        return _content(outcome.content) if outcome.content is not None else _json(outcome.value or {}, request)


class UnsupportedMediaType(Exception):
    """The body is not JSON by its own account."""


async def _arguments(registered: Registered, request: Request) -> dict[str, Any]:
    schema = registered.capability.input_schema
    for name, value in request.path_params.items():
        if is_suspect(value):
            raise NotFound(name, value)
    path = from_text(schema, dict(request.path_params))
    if request.method in QUERY_METHODS | {"HEAD"}:
        return {**from_text(schema, _multiple(request.query_params)), **path}
    given = await _json_object(request)
    for name in path.keys() & given.keys():
        if given[name] != path[name]:
            raise InvalidParams(name, "differs between path and body")
    return {**given, **path}


def _multiple(query: QueryParams) -> dict[str, Sequence[str]]:
    return {name: query.getlist(name) for name in query}


async def _json_object(request: Request) -> dict[str, Any]:
    try:
        body = await request.body()
    except ClientDisconnect:
        raise InvalidParams("", "the body ended early") from None
    if not body.strip():
        return {}
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidParams("", "the body is not valid JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise InvalidParams("", "the body must be a JSON object")
    return value


def _json(value: dict[str, Any], request: Request) -> Response:
    """The result; of a list also the links to its other pages, in the body and as a header."""
    headers = {}
    if request.method in QUERY_METHODS | {"HEAD"} and "has_more" in value and "links" not in value:
        links = links_of(value, request.scope["path"], request.query_params.multi_items())
        value = {"total": None, **value, "links": links.model_dump(exclude_none=True)}
    if isinstance(value.get("links"), Mapping):
        headers["Link"] = link_header(Links.model_validate(value["links"]))
    return Response(encode(value), headers=headers, media_type="application/json")


def _content(content: Content) -> Response:
    """A single block as it is; several as JSON."""
    if content.is_error:
        texts = [item.text for item in content.blocks if isinstance(item, Text)]
        return problem(502, " ".join(texts) or "It failed.")
    match content.blocks:
        case [Text(text, mime_type)]:
            return Response(text, media_type=mime_type)
        case [Image(data, mime_type) | Audio(data, mime_type)]:
            return Response(data, media_type=mime_type)
        case [EmbeddedResource(_, body, mime_type)]:
            return Response(body, media_type=mime_type)
    return Response(
        encode({"content": [block(item, _NEWEST) for item in content.blocks]}), media_type="application/json"
    )
