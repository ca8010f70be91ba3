"""One request in progress: who asks, and what can be said to or asked of the client while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast

from mcp_gateway.clock import Clock, SystemClock
from mcp_gateway.content import Message
from mcp_gateway.errors import MissingCapability

LogLevel = Literal["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
LOG_LEVELS: tuple[LogLevel, ...] = (
    "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        id: Stable over sessions. `local` is whoever runs the process, or reaches one that asks nobody to sign in.
        scopes: What the caller may do.
        everything: The caller may do all there is.
        sign_in: The sign-in that the caller's token belongs to; ending it ends what the caller has under way.
    """

    id: str
    scopes: frozenset[str] = frozenset()
    everything: bool = False
    sign_in: str | None = None

    def may(self, scopes: frozenset[str]) -> bool:
        """Whether all the scopes were granted."""
        return self.everything or scopes <= self.scopes


LOCAL = Caller("local", everything=True)
NOBODY = Caller("")


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingRequest:
    """A question to the client's own model."""

    messages: Sequence[Message]
    max_tokens: int
    system_prompt: str | None = None
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class ElicitationRequest:
    """A question to the user: a form with the fields of a flat JSON schema."""

    message: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RootsRequest:
    """Which folders the client works on."""


Question = SamplingRequest | ElicitationRequest | RootsRequest
CAPABILITY_OF: Mapping[type[Question], str] = {
    SamplingRequest: "sampling",
    ElicitationRequest: "elicitation",
    RootsRequest: "roots",
}


@dataclass(frozen=True, slots=True)
class SamplingAnswer:
    """What the client's model said."""

    text: str
    model: str
    stop_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ElicitationAnswer:
    """What the user answered to a form. `content` is there only when accepted; then it fits the schema."""

    action: Literal["accept", "decline", "cancel"]
    content: Mapping[str, Any] | None = None


Answer = SamplingAnswer | ElicitationAnswer | Sequence[str]


class Client(Protocol):
    """The other side of a call, as its transport and revision let us reach it."""

    @property
    def can_sample(self) -> bool:
        """Whether it lends its model."""
        ...

    @property
    def can_elicit(self) -> bool:
        """Whether it can ask its user."""
        ...

    @property
    def can_list_roots(self) -> bool:
        """Whether it says which folders it works on."""
        ...

    async def progress(self, done: float, total: float | None, message: str | None) -> None:
        """Report progress, if the request asked for it."""
        ...

    async def log(self, level: LogLevel, data: Any, logger: str | None) -> None:
        """Send a log message, if the session wants this level."""
        ...

    async def ask(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        """Ask all at once; the answers have the keys of the questions. Raises Unavailable when one cannot be had."""
        ...

    @property
    def is_task(self) -> bool:
        """Whether the call has become a task."""
        ...

    async def detach(self, *, required: bool) -> None:
        """Let the client go, where it can come back for the answer. Raises MissingCapability if required."""
        ...


class NoClient:
    """The client of a REST or command-line call: nothing to ask, nobody to tell."""

    can_sample = False
    can_elicit = False
    can_list_roots = False
    is_task = False

    async def progress(self, done: float, total: float | None, message: str | None) -> None:
        """Tell nobody."""

    async def log(self, level: LogLevel, data: Any, logger: str | None) -> None:
        """Tell nobody."""

    async def ask(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        """Refuse."""
        raise MissingCapability([CAPABILITY_OF[type(question)] for question in questions.values()])

    async def detach(self, *, required: bool) -> None:
        """Keep it: there is no coming back."""
        if required:
            raise MissingCapability(["tasks"])


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

    @property
    def can_list_roots(self) -> bool:
        """Whether the client says which folders it works on."""
        return self.client.can_list_roots

    async def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Report progress. Values that do not grow are dropped; nothing is sent unless the client asked."""
        await self.client.progress(done, total, message)

    async def log(self, level: LogLevel, data: Any, logger: str | None = None) -> None:
        """Send the client a log message; `data` is any JSON. Never put secrets in it."""
        await self.client.log(level, data, logger)

    async def sample(self, request: SamplingRequest, *, key: str = "sampling") -> SamplingAnswer:
        """Ask the client's model.

        Since 2026-07-28 a question ends the call, and the client calls again with the answer: the handler runs anew
        from its beginning, and this returns. So change nothing before the last question. See
        `docs/explanations/asking-the-client.md`.

        Args:
            request: The question.
            key: Names the question to clients of 2026-07-28.

        Raises:
            MissingCapability: The client lends no model.
            Unavailable: It declines, does not answer in time, or not sensibly.
        """
        return cast(SamplingAnswer, (await self.client.ask({key: request}))[key])

    async def elicit(self, message: str, schema: Mapping[str, Any], *, key: str = "elicitation") -> ElicitationAnswer:
        """Ask the user to fill a flat form of the given JSON schema. As `sample`."""
        return cast(ElicitationAnswer, (await self.client.ask({key: ElicitationRequest(message, schema)}))[key])

    async def list_roots(self, *, key: str = "roots") -> Sequence[str]:
        """The folders the client works on, as `file://` URIs. As `sample`."""
        return cast(Sequence[str], (await self.client.ask({key: RootsRequest()}))[key])

    async def ask(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        """Ask several questions at once; the answers have their keys. As `sample`, in one round for all."""
        return await self.client.ask(questions)

    async def detach(self, *, required: bool = False) -> None:
        """Let the client go before work that takes long; it comes back for the answer.

        Since 2026-07-28 the call becomes a task, if the client knows tasks; over streamable HTTP of 2025-11-25 the
        response ends and the client resumes it; elsewhere nothing happens, and the client waits.

        Args:
            required: The work makes no sense unless as a task.

        Raises:
            MissingCapability: It was required, and the client does not know tasks.
        """
        await self.client.detach(required=required)
