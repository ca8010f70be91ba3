"""tools/list and tools/call."""

from __future__ import annotations

from typing import Any

from mcp_gateway.contributions import Registered
from mcp_gateway.errors import GatewayError, InternalError, MissingCapability
from mcp_gateway.protocol.blocks import block, text_block
from mcp_gateway.protocol.encoding import encode, encoded_twice
from mcp_gateway.protocol.exchange import Exchange
from mcp_gateway.protocol.versions import Revision
from mcp_gateway.registry import Outcome, Registry


def show(registered: Registered, revision: Revision) -> dict[str, Any]:
    """A tool as the list has it."""
    capability = registered.capability
    tool = {"name": capability.name, "description": capability.description, "inputSchema": capability.input_schema}
    if revision.titles:
        tool["title"] = capability.title
    if revision.structured and capability.output_schema is not None:
        tool["outputSchema"] = capability.output_schema
    if revision.tool_hints:
        tool["annotations"] = _hints(registered, revision)
    return tool


async def call(registry: Registry, exchange: Exchange) -> dict[str, Any]:
    """Run a tool. What goes wrong in it is a result that the model can read and act upon.

    Raises:
        NotFound: There is no such tool: that is the client's error.
        InvalidParams: `name` or `arguments` are not of the right kind.
        MissingCapability: The client would have to be asked and cannot be; a protocol error since 2026-07-28.
        InternalError: In a task, whose failures are told apart from those of the tool.
    """
    registered = registry.tool(exchange.text("name"))
    arguments = exchange.object("arguments")
    try:
        outcome = await registry.invoke(registered, arguments, exchange.call)
    except GatewayError as error:
        if _is_of_the_protocol(error, exchange):
            raise
        return _failed(error)
    return _succeeded(outcome, exchange.revision)


def _hints(registered: Registered, revision: Revision) -> dict[str, Any]:
    capability = registered.capability
    title = {} if revision.titles else {"title": capability.title}
    return {
        **title,
        "readOnlyHint": capability.read_only,
        "destructiveHint": capability.destructive,
        "idempotentHint": capability.idempotent,
        "openWorldHint": capability.open_world,
    }


def _is_of_the_protocol(error: GatewayError, exchange: Exchange) -> bool:
    if isinstance(error, MissingCapability):
        return exchange.revision.per_request
    return isinstance(error, InternalError) and exchange.call.client.is_task


def _succeeded(outcome: Outcome, revision: Revision) -> dict[str, Any]:
    if outcome.content is not None:
        blocks = [block(item, revision) for item in outcome.content.blocks]
        return {"content": blocks, "isError": True} if outcome.content.is_error else {"content": blocks}
    structured, text = encoded_twice(outcome.value)
    result: dict[str, Any] = {"content": [text_block(text)]}
    if revision.structured:
        result["structuredContent"] = structured
    return result


def _failed(error: GatewayError) -> dict[str, Any]:
    # As text, not as structured content: that has to fit the tool's output schema.
    text = encode({"error": error.message, **error.payload()}).decode()
    return {"content": [text_block(text)], "isError": True}
