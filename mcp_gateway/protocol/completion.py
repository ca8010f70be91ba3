"""completion/complete."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mcp_gateway.contributions import Registered, RegisteredPrompt
from mcp_gateway.errors import InvalidParams, NotFound
from mcp_gateway.protocol.exchange import Exchange, optional_object, required_text, text_values
from mcp_gateway.registry import Registry

# The specification's bound; clients refuse more.
MAX_VALUES = 100


async def complete(registry: Registry, exchange: Exchange) -> dict[str, Any]:
    """Values for an argument of a prompt or a variable of a resource template.

    Raises:
        InvalidParams: The reference or the argument is unknown or malformed.
    """
    target = _target(registry, exchange.object("ref"))
    argument = exchange.object("argument")
    name = required_text(argument.get("name"), "argument.name")
    value = required_text(argument.get("value"), "argument.value")
    chosen = optional_object(exchange.object("context").get("arguments"), "context.arguments")
    call = replace(exchange.call, arguments=text_values(chosen, "context.arguments"))
    values = list(await registry.complete(target, name, value, call))
    shown = [str(item) for item in values[:MAX_VALUES]]
    return {"completion": {"values": shown, "total": len(values), "hasMore": len(values) > len(shown)}}


def _target(registry: Registry, ref: dict[str, Any]) -> Registered | RegisteredPrompt:
    match ref.get("type"):
        case "ref/prompt":
            return registry.prompt(required_text(ref.get("name"), "ref.name"))
        case "ref/resource":
            return _resource(registry, required_text(ref.get("uri"), "ref.uri"))
    raise InvalidParams("ref.type", "is not allowed", allowed=["ref/prompt", "ref/resource"])


def _resource(registry: Registry, uri: str) -> Registered:
    """By the template as it is written, or by a URI made from it."""
    try:
        return registry.template(uri)
    except NotFound as unknown:
        try:
            return registry.resource_for(uri)[0]
        except NotFound:
            raise unknown from None
