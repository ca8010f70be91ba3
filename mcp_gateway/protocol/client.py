"""The client of a call as handlers see it: progress, log messages, and what it can be asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import anyio

from mcp_gateway.call import CAPABILITY_OF, LOG_LEVELS, Answer, LogLevel, Question, RootsRequest
from mcp_gateway.clock import Clock
from mcp_gateway.errors import MissingCapability, Unavailable, first_of
from mcp_gateway.protocol.connection import Connection
from mcp_gateway.protocol.context import RequestContext
from mcp_gateway.protocol.messages import RpcError
from mcp_gateway.protocol.questions import answer_of, request_of
from mcp_gateway.protocol.rounds import Rounds
from mcp_gateway.protocol.session import Session
from mcp_gateway.protocol.versions import LOG_LEVEL_KEY, Revision

# Twenty a second are smooth to look at; more would only fill the connection.
PROGRESS_PAUSE_SECONDS = 0.05


class McpClient:
    """Implements `call.Client` over one request's channel.

    Args:
        channel: The way back that belongs to the request.
        rounds: How the client is asked where it cannot be sent requests; None where that is no question either.
        ask_seconds: How long an answer may take.
    """

    def __init__(
        self,
        channel: RequestContext,
        connection: Connection,
        session: Session,
        revision: Revision,
        *,
        meta: Mapping[str, Any],
        rounds: Rounds | None,
        clock: Clock,
        ask_seconds: float,
    ) -> None:
        self._channel = channel
        self._declared = connection.client_capabilities or {}
        self._session = session
        self._revision = revision
        self._rounds = rounds
        self._clock = clock
        self._ask_seconds = ask_seconds
        self._meta = meta
        self._done: float | None = None
        self._held: dict[str, Any] | None = None
        self._next_at = 0.0

    @property
    def can_sample(self) -> bool:
        """Whether it lends its model."""
        return self._can("sampling")

    @property
    def can_elicit(self) -> bool:
        """Whether it can ask its user."""
        return self._revision.elicitation and self._can("elicitation")

    @property
    def can_list_roots(self) -> bool:
        """Whether it says which folders it works on."""
        return self._can("roots")

    async def progress(self, done: float, total: float | None, message: str | None) -> None:
        """Report progress that grew. Between two reports there is a pause; the newest held back is sent at the end."""
        token = self._meta.get("progressToken")
        if not isinstance(token, str | int) or isinstance(token, bool):
            return
        if self._done is not None and done <= self._done:
            return
        self._done = done
        self._held = _progress(token, done, total, message if self._revision.progress_text else None)
        now = self._clock.monotonic()
        if now >= self._next_at:
            self._next_at = now + PROGRESS_PAUSE_SECONDS
            await self.finish()

    async def finish(self) -> None:
        """Before the result: report the progress that was held back."""
        if self._held is not None:
            held, self._held = self._held, None
            await self._channel.notify("notifications/progress", held)

    async def log(self, level: LogLevel, data: Any, logger: str | None) -> None:
        """Send a log message, if the client wants this level."""
        if self._wants_log(level):
            named = {} if logger is None else {"logger": logger}
            await self._channel.notify("notifications/message", {"level": level, **named, "data": data})

    async def ask(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        """Ask all at once. Raises MissingCapability, or Unavailable when one is declined, late or nonsense."""
        self._refuse_undeclared(questions.values())
        if self._rounds is not None:
            return await self._rounds.ask(questions)
        if len(questions) == 1:
            return {key: await self._answer_to(question) for key, question in questions.items()}
        return await self._ask_together(questions)

    @property
    def is_task(self) -> bool:
        """Whether the call has become a task."""
        return self._rounds is not None and self._rounds.is_task

    async def detach(self, *, required: bool) -> None:
        """Become a task, or end the response where the client can resume it. Raises MissingCapability if required."""
        if self._rounds is not None and await self._rounds.detach():
            return
        if required:
            raise MissingCapability(["tasks"])
        if self._channel.close_stream is not None:
            await self._channel.close_stream()

    def _can(self, capability: str) -> bool:
        per_request = self._revision.per_request
        is_reachable = self._rounds is not None if per_request else self._channel.can_send_request
        return is_reachable and self._declared.get(capability) is not None

    def _refuse_undeclared(self, questions: Iterable[Question]) -> None:
        can = {"sampling": self.can_sample, "elicitation": self.can_elicit, "roots": self.can_list_roots}
        needed = dict.fromkeys(CAPABILITY_OF[type(question)] for question in questions)
        missing = [capability for capability in needed if not can[capability]]
        if missing:
            raise MissingCapability(missing)

    async def _ask_together(self, questions: Mapping[str, Question]) -> dict[str, Answer]:
        answers: dict[str, Answer] = {}

        async def ask(key: str, question: Question) -> None:
            answers[key] = await self._answer_to(question)

        try:
            async with anyio.create_task_group() as tasks:
                for key, question in questions.items():
                    tasks.start_soon(ask, key, question)
        except ExceptionGroup as group:
            raise first_of(group) from None
        return answers

    async def _answer_to(self, question: Question) -> Answer:
        if not isinstance(question, RootsRequest):
            return await self._request(question)
        if self._session.roots is None:  # asked once, and again after the client says that they changed
            self._session.roots = cast(list[str], await self._request(question))
        return self._session.roots

    async def _request(self, question: Question) -> Answer:
        request = request_of(question, self._revision)
        method, params = request["method"], request["params"] or None
        try:
            answer = await self._channel.send_raw_request(method, params, {"timeout": self._ask_seconds})
        except RpcError as error:
            raise Unavailable(f"The client did not answer {method}: {error.message[:200]}") from None
        return answer_of(question, answer)

    def _wants_log(self, level: LogLevel) -> bool:
        if not self._revision.per_request:
            return self._session.wants_log(level)
        least = self._meta.get(LOG_LEVEL_KEY)
        return least in LOG_LEVELS and LOG_LEVELS.index(level) >= LOG_LEVELS.index(least)


def _progress(token: str | int, done: float, total: float | None, message: str | None) -> dict[str, Any]:
    optional = {"total": total, "message": message}
    present = {name: value for name, value in optional.items() if value is not None}
    return {"progressToken": token, "progress": done, **present}
