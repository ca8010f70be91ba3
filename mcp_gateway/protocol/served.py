"""What the protocol needs of the gateway that it shows to clients."""

from __future__ import annotations

from typing import Any, Protocol

from mcp_gateway.clock import Clock
from mcp_gateway.interfaces import Authenticator
from mcp_gateway.pagination import Cursors
from mcp_gateway.protocol.subscriptions import Subscriptions
from mcp_gateway.registry import Registry
from mcp_gateway.services import Shutdown
from mcp_gateway.settings import Settings


class Served(Protocol):
    """A running gateway, as the faces see it."""

    @property
    def settings(self) -> Settings:
        """All settings."""
        ...

    @property
    def registry(self) -> Registry:
        """What plugins registered."""
        ...

    @property
    def resources(self) -> Subscriptions:
        """Who wants to hear of changes."""
        ...

    @property
    def cursors(self) -> Cursors:
        """Signs the cursors of lists."""
        ...

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    @property
    def shutdown(self) -> Shutdown:
        """Whether the end has begun."""
        ...

    @property
    def authenticator(self) -> Authenticator | None:
        """Says who sends an HTTP request; None where nobody has to sign in."""
        ...

    @property
    def instructions(self) -> str:
        """What clients are told about using the gateway."""
        ...

    async def health(self) -> dict[str, Any]:
        """How the gateway fares: `status`, and each part."""
        ...
