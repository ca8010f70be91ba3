"""The REST routes as an OpenAPI 3.1 document, read off the registry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from mcp_gateway import __version__
from mcp_gateway.capability import Capability, Route
from mcp_gateway.registry import Registry
from mcp_gateway.transports.problem import MEDIA_TYPE
from mcp_gateway.transports.rest import QUERY_METHODS

_PROBLEM = {
    "type": "object",
    "description": "RFC 9457.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string"},
    },
    "required": ["title", "status", "detail"],
}


def document(registry: Registry) -> dict[str, Any]:
    """The document."""
    paths: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for registered in registry.routes():
        route = registered.capability.rest
        if route is not None:
            paths[route.path][route.method.lower()] = _operation(registered.plugin, registered.capability, route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Media Gateway", "version": __version__},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": {"Problem": _PROBLEM}},
    }


def _operation(plugin: str, capability: Capability, route: Route) -> dict[str, Any]:
    operation = {
        "operationId": capability.name,
        "summary": capability.title,
        "description": capability.description,
        "tags": [plugin],
        "parameters": list(_parameters(capability, route)),
        "responses": {
            "200": {"description": "The result.", "content": {"application/json": {"schema": _result(capability)}}},
            "default": {
                "description": "What was wrong.",
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    }
    if route.method not in QUERY_METHODS:
        body = {"content": {"application/json": {"schema": _body_schema(capability, route)}}}
        operation["requestBody"] = body
    return operation


def _result(capability: Capability) -> Mapping[str, Any]:
    return capability.output_schema or {}


def _parameters(capability: Capability, route: Route) -> Iterator[dict[str, Any]]:
    schema = capability.input_schema
    for name, inner, required in _flat(schema, ""):
        if name in route.variables:
            yield {"name": name, "in": "path", "required": True, **_described(inner)}
        elif route.method in QUERY_METHODS:
            yield {"name": name, "in": "query", "required": required, **_described(inner)}


def _flat(schema: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Nested objects become dotted names, as the query string has them."""
    for name, inner in schema.get("properties", {}).items():
        if inner.get("type") == "object" and inner.get("properties"):
            yield from _flat(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner, not prefix and name in schema.get("required", ())


def _described(schema: Mapping[str, Any]) -> dict[str, Any]:
    described = {"schema": {key: value for key, value in schema.items() if key != "description"}}
    return {**described, "description": schema["description"]} if "description" in schema else described


def _body_schema(capability: Capability, route: Route) -> dict[str, Any]:
    schema = dict(capability.input_schema)
    schema["properties"] = {k: v for k, v in schema.get("properties", {}).items() if k not in route.variables}
    schema["required"] = [name for name in schema.get("required", ()) if name not in route.variables]
    return schema
