"""resources/list, templates/list, read, subscribe and unsubscribe."""

from __future__ import annotations

from typing import Any

from mcp_gateway.contributions import Registered
from mcp_gateway.errors import NotFound
from mcp_gateway.protocol.blocks import contents
from mcp_gateway.protocol.encoding import encode
from mcp_gateway.protocol.exchange import Exchange
from mcp_gateway.protocol.versions import Revision
from mcp_gateway.registry import Registry, authorise


def show(registered: Registered, revision: Revision) -> dict[str, Any]:
    """A resource as the list has it."""
    return {"uri": registered.capability.uri, **_about(registered, revision)}


def show_template(registered: Registered, revision: Revision) -> dict[str, Any]:
    """A template as the list has it."""
    return {"uriTemplate": registered.capability.uri, **_about(registered, revision)}


async def read(registry: Registry, exchange: Exchange) -> dict[str, Any]:
    """The contents of a resource: typed results as JSON text, others as text or base64.

    Raises:
        NotFound: No resource has this URI, or what it names is not there.
    """
    uri = exchange.text("uri")
    registered, arguments = registry.resource_for(uri)
    try:
        outcome = await registry.invoke(registered, arguments, exchange.call)
    except NotFound as error:
        raise NotFound("resource", uri, nearest=error.data.get("nearest", ())) from None
    if outcome.content is not None:
        return {"contents": [contents(item, uri) for item in outcome.content.blocks]}
    mime_type = registered.capability.mime_type or "application/json"
    return {"contents": [{"uri": uri, "mimeType": mime_type, "text": encode(outcome.value).decode()}]}


async def subscribe(registry: Registry, exchange: Exchange) -> dict[str, Any]:
    """Tell this client when the resource changes.

    Raises:
        NotFound: No resource has this URI.
        Forbidden: The caller may not read it.
    """
    uri = exchange.text("uri")
    registered, _ = registry.resource_for(uri)
    authorise(registered, exchange.call.caller)
    exchange.session.subscribe(uri)
    return {}


async def unsubscribe(exchange: Exchange) -> dict[str, Any]:
    """No longer tell it."""
    exchange.session.unsubscribe(exchange.text("uri"))
    return {}


def _about(registered: Registered, revision: Revision) -> dict[str, Any]:
    capability = registered.capability
    about = {"name": capability.name, "description": capability.description}
    if capability.mime_type is not None:
        about["mimeType"] = capability.mime_type
    if revision.titles:
        about["title"] = capability.title
    return about
