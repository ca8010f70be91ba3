"""What is known of one client: its revision, what it declared, and what is to be done when it leaves."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio

from mcp_gateway.protocol.messages import INVALID_PARAMS, RpcError
from mcp_gateway.protocol.versions import LATEST_HANDSHAKE, REVISIONS

log = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0


class Outbound(Protocol):
    """Where goes what belongs to no request."""

    async def notify(self, method: str, params: Mapping[str, Any] | None) -> None:
        """Send a notification."""
        ...


@dataclass(slots=True)
class Connection:
    """One client; of a revision without sessions, one request of it.

    Attributes:
        client_capabilities: What it declared; None before the handshake.
        client_info: Who it says it is.
        state: What is remembered between its requests.
        exit_stack: Runs when the client has gone.
    """

    outbound: Outbound | None
    protocol_version: str = LATEST_HANDSHAKE
    session_id: str | None = None
    client_capabilities: Mapping[str, Any] | None = None
    client_info: Any = None
    state: dict[str, Any] = field(default_factory=dict)
    exit_stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def open(self, params: Mapping[str, Any]) -> None:
        """Take what the client says in `initialize`, and agree on a revision: its own, or the latest that has one.

        Raises:
            RpcError: Something required is missing or not what it should be.
        """
        capabilities, info = params.get("capabilities"), params.get("clientInfo")
        fault = _fault(params.get("protocolVersion"), capabilities, info)
        if fault is not None:
            raise RpcError(INVALID_PARAMS, f"Invalid params: {fault}")
        revision = REVISIONS.get(params["protocolVersion"])
        self.protocol_version = revision.name if revision and not revision.per_request else LATEST_HANDSHAKE
        self.client_capabilities, self.client_info = capabilities, info

    async def notify(self, method: str, params: Mapping[str, Any] | None) -> None:
        """Tell the client something that belongs to no request."""
        if self.outbound is not None:
            await self.outbound.notify(method, params)

    async def close(self) -> None:
        """The client has gone."""
        with anyio.move_on_after(CLOSE_SECONDS, shield=True):
            try:
                await self.exit_stack.aclose()
            except Exception:
                log.exception("what was to be done when a client leaves failed")


def _fault(version: object, capabilities: object, info: object) -> str | None:
    if not isinstance(version, str):
        return "protocolVersion: must be a string"
    if not isinstance(capabilities, dict):
        return "capabilities: must be an object"
    if not isinstance(info, dict):
        return "clientInfo: must be an object"
    for name in ("name", "version"):
        if not isinstance(info.get(name), str):
            return f"clientInfo.{name}: must be a string"
    return None
