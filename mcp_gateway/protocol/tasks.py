"""Calls that go on after they were answered: the extension `io.modelcontextprotocol/tasks` of 2026-07-28.

A handler that calls `Call.detach` becomes a task: the client is told its id at once and comes back for the result.
Tasks live in the process that runs them and end with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from secrets import token_urlsafe
from typing import Any

import anyio

from mcp_gateway.call import Answer, Caller, Question
from mcp_gateway.clock import Clock
from mcp_gateway.errors import InvalidParams, Unavailable
from mcp_gateway.protocol.exchange import Exchange
from mcp_gateway.protocol.messages import RpcError
from mcp_gateway.protocol.questions import answer_of, request_of
from mcp_gateway.protocol.rounds import Rounds
from mcp_gateway.protocol.versions import Revision

EXTENSION = "io.modelcontextprotocol/tasks"
TTL = timedelta(hours=1)
POLL_MS = 500
# More than people start in an hour; a task holds its result until its time is over.
MAX_TASKS = 1000

Method = Callable[[], Awaitable[dict[str, Any]]]
Spawn = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


@dataclass(slots=True)
class _Open:
    """A question that waits for its answer."""

    question: Question
    answered: anyio.Event = field(default_factory=anyio.Event)
    answer: Answer | None = None


class Task:
    """One call that goes on, for whoever made it and the sign-in they made it with. `scope` is what runs it."""

    def __init__(self, caller: Caller, clock: Clock, scope: anyio.CancelScope) -> None:
        self.id = token_urlsafe(24)
        self._caller_id, self.sign_in = caller.id, caller.sign_in
        self.created_at = clock.now()
        self._clock = clock
        self._scope = scope
        self._updated_at = self.created_at
        self._outcome: dict[str, Any] = {"status": "working"}
        self._open: dict[str, _Open] = {}
        self._asked = 0

    def is_of(self, caller: Caller) -> bool:
        """Whether the caller made it, by the same sign-in: another one may have fewer rights."""
        return (self._caller_id, self.sign_in) == (caller.id, caller.sign_in)

    def ended(self, **outcome: Any) -> None:
        """It is over: `status`, and `result` or `error`. What comes later changes nothing."""
        if self._outcome["status"] == "working":
            self._outcome = outcome
            self._open.clear()
            self._updated_at = self._clock.now()

    def cancel(self) -> None:
        """Stop it, unless it is over."""
        self.ended(status="cancelled")
        self._scope.cancel()

    async def ask(self, questions: Mapping[str, Question]) -> dict[str, Answer]:
        """Wait until the client has answered all."""
        waiting = {key: _Open(question) for key, question in questions.items()}
        for key, asked in waiting.items():
            self._asked += 1
            self._open[f"{key}-{self._asked}"] = asked
        self._updated_at = self._clock.now()
        for asked in waiting.values():
            await asked.answered.wait()
        return {key: asked.answer for key, asked in waiting.items() if asked.answer is not None}

    def take(self, answers: Mapping[str, Any]) -> None:
        """Take the answers to questions that are open; the others stay open."""
        for name, answer in answers.items():
            asked = self._open.get(name)
            if asked is not None and isinstance(answer, dict):
                with suppress(Unavailable):
                    asked.answer = answer_of(asked.question, answer)
                    del self._open[name]
                    asked.answered.set()
        self._updated_at = self._clock.now()

    def begun(self) -> dict[str, Any]:
        """As the client sees it first, however far it is by now."""
        return {
            "status": "working",
            "taskId": self.id,
            "createdAt": _text(self.created_at),
            "lastUpdatedAt": _text(self._updated_at),
            "ttlMs": int(TTL.total_seconds() * 1000),
            "pollIntervalMs": POLL_MS,
        }

    def shown(self, revision: Revision) -> dict[str, Any]:
        """As the client sees it: what it asks, or how it ended."""
        if not self._open:
            return {**self.begun(), **self._outcome}
        requests = {name: request_of(asked.question, revision) for name, asked in self._open.items()}
        return {**self.begun(), "status": "input_required", "inputRequests": requests}


class Tasks:
    """The tasks of one process.

    Args:
        spawn: Runs work that outlives the request.
    """

    def __init__(self, clock: Clock, spawn: Spawn) -> None:
        self.spawn = spawn
        self._clock = clock
        self._tasks: dict[str, Task] = {}

    def end_sign_in(self, sign_in: str) -> None:
        """Stop what was begun with it."""
        for task in self._tasks.values():
            if task.sign_in == sign_in:
                task.cancel()

    def create(self, caller: Caller, scope: anyio.CancelScope) -> Task | None:
        """A new task; None when there are too many."""
        oldest = self._clock.now() - TTL
        self._tasks = {task.id: task for task in self._tasks.values() if task.created_at > oldest}
        if len(self._tasks) >= MAX_TASKS:
            return None
        task = Task(caller, self._clock, scope)
        self._tasks[task.id] = task
        return task

    async def get(self, exchange: Exchange) -> dict[str, Any]:
        """tasks/get: how it fares, what it asks, or its result."""
        return self._find(exchange).shown(exchange.revision)

    async def update(self, exchange: Exchange) -> dict[str, Any]:
        """tasks/update: answers to what it asks."""
        self._find(exchange).take(exchange.object("inputResponses"))
        return {}

    async def cancel(self, exchange: Exchange) -> dict[str, Any]:
        """tasks/cancel. One that is over stays as it is."""
        self._find(exchange).cancel()
        return {}

    def _find(self, exchange: Exchange) -> Task:
        """The caller's task. Raises InvalidParams: also for a task of somebody else, which must not be told apart."""
        task = self._tasks.get(exchange.text("taskId"))
        if task is None or not task.is_of(exchange.call.caller):
            raise InvalidParams("taskId", "there is no such task, or no longer")
        return task


class Errand(Rounds):
    """The rounds of a call that may become a task: it runs in a task of its own from the beginning.

    Args:
        translate: An error as the protocol has it.
    """

    def __init__(
        self,
        params: Mapping[str, Any],
        revision: Revision,
        tasks: Tasks,
        *,
        caller: Caller,
        translate: Callable[[Exception], RpcError],
    ) -> None:
        super().__init__(params, revision)
        self._tasks = tasks
        self._caller = caller
        self._translate = translate
        self._task: Task | None = None
        self._work = anyio.CancelScope()
        self._settled = anyio.Event()
        self._result: dict[str, Any] | None = None
        self._error: Exception | None = None

    @property
    def is_task(self) -> bool:
        """Whether the client has been told the task's id."""
        return self._task is not None

    async def run(self, method: Method) -> dict[str, Any]:
        """The result, what has to be answered first, or the task that the call has become."""

        async def work() -> None:
            await self._do(method)

        self._tasks.spawn(work)
        try:
            await self._settled.wait()
        except anyio.get_cancelled_exc_class():
            self._work.cancel()
            raise
        if self._task is not None:
            return {"resultType": "task", **self._task.begun()}
        if self._result is None:
            raise self._error or Unavailable("The call was stopped.")
        return self._result

    async def ask(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        """As a task, wait for the answers; before that, in rounds."""
        return await (super().ask(questions) if self._task is None else self._task.ask(questions))

    async def detach(self) -> bool:
        """Become a task."""
        self._task = self._task or self._tasks.create(self._caller, self._work)
        if self._task is not None:
            self._settled.set()
        return self._task is not None

    async def _do(self, method: Method) -> None:
        try:
            with self._work:
                self._result = await super().run(method)
        except Exception as error:
            self._error = error
        finally:
            self._settled.set()
            if self._task is not None:
                self._end(self._task)

    def _end(self, task: Task) -> None:
        if self._result is not None:
            task.ended(status="completed", result={"resultType": "complete", **self._result})
        elif self._error is not None:
            task.ended(status="failed", error=self._translate(self._error).as_json())
        else:
            task.ended(status="cancelled")


def _text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
