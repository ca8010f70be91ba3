"""A conversation over a duplex pipe (stdio, SSE): one task a request, and everything goes out by one outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

from mcp_gateway.protocol.dispatcher import Dispatcher, Handlers
from mcp_gateway.protocol.messages import Message, Parsed, Refusal, Request
from mcp_gateway.protocol.outbox import Outbox

Send = Callable[[bytes | None], None]


class Duplex(Dispatcher):
    """The conversation with one client on a pipe. Arguments as of `Dispatcher`."""

    def __init__(self, outbox: Outbox, *, kind: str, max_running: int = 256, ask_seconds: float = 60) -> None:
        super().__init__(outbox, kind=kind, max_running=max_running, ask_seconds=ask_seconds)
        self.outbox = outbox
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
            self.close()

    async def receive(self, parsed: Parsed) -> None:
        """Take what `framing.parse` read.

        Returns when all of it has begun: waits while too much is running, or waits to be read by the client.
        """
        if isinstance(parsed, list):
            batch = _Batch(self.outbox.put)
            for message in parsed:
                await self._begin(message, batch.member())
            batch.seal()
        else:
            await self._begin(parsed, self._send)

    async def _begin(self, message: Message, send: Send) -> None:
        # A request is admitted here, so that a cancellation in the same write finds it. The handshake is also
        # served here, so that what follows finds the session open.
        if not isinstance(message, Request) or message.method == "initialize":
            send(await self.take(message, self.outbox))
        elif (refusal := await self.admit(message)) is not None:
            send(refusal)
        else:
            self._tasks.start_soon(self._serve, message, send)
        if isinstance(message, Request | Refusal):
            await self.outbox.room()

    async def _serve(self, request: Request, send: Send) -> None:
        send(await self.serve(request, self.outbox))
        await self.outbox.room()

    def _send(self, answer: bytes | None) -> None:
        if answer is not None:
            self.outbox.put(answer)


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
