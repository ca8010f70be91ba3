"""A conversation over a duplex pipe (stdio, SSE): requests run side by side, and everything goes out by one outbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import Context, copy_context

import anyio
from anyio.abc import TaskGroup

from mcp_gateway.protocol.batch import BatchAnswers
from mcp_gateway.protocol.dispatcher import Dispatcher, Handlers, Running
from mcp_gateway.protocol.messages import Message, Parsed, Refusal, Request
from mcp_gateway.protocol.outbox import Outbox, Signal

Send = Callable[[bytes | None], None]


class Duplex(Dispatcher):
    """The conversation with one client on a pipe. Arguments as of `Dispatcher`."""

    def __init__(self, outbox: Outbox, *, kind: str, max_running: int = 256, ask_seconds: float = 60) -> None:
        super().__init__(outbox, kind=kind, max_running=max_running, ask_seconds=ask_seconds)
        self.outbox = outbox
        self._admitted: list[tuple[Request, Send]] = []
        self._hiring = False
        self._is_one_idle = False
        self._wanted = Signal()
        # Over SSE messages come side by side. One at a time they find how much waits to be read already.
        self._entrance = asyncio.Lock()
        self._tasks: TaskGroup

    @asynccontextmanager
    async def serving(self, handlers: Handlers) -> AsyncIterator[Duplex]:
        """Serve what `receive` is given. On leaving, whatever still runs is cancelled."""
        self.handlers = handlers
        try:
            async with anyio.create_task_group() as self._tasks:
                yield self
                self._tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self.finish(0)

    async def receive(self, parsed: Parsed) -> None:
        """Take what `framing.parse` read.

        Returns when all of it has begun: waits while too much is running, or waits to be read by the client.
        """
        if isinstance(parsed, list):
            batch = _Batch(self.outbox.put)
            for message in parsed:
                await self._begin(message, batch.member(message))
            batch.seal()
        else:
            await self._begin(parsed, self._send)

    async def serve_here(self, request: Request, begun: Callable[[], Awaitable[None]]) -> None:
        """Serve a request in the caller's task.

        Args:
            begun: Called when `receive` would have returned.
        """
        answer = await self.let_in(request)
        try:
            await begun()
        except BaseException:
            if answer is None:
                self.leave(request)
            raise
        if answer is None:
            with anyio.CancelScope() as scope:
                answer = await self.serve(request, self.outbox, scope)
        self._send(answer)

    async def _begin(self, message: Message, send: Send) -> None:
        if not isinstance(message, Request):
            send(await self.take(message, self.outbox))
        elif (refusal := await self.let_in(message)) is not None:
            send(refusal)
        elif message.method == "initialize":  # served here, so that what follows finds the session open
            with anyio.CancelScope() as scope:
                send(await self.serve(message, self.outbox, scope))
        else:
            self._admitted.append((message, send))
            self._hire()
        if isinstance(message, Request | Refusal):
            await self.outbox.room()

    async def _admit(self, running: Running) -> None:
        async with self._entrance:
            await self.outbox.room()
            await super()._admit(running)

    def _hire(self) -> None:
        """See to it that a task takes what was admitted, unless one is about to."""
        if self._admitted and not self._hiring:
            self._hiring = True
            if self._is_one_idle:
                self._wanted.wake()
            else:
                self._tasks.start_soon(self._work)

    async def _work(self) -> None:
        """Serve requests, one after the other. When one has to wait, another task goes on beside it.

        So what is answered without waiting for anything costs neither a task nor a scope, which would be half its time.
        """
        clean, is_wanted = copy_context(), True
        while is_wanted:
            with anyio.CancelScope() as scope:
                is_wanted = await self._serve_in_turn(scope, clean)
            is_wanted = is_wanted or scope.cancel_called
            if copy_context() != clean:
                clean.run(self._hire)
                return

    async def _serve_in_turn(self, scope: anyio.CancelScope, clean: Context) -> bool:
        """Serve what was admitted, until a request is cancelled, and the scope with it, or leaves something behind.

        Returns:
            Whether more is to be served.
        """
        is_wanted = True
        while is_wanted:
            self._hiring = False
            asyncio.get_running_loop().call_soon(self._hire)  # runs as soon as a request waits, or all are served
            while self._admitted:
                request, send = self._admitted.pop(0)
                send(await self.serve(request, self.outbox, scope))
                await self.outbox.room()
                if scope.cancel_called or copy_context() != clean:
                    return True
            is_wanted = await self._is_wanted_again()
        return False

    async def _is_wanted_again(self) -> bool:
        if self._is_one_idle:
            return False
        self._is_one_idle = True
        await self._wanted.wait()
        self._is_one_idle = False
        return True

    def _send(self, answer: bytes | None) -> None:
        if answer is not None:
            self.outbox.put(answer)


class _Batch:
    """Collects the answers of a batch and sends them as one array, or nothing when there are none."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put
        self._answers = BatchAnswers()
        self._open = 1

    def member(self, message: Message) -> Send:
        """Where the answer to this member goes."""
        self._open += 1

        def settle(answer: bytes | None) -> None:
            self._answers.add(message, answer)
            self.seal()

        return settle

    def seal(self) -> None:
        """All members are known, or one of them is settled."""
        self._open -= 1
        joined = None if self._open else self._answers.joined()
        if joined is not None:
            self._put(joined)
