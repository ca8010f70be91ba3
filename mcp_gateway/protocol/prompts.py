"""prompts/list and prompts/get."""

from __future__ import annotations

from typing import Any

from pydantic.fields import FieldInfo

from mcp_gateway.contributions import RegisteredPrompt
from mcp_gateway.protocol.blocks import block
from mcp_gateway.protocol.exchange import Exchange, text_values
from mcp_gateway.protocol.versions import Revision
from mcp_gateway.registry import Registry


def show(registered: RegisteredPrompt, revision: Revision) -> dict[str, Any]:
    """A prompt as the list has it."""
    prompt = registered.prompt
    shown: dict[str, Any] = {"name": prompt.name, "description": prompt.description}
    if revision.titles:
        shown["title"] = prompt.title
    if prompt.params is not None and prompt.params.model_fields:
        shown["arguments"] = [_argument(name, field) for name, field in prompt.params.model_fields.items()]
    return shown


async def get(registry: Registry, exchange: Exchange) -> dict[str, Any]:
    """A prompt, filled in.

    Raises:
        NotFound: There is no such prompt.
        InvalidParams: An argument is unknown, missing or not text.
    """
    registered = registry.prompt(exchange.text("name"))
    arguments = text_values(exchange.object("arguments"), "arguments")
    messages = await registry.get_prompt(registered, arguments, exchange.call)
    shown = [{"role": m.role, "content": block(m.content, exchange.revision)} for m in messages]
    return {"description": registered.prompt.description, "messages": shown}


def _argument(name: str, field: FieldInfo) -> dict[str, Any]:
    described = {"description": field.description} if field.description else {}
    return {"name": name, **described, "required": field.is_required()}
