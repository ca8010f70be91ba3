"""The conversation with one client: what runs, what it is asked, and what is cancelled. Transports feed it.

Ours instead of the SDK's because that one loses malformed messages and pending answers, takes `"7"` for `7`, and
spends more time on memory streams than on the work.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio

from mcp_gateway.protocol.context import (
    CallOptions,
    Channel,
    Params,
    RequestContext,
    TransportContext,
    body,
    error_answer,
    notification,
)
from mcp_gateway.protocol.encoding import encode
from mcp_gateway.protocol.messages import (
    CONNECTION_CLOSED,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    REQUEST_TIMEOUT,
    Message,
    Notification,
    Refusal,
    Request,
    RequestId,
    Response,
    RpcError,
)
from mcp_gateway.protocol.outbox import Line, Signal

log = logging.getLogger(__name__)

# Questions of ours that wait for one client's answer; a server that asks more has lost its way.
MAX_QUESTIONS = 256
MAX_REASON_SHOWN = 200
CLEANUP_SECONDS = 0.3
WITHDRAW_SECONDS = 1.0


class Handlers(Protocol):
    """What serves the messages."""

    async def on_request(self, context: RequestContext, method: str, params: Params) -> dict[str, Any]:
        """The result. Raises RpcError for what the client is to be told."""
        ...

    async def on_notify(self, context: RequestContext, method: str, params: Params) -> None:
        """Take note. Must not raise."""
        ...


@dataclass(slots=True)
class Running:
    """A request that was let in, or is about to be.

    Attributes:
        line: Where it may wait for its turn.
        scope: Of the task that serves it, from when one does.
        cancelled: The client withdrew it, or the end came.
    """

    line: Line
    scope: anyio.CancelScope | None = None
    cancelled: bool = False

    def cancel(self) -> None:
        """Stop it; one that still waits for its turn need not wait for it."""
        self.cancelled = True
        if self.scope is not None:
            self.scope.cancel()
        else:
            self.line.wake_all()


@dataclass(slots=True)
class _Question:
    """A request of ours, until it is answered."""

    answered: anyio.Event = field(default_factory=anyio.Event)
    answer: Response | None = None


class Dispatcher:
    """The conversation with one client. Implements `connection.Outbound` and `context.Asker`.

    Args:
        channel: Where messages go that belong to no request.
        kind: The transport's name.
        max_running: Requests that run at a time; `let_in` waits when there are more.
        ask_seconds: How long the client may take to answer a question of ours.

    Attributes:
        handlers: What serves the messages; to be set before the first.
    """

    handlers: Handlers

    def __init__(self, channel: Channel, *, kind: str, max_running: int = 256, ask_seconds: float = 60) -> None:
        self.transport = TransportContext(kind=kind, can_send_request=True)
        self._channel = channel
        self._max_running = max_running
        self._ask_seconds = ask_seconds
        self._running: dict[RequestId, Running] = {}
        self._busy = 0
        self._freed = Signal()
        self._line = Line()
        self._questions: dict[RequestId, _Question] = {}
        self._last_id = 0
        self._closed = False

    async def take(self, message: Message, channel: Channel) -> bytes | None:
        """Take a message and do all that it wants, in the caller's task.

        Returns:
            The answer; None when nobody is owed one.
        """
        match message:
            case Request():
                refusal = await self.let_in(message)
                with anyio.CancelScope() as scope:
                    return refusal or await self.serve(message, channel, scope)
            case Notification():
                await self.note(message)
            case Response():
                self.hear(message)
            case Refusal(request_id, code, text):
                return encode(error_answer(request_id, code, text))
        return None

    async def let_in(self, request: Request) -> bytes | None:
        """Note a request, so that it can be cancelled from now on, and wait until it may run.

        `serve` or `leave` follows.

        Returns:
            None; or the answer with which it is refused.
        """
        if request.id in self._running:
            return encode(error_answer(request.id, INVALID_REQUEST, "A request with this id is still running"))
        self._running[request.id] = Running(self._line)
        try:
            await self._admit(self._running[request.id])
        except BaseException:
            del self._running[request.id]
            self._freed.wake()
            raise
        self._busy += 1
        if self._closed:
            self.leave(request)
            return self._farewell(request.id)
        return None

    async def _admit(self, running: Running) -> None:
        """Wait until there is room for one more, or no need for it."""
        while self._busy >= self._max_running and not self._closed and not running.cancelled:
            await self._line.wait()

    def leave(self, request: Request) -> None:
        """A request that was let in is over, or will not be served."""
        self._release()
        del self._running[request.id]
        self._freed.wake()

    async def serve(self, request: Request, channel: Channel, scope: anyio.CancelScope) -> bytes | None:
        """Serve a request that was let in.

        Args:
            scope: In which the caller waits for this. Cancelled together with the request: then leave it.

        Returns:
            The answer; None when the client cancelled the request.
        """
        running, context, answer = self._running[request.id], self._context(channel, request), None
        running.scope = scope
        try:
            if not running.cancelled:
                answer, _ = await answer_to(request, self.handlers.on_request(context, request.method, request.params))
        except anyio.get_cancelled_exc_class():
            if not running.cancelled:
                raise
        finally:
            context.close()
            self.leave(request)
        if not running.cancelled:
            return answer
        return self._farewell(request.id) if self._closed else None

    async def note(self, notification: Notification) -> None:
        """Take note of a notification, unless the client is gone."""
        if self._closed:
            return
        if notification.method == "notifications/cancelled":
            self._cancel(notification.params or {})
        context = RequestContext(self.transport, self._channel, None, self)
        await self.handlers.on_notify(context, notification.method, notification.params)

    def hear(self, response: Response) -> None:
        """Take the answer to a question of ours."""
        question = self._questions.get(response.id) if type(response.id) is int else None
        if question is not None:
            question.answer = response
            question.answered.set()

    async def finish(self, seconds: float) -> None:
        """No more will come: give what runs some time to be answered, then answer for it."""
        self.close()
        await self._idle(seconds)
        for running in list(self._running.values()):
            running.cancel()
        await self._idle(CLEANUP_SECONDS)

    async def _idle(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            while self._running:
                await self._freed.wait()

    def close(self) -> None:
        """The client is gone."""
        self._closed = True
        for question in self._questions.values():
            question.answered.set()
        self._line.wake_all()
        self._freed.wake()

    async def notify(self, method: str, params: Params, opts: CallOptions | None = None) -> None:
        """Send a notification that belongs to no request, as soon as the client reads."""
        await self._channel.send(notification(method, params))

    async def send_raw_request(self, method: str, params: Params, opts: CallOptions | None = None) -> dict[str, Any]:
        """Ask the client something that belongs to no request. As `ask`."""
        return await self.ask(self._channel, method, params, opts)

    async def ask(
        self,
        channel: Channel,
        method: str,
        params: Params,
        opts: CallOptions | None = None,
        *,
        makes_room: bool = False,
    ) -> dict[str, Any]:
        """Ask the client and wait for its answer.

        Args:
            makes_room: While waiting, the asking request does not count as running.

        Raises:
            RpcError: The client answered with an error, was late, or is gone.
        """
        if self._closed or len(self._questions) >= MAX_QUESTIONS:
            raise RpcError(CONNECTION_CLOSED, "The client cannot be asked now")
        self._last_id += 1
        request_id, question = self._last_id, _Question()
        self._questions[request_id] = question
        if makes_room:
            self._release()
        try:
            with anyio.fail_after((opts or {}).get("timeout", self._ask_seconds)):
                await channel.send(encode({"jsonrpc": "2.0", "id": request_id, **body(method, params)}))
                await question.answered.wait()
        except TimeoutError:
            await self._withdraw(channel, request_id, "no answer in time")
            raise RpcError(REQUEST_TIMEOUT, f"No answer to {method} in time") from None
        except anyio.get_cancelled_exc_class():
            await self._withdraw(channel, request_id, "no longer needed")
            raise
        finally:
            self._busy += makes_room
            self._questions.pop(request_id, None)
        return _result_of(question.answer)

    async def _withdraw(self, channel: Channel, request_id: RequestId, reason: str) -> None:
        with anyio.move_on_after(WITHDRAW_SECONDS, shield=True):
            await channel.send(notification("notifications/cancelled", {"requestId": request_id, "reason": reason}))

    def _cancel(self, params: Mapping[str, Any]) -> None:
        request_id, reason = params.get("requestId"), params.get("reason")
        # A dict would find 1 under True and under 1.0, which are not ids.
        running = self._running.get(request_id) if type(request_id) in (int, str) else None  # type: ignore[arg-type]
        if running is not None:
            log.info("request cancelled", extra={"request_id": request_id, "reason": str(reason)[:MAX_REASON_SHOWN]})
            running.cancel()

    def _context(self, channel: Channel, request: Request) -> RequestContext:
        return RequestContext(self.transport, channel, request.id, self, caller=request.caller)

    def _farewell(self, request_id: RequestId) -> bytes:
        return encode(error_answer(request_id, CONNECTION_CLOSED, "The server is shutting down"))

    def _release(self) -> None:
        self._busy -= 1
        self._line.wake_first()


async def answer_to(request: Request, result: Awaitable[dict[str, Any]]) -> tuple[bytes, int | None]:
    """The answer to a request, and its error code if it is an error."""
    try:
        return encode({"jsonrpc": "2.0", "id": request.id, "result": await result}), None
    except RpcError as error:
        return encode(error_answer(request.id, error.code, error.message, error.data)), error.code
    except Exception:
        log.exception("a request failed outside its handler", extra={"method": request.method})
        return encode(error_answer(request.id, INTERNAL_ERROR, "Internal error")), INTERNAL_ERROR


def _result_of(answer: Response | None) -> dict[str, Any]:
    if answer is None:
        raise RpcError(CONNECTION_CLOSED, "The client is gone")
    if isinstance(answer.result, dict):
        return answer.result
    error = answer.error if isinstance(answer.error, dict) else {}
    code, text = error.get("code"), error.get("message")
    raise RpcError(code if isinstance(code, int) else INTERNAL_ERROR, text if isinstance(text, str) else "No result")
