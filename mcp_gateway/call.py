"""One request in progress: who asks, and what can be said to or asked of the client while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mcp_gateway.clock import Clock, SystemClock
from mcp_gateway.content import Message
from mcp_gateway.errors import Unavailable

LogLevel = Literal["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
LOG_LEVELS: tuple[LogLevel, ...] = (
    "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `id` is stable over sessions; `local` is whoever runs the process or reaches loopback."""

    id: str
    scopes: frozenset[str] = frozenset()
    everything: bool = False

    def may(self, scopes: frozenset[str]) -> bool:
        """Whether all the scopes were granted."""
        return self.everything or scopes <= self.scopes


LOCAL = Caller("local", everything=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingRequest:
    """A question to the client's own model."""

    messages: Sequence[Message]
    max_tokens: int
    system_prompt: str | None = None
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class SamplingAnswer:
    """What the client's model said."""

    text: str
    model: str
    stop_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ElicitationAnswer:
    """What the user answered to a form. `content` is there only when accepted."""

    action: Literal["accept", "decline", "cancel"]
    content: Mapping[str, Any] | None = None


class Client(Protocol):
    """The other side of a call, as its transport and revision let us reach it."""

    can_sample: bool
    can_elicit: bool
    can_list_roots: bool

    async def progress(self, done: float, total: float | None, message: str | None) -> None:
        """Report progress, if the request asked for it."""
        ...

    async def log(self, level: LogLevel, data: Any, logger: str | None) -> None:
        """Send a log message, if the session wants this level."""
        ...

    async def sample(self, request: SamplingRequest) -> SamplingAnswer:
        """Ask the client's model. Raises Unavailable when it cannot, declines or is late."""
        ...

    async def elicit(self, message: str, schema: Mapping[str, Any]) -> ElicitationAnswer:
        """Ask the user to fill a form. Raises Unavailable when the client cannot."""
        ...

    async def list_roots(self) -> Sequence[str]:
        """The `file://` URIs the client works on. Raises Unavailable when it cannot say."""
        ...


class NoClient:
    """The client of a REST or command-line call: nothing to ask, nobody to tell."""

    can_sample = False
    can_elicit = False
    can_list_roots = False

    async def progress(self, done: float, total: float | None, message: str | None) -> None:
        """Tell nobody."""

    async def log(self, level: LogLevel, data: Any, logger: str | None) -> None:
        """Tell nobody."""

    async def sample(self, request: SamplingRequest) -> SamplingAnswer:
        """Refuse."""
        raise Unavailable("This client has no model to ask.")

    async def elicit(self, message: str, schema: Mapping[str, Any]) -> ElicitationAnswer:
        """Refuse."""
        raise Unavailable("This client cannot ask its user.")

    async def list_roots(self) -> Sequence[str]:
        """Refuse."""
        raise Unavailable("This client has no roots.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request in progress. Handlers get it as their second argument.

    Attributes:
        caller: Who asks.
        client: The other side; use the methods below rather than this.
        session_id: The MCP session, None outside of one.
        protocol_version: The agreed MCP revision, None outside of MCP.
        arguments: While completing: values already chosen for the other variables.
    """

    caller: Caller = LOCAL
    client: Client = field(default_factory=NoClient)
    clock: Clock = field(default_factory=SystemClock)
    session_id: str | None = None
    protocol_version: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def can_sample(self) -> bool:
        """Whether the client lends its model."""
        return self.client.can_sample

    @property
    def can_elicit(self) -> bool:
        """Whether the client can ask its user."""
        return self.client.can_elicit

    async def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Report progress. Values that do not grow are dropped; nothing is sent unless the client asked."""
        await self.client.progress(done, total, message)

    async def log(self, level: LogLevel, data: Any, logger: str | None = None) -> None:
        """Send the client a log message; `data` is any JSON. Never put secrets in it."""
        await self.client.log(level, data, logger)

    async def sample(self, request: SamplingRequest) -> SamplingAnswer:
        """Ask the client's model.

        Raises:
            Unavailable: It cannot, declines, or does not answer in time.
        """
        return await self.client.sample(request)

    async def elicit(self, message: str, schema: Mapping[str, Any]) -> ElicitationAnswer:
        """Ask the user to fill a flat form of the given JSON schema.

        Raises:
            Unavailable: The client cannot.
        """
        return await self.client.elicit(message, schema)

    async def list_roots(self) -> Sequence[str]:
        """The folders the client works on, as `file://` URIs.

        Raises:
            Unavailable: The client does not say.
        """
        return await self.client.list_roots()
