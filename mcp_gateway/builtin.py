"""What the gateway says of itself: its plugins and its health, as resources."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mcp_gateway.call import Call
from mcp_gateway.capability import Capability, NoParams, capability
from mcp_gateway.plugin_discovery import Plugin

# What those may do who look after the gateway.
OPERATE = frozenset({"gateway:read"})


class PluginState(BaseModel, defer_build=True):
    """One plugin."""

    name: str
    version: str | None = None
    origin: str = Field(description="Where it was found.")
    state: str = Field(description="running, quarantined, disabled or stopped.")
    reason: str | None = Field(None, description="Why it does not run.")


class PluginStates(BaseModel, defer_build=True):
    """All plugins."""

    plugins: list[PluginState]


class Health(BaseModel):
    """How the gateway fares."""

    model_config = ConfigDict(extra="allow", defer_build=True)
    status: str = Field(description="ok, degraded or draining.")


def states_of(plugins: Sequence[Plugin]) -> PluginStates:
    """The plugins as clients see them."""
    return PluginStates(
        plugins=[
            PluginState(name=p.name, version=p.version, origin=p.origin, state=p.state, reason=p.reason)
            for p in plugins
        ]
    )


def capabilities(
    plugins: Callable[[], Sequence[Plugin]], health: Callable[[], Awaitable[dict[str, Any]]]
) -> list[Capability]:
    """The gateway's own resources."""

    async def read_plugins(params: NoParams, call: Call) -> PluginStates:
        """The gateway's plugins: which run, and why the others do not."""
        return states_of(plugins())

    async def read_health(params: NoParams, call: Call) -> Health:
        """Whether the gateway and what it depends on work."""
        return Health.model_validate(await health())

    return [
        capability("read_plugins", read_plugins, title="Plugins", tool=False, uri="gateway://plugins", scopes=OPERATE),
        capability("read_health", read_health, title="Health", tool=False, uri="gateway://health", scopes=OPERATE),
    ]
