"""What tests of plugins need: a gateway with the plugin in it, a way to call its tools, and a clock to turn.

async with running_gateway(my_plugin, data_dir=tmp_path, plugins={"mine": {"limit": 3}}) as gateway:
    assert await call_tool(gateway, "greet_somebody", name="Ada") == {"text": "Hello, Ada"}
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mcp_gateway.call import Call
from mcp_gateway.clock import Clock
from mcp_gateway.config import load
from mcp_gateway.gateway import Gateway
from mcp_gateway.registry import Outcome

__all__ = ["FakeClock", "call_tool", "running_gateway"]


class FakeClock:
    """A clock that stands until it is turned.

    Args:
        start: What it shows at first: aware.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._elapsed = 0.0

    def now(self) -> datetime:
        """What the clock shows: aware, UTC."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since it was made; setting it does not change them."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
        self._elapsed += seconds

    def set(self, now: datetime) -> None:
        """Make the wall clock jump, as real ones do."""
        self._now = now


@asynccontextmanager
async def running_gateway(
    *plugins: Any, data_dir: Path, clock: Clock | None = None, **sections: dict[str, Any]
) -> AsyncIterator[Gateway]:
    """A gateway with these plugins and no others, on an embedded database.

    Args:
        plugins: Modules, or objects with hooks; named by `NAME`, or as their module.
        data_dir: Where it keeps its data: pytest's `tmp_path`.
        clock: Instead of the machine's.
        sections: Settings, by section; the environment and settings files do not count.

    Raises:
        PluginError: A plugin does not start, unless `gateway={"strict_plugins": False}`.
    """
    gateway = {"strict_plugins": True, "profile": "full", **sections.pop("gateway", {}), "data_dir": data_dir}
    settings = load(overrides={**sections, "gateway": gateway}, environ={}, files=False)
    async with Gateway(settings, list(plugins), clock=clock).running() as running:
        yield running


async def call_tool(gateway: Gateway, name: str, /, **arguments: Any) -> Any:
    """Call a tool as a client does: arguments and result are checked against its schemas.

    Returns:
        The JSON object of a typed result, or the `Content`.

    Raises:
        GatewayError: What the client would be told.
    """
    outcome: Outcome = await gateway.registry.invoke(gateway.registry.tool(name), arguments, Call(clock=gateway.clock))
    return outcome.value if outcome.content is None else outcome.content
