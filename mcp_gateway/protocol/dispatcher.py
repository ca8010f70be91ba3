"""Messages in, messages out, for one client over a duplex pipe (stdio, SSE): one task a request.

Ours instead of the SDK's because that one loses malformed messages and pending answers, takes `"7"` for `7`, and
spends more time on memory streams than on the work. It drives the SDK's `ServerRunner` all the same.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio
from anyio.abc import TaskGroup
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.transport_context import TransportContext
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, INVALID_REQUEST, REQUEST_TIMEOUT

from mcp_gateway.protocol.encoding import encode
from mcp_gateway.protocol.messages import (
    Message,
    Notification,
    Parsed,
    Refusal,
    Request,
    RequestId,
    Response,
)
from mcp_gateway.protocol.outbox import Outbox, Signal

log = logging.getLogger(__name__)

Params = Mapping[str, Any] | None
Send = Callable[[bytes | None], None]

# Questions of ours that wait for one client's answer; a server that asks more has lost its way.
MAX_QUESTIONS = 256
MAX_REASON_SHOWN = 200
CLEANUP_SECONDS = 0.3


class Handlers(Protocol):
    """What serves the messages."""

    async def on_request(self, context: RequestContext, method: str, params: Params) -> dict[str, Any]:
        """The result. Raises MCPError for what the client is to be told."""
        ...

    async def on_notify(self, context: RequestContext, method: str, params: Params) -> None:
        """Take note. Must not raise."""
        ...


@dataclass(slots=True)
class _Question:
    """A request of ours, until it is answered."""

    answered: anyio.Event = field(default_factory=anyio.Event)
    answer: Response | None = None


class Dispatcher:
    """The conversation with one client. Implements the SDK's `Outbound`.

    Args:
        outbox: Where answers and notifications go.
        kind: The transport's name.
        max_running: Requests that run at a time; `receive` waits when there are more.
        ask_seconds: How long the client may take to answer a question of ours.
    """

    def __init__(self, outbox: Outbox, *, kind: str, max_running: int = 256, ask_seconds: float = 60) -> None:
        self.outbox = outbox
        self.transport = TransportContext(kind=kind, can_send_request=True)
        self._max_running = max_running
        self._ask_seconds = ask_seconds
        self._running: dict[RequestId, anyio.CancelScope] = {}
        self._busy = 0
        self._freed = Signal()
        self._questions: dict[RequestId, _Question] = {}
        self._last_id = 0
        self._closed = False
        self._tasks: TaskGroup
        self._handlers: Handlers

    @asynccontextmanager
    async def serving(self, handlers: Handlers) -> AsyncIterator[Dispatcher]:
        """Serve what `receive` is given. On leaving, whatever still runs is cancelled."""
        self._handlers = handlers
        try:
            async with anyio.create_task_group() as self._tasks:
                yield self
                self._tasks.cancel_scope.cancel()
        finally:
            self.close()

    async def receive(self, parsed: Parsed) -> None:
        """Take what `framing.parse` read.

        Returns when all of it has begun: waits while too much is running, or waits to be read by the client.
        """
        if isinstance(parsed, list):
            batch = _Batch(self.outbox.put)
            for message in parsed:
                await self._take(message, batch.member())
            batch.seal()
        else:
            await self._take(parsed, self._send)

    async def finish(self, seconds: float) -> None:
        """No more will come: give what runs some time to be answered, then answer for it."""
        self._closed = True
        self._fail_questions()
        await self._idle(seconds)
        for scope in list(self._running.values()):
            scope.cancel()
        await self._idle(CLEANUP_SECONDS)

    async def _idle(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            while self._running:
                await self._freed.wait()

    def close(self) -> None:
        """The client is gone."""
        self._closed = True
        self._fail_questions()
        self._freed.wake()

    async def notify(self, method: str, params: Params, opts: CallOptions | None = None) -> None:
        """Send a notification, as soon as the client reads."""
        await self.outbox.room()
        self.outbox.put(encode(_message(method, params)))

    async def send_raw_request(self, method: str, params: Params, opts: CallOptions | None = None) -> dict[str, Any]:
        """Ask the client and wait for its answer. While waiting, the asking request does not count as running.

        Raises:
            MCPError: The client answered with an error, was late, or is gone.
        """
        if self._closed or len(self._questions) >= MAX_QUESTIONS:
            raise MCPError(CONNECTION_CLOSED, "The client cannot be asked now")
        self._last_id += 1
        request_id, question = self._last_id, _Question()
        self._questions[request_id] = question
        self._release()
        try:
            self.outbox.put(encode({"jsonrpc": "2.0", "id": request_id, **_body(method, params)}))
            with anyio.fail_after((opts or {}).get("timeout", self._ask_seconds)):
                await question.answered.wait()
        except TimeoutError:
            self._withdraw(request_id, "no answer in time")
            raise MCPError(REQUEST_TIMEOUT, f"No answer to {method} in time") from None
        except anyio.get_cancelled_exc_class():
            self._withdraw(request_id, "no longer needed")
            raise
        finally:
            self._busy += 1
            self._questions.pop(request_id, None)
        return _result_of(question.answer)

    async def _take(self, message: Message, send: Send) -> None:
        match message:
            case Request():
                await self._start(message, send)
                await self.outbox.room()
            case Notification():
                send(None)
                await self._note(message)
            case Response():
                send(None)
                self._answer(message)
            case Refusal(request_id, code, text):
                send(encode(_error(request_id, code, text)))
                await self.outbox.room()
            case None:
                send(None)

    async def _start(self, request: Request, send: Send) -> None:
        while self._busy >= self._max_running and not self._closed:
            await self._freed.wait()
        if self._closed:
            send(self._farewell(request.id))
        elif request.id in self._running:
            send(encode(_error(request.id, INVALID_REQUEST, "A request with this id is still running")))
        elif request.method == "initialize":
            # Here and now, so that what follows in the same write finds the session open; and out of
            # reach of a cancellation, which the specification forbids.
            send(await self._answer_to(request, RequestContext(self, request)))
        else:
            self._busy += 1
            self._running[request.id] = scope = anyio.CancelScope()
            self._tasks.start_soon(self._serve, request, scope, send)

    async def _serve(self, request: Request, scope: anyio.CancelScope, send: Send) -> None:
        context, answer = RequestContext(self, request), None
        try:
            with scope:
                answer = await self._answer_to(request, context)
            context.close()
            send(answer if not scope.cancel_called else self._farewell(request.id))
            await self.outbox.room()
        finally:
            context.close()
            self._running.pop(request.id, None)
            self._release()

    def _farewell(self, request_id: RequestId) -> bytes | None:
        """The answer to a cancelled request: none to one that the client cancelled."""
        return encode(_error(request_id, CONNECTION_CLOSED, "The server is shutting down")) if self._closed else None

    async def _answer_to(self, request: Request, context: RequestContext) -> bytes:
        try:
            result = await self._handlers.on_request(context, request.method, request.params)
            return encode({"jsonrpc": "2.0", "id": request.id, "result": result})
        except MCPError as error:
            return encode(_error(request.id, error.code, error.message, error.data))
        except Exception:
            log.exception("a request failed outside its handler", extra={"method": request.method})
            return encode(_error(request.id, INTERNAL_ERROR, "Internal error"))

    async def _note(self, notification: Notification) -> None:
        params = notification.params
        if notification.method == "notifications/cancelled":
            self._cancel(params or {})
        await self._handlers.on_notify(RequestContext(self, None), notification.method, params)

    def _cancel(self, params: Mapping[str, Any]) -> None:
        request_id, reason = params.get("requestId"), params.get("reason")
        # A dict would find 1 under True and under 1.0, which are not ids.
        scope = self._running.get(request_id) if type(request_id) in (int, str) else None  # type: ignore[arg-type]
        if scope is not None:
            log.info("request cancelled", extra={"request_id": request_id, "reason": str(reason)[:MAX_REASON_SHOWN]})
            scope.cancel()

    def _answer(self, response: Response) -> None:
        question = self._questions.get(response.id) if type(response.id) is int else None
        if question is not None:
            question.answer = response
            question.answered.set()

    def _withdraw(self, request_id: RequestId, reason: str) -> None:
        self.outbox.put(encode(_message("notifications/cancelled", {"requestId": request_id, "reason": reason})))

    def _fail_questions(self) -> None:
        for question in self._questions.values():
            question.answered.set()

    def _release(self) -> None:
        self._busy -= 1
        self._freed.wake()

    def _send(self, answer: bytes | None) -> None:
        if answer is not None:
            self.outbox.put(answer)


class RequestContext:
    """One request's way back to the client. Implements the SDK's `DispatchContext`; says nothing once closed."""

    __slots__ = ("_cancelled", "_dispatcher", "_open", "message_metadata", "request_id", "transport")

    def __init__(self, dispatcher: Dispatcher, request: Request | None) -> None:
        self._dispatcher = dispatcher
        self._open = True
        self._cancelled: anyio.Event | None = None
        self.transport = dispatcher.transport
        self.request_id = request.id if request else None
        self.message_metadata = None

    @property
    def can_send_request(self) -> bool:
        """Whether the client can be asked."""
        return self._open and self.transport.can_send_request

    @property
    def cancel_requested(self) -> anyio.Event:
        """Never set: a cancelled request is cancelled at once, by its scope."""
        self._cancelled = self._cancelled or anyio.Event()
        return self._cancelled

    def one_way(self) -> RequestContext:
        """For revisions in which a server asks nothing."""
        self.transport = TransportContext(kind=self.transport.kind, can_send_request=False)
        return self

    def close(self) -> None:
        """The request is over."""
        self._open = False

    async def send_raw_request(self, method: str, params: Params, opts: CallOptions | None = None) -> dict[str, Any]:
        """Ask the client."""
        if not self.can_send_request:
            raise NoBackChannelError(method)
        return await self._dispatcher.send_raw_request(method, params, opts)

    async def notify(self, method: str, params: Params, opts: CallOptions | None = None) -> None:
        """Send a notification that belongs to this request."""
        if self._open:
            await self._dispatcher.notify(method, params, opts)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Unused: `client.py` reports progress, with its rules, over `notify`."""


class _Batch:
    """Collects the answers of a batch and sends them as one array, or nothing when there are none."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put
        self._answers: list[bytes] = []
        self._open = 1

    def member(self) -> Send:
        self._open += 1
        return self._settle

    def seal(self) -> None:
        """All members are known."""
        self._settle(None)

    def _settle(self, answer: bytes | None) -> None:
        self._open -= 1
        if answer is not None:
            self._answers.append(answer)
        if not self._open and self._answers:
            self._put(b"[" + b",".join(self._answers) + b"]")


def _result_of(answer: Response | None) -> dict[str, Any]:
    if answer is None:
        raise MCPError(CONNECTION_CLOSED, "The client is gone")
    if isinstance(answer.result, dict):
        return answer.result
    error = answer.error if isinstance(answer.error, dict) else {}
    code, text = error.get("code"), error.get("message")
    raise MCPError(code if isinstance(code, int) else INTERNAL_ERROR, text if isinstance(text, str) else "No result")


def _body(method: str, params: Params) -> dict[str, Any]:
    return {"method": method, "params": params} if params else {"method": method}


def _message(method: str, params: Params) -> dict[str, Any]:
    return {"jsonrpc": "2.0", **_body(method, params)}


def _error(request_id: RequestId | None, code: int, message: str, data: Any = None) -> dict[str, Any]:
    error = {"code": code, "message": message} if data is None else {"code": code, "message": message, "data": data}
    return {"jsonrpc": "2.0", "id": request_id, "error": error}
