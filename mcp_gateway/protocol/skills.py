"""The skills extension (SEP-2640): skills/list, skills/get and resources/directory/read."""

from __future__ import annotations

from typing import Any

from mcp_gateway.errors import InvalidParams
from mcp_gateway.protocol.exchange import Exchange
from mcp_gateway.protocol.versions import Revision
from mcp_gateway.registry import Registry
from mcp_gateway.skills import Skill

EXTENSION = "io.modelcontextprotocol/skills"
SETTINGS = {"directoryRead": True}


def show(skill: Skill, revision: Revision) -> dict[str, Any]:
    """A skill as the list has it."""
    return skill.entry()


async def get(registry: Registry, exchange: Exchange) -> dict[str, Any]:
    """One skill.

    Raises:
        InvalidParams: There is none of this URI.
    """
    uri = exchange.text("uri")
    for skill in registry.skills():
        if skill.uri == uri:
            return {"skill": skill.entry()}
    raise InvalidParams("uri", "is not that of a skill")


async def read_directory(registry: Registry, exchange: Exchange) -> dict[str, Any]:
    """What stands directly in a folder of a skill.

    Raises:
        InvalidParams: There is no such folder.
    """
    uri = exchange.text("uri")
    for skill in registry.skills():
        children = skill.directory(uri)
        if children is not None:
            return {"resources": children}
    raise InvalidParams("uri", "is not that of a folder")
