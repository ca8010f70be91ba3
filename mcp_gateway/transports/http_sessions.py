"""The sessions of streamable HTTP: one for each client that shook hands, until it leaves or is idle for long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_urlsafe
from time import monotonic

import anyio
from starlette.types import Receive, Send

from mcp_gateway.protocol.batch import BatchAnswers
from mcp_gateway.protocol.conversation import Handshake
from mcp_gateway.protocol.dispatcher import Dispatcher
from mcp_gateway.protocol.messages import Message, Parsed, Refusal, Request
from mcp_gateway.protocol.outbox import Outbox, Shared
from mcp_gateway.protocol.server import GatewayServer
from mcp_gateway.transports.event_stream import event, in_time, stream, until_gone
from mcp_gateway.transports.reply import Attendant, Reply, Spawn
from mcp_gateway.transports.resumption import Resumable, SentEvents

# What waits for a client without an open stream, before the newest changes are summed up instead.
WAITING_BYTES = 64 * 1024
# The stream for what belongs to no request.
STANDING = "0"
# From here on a stream may begin with an event without data.
PRIMED_SINCE = "2025-11-25"


class HttpSession:
    """One client.

    Args:
        owner: The id of whoever opened it; nobody else may use it.
    """

    def __init__(self, server: GatewayServer, kept: Shared, owner: str) -> None:
        self.id = token_urlsafe(32)
        self.owner = owner
        self.idle_since = monotonic()
        self._limits = server.gateway.settings
        self._waiting = Outbox(WAITING_BYTES)
        self._dispatcher = Dispatcher(
            self._waiting,
            kind="streamable-http",
            max_running=self._limits.mcp.max_running,
            ask_seconds=self._limits.mcp.ask_seconds,
        )
        self._handshake = Handshake(server, self._dispatcher, self.id)
        self._dispatcher.handlers = self._handshake
        self._sent = SentEvents(kept)
        self._under_way: dict[str, Reply] = {}
        self._last_stream = 0
        self._in_use = 0
        self._standing: anyio.CancelScope | None = None

    @property
    def is_idle(self) -> bool:
        """Nothing is under way, and no stream is open."""
        return self._in_use == 0

    @contextmanager
    def used(self) -> Iterator[None]:
        """Keep the session while the block runs."""
        self._in_use += 1
        try:
            yield
        finally:
            self._in_use -= 1
            self.idle_since = monotonic()

    async def serve(self, parsed: Parsed, send: Send, spawn: Spawn) -> None:
        """Take what a POST brought, and respond to it."""
        reply = self._begin(send)
        seconds = self._limits.http.sse_ping_seconds
        attendant = Attendant(seconds, lambda: reply.keep_open(seconds), spawn)
        try:
            answer = await self._take(parsed, reply)
            if answer is None and not isinstance(parsed, Request) and not reply.is_streaming:
                await reply.end_at_once(None, 202)
            else:
                await reply.end(answer, 400 if isinstance(parsed, Refusal) else 200)
        finally:
            attendant.leave()
            self._end(reply)

    async def open(self, request: Request, send: Send) -> bool:
        """Shake hands. Whether that succeeded, in which case the client is told its session."""
        reply = self._begin(send)
        try:
            answer = await self._take(request, reply)
            is_open = self._handshake.connection.client_capabilities is not None
            if is_open:
                reply.headers.append((b"mcp-session-id", self.id.encode()))
            await reply.end(answer)
        finally:
            self._end(reply)
        return is_open

    def _begin(self, send: Send) -> Reply:
        """The response to a POST, which can be taken up again until it has ended."""
        self._in_use += 1
        self._last_stream += 1
        resumable = self._resumable(str(self._last_stream))
        reply = Reply(send, slow_reader_seconds=self._limits.mcp.slow_reader_seconds, resumable=resumable)
        self._under_way[resumable.name] = reply
        return reply

    def _end(self, reply: Reply) -> None:
        self._in_use -= 1
        self.idle_since = monotonic()
        del self._under_way[reply.name]

    async def _take(self, parsed: Parsed, reply: Reply) -> bytes | None:
        if not isinstance(parsed, list):
            return await self._dispatcher.take(parsed, reply)
        answers = BatchAnswers()

        async def take(message: Message) -> None:
            answers.add(message, await self._dispatcher.take(message, reply))

        async with anyio.create_task_group() as tasks:
            for message in parsed:
                tasks.start_soon(take, message)
        return answers.joined()

    async def listen(self, last_event_id: str | None, receive: Receive, send: Send) -> None:
        """Stream what belongs to no request, or go on with the stream that was lost."""
        if last_event_id is None:
            await self._stand(receive, send, self._resumable(STANDING).primer())
            return
        name, missed = self._sent.after(last_event_id)
        shown = b"".join(event(message, event_id) for event_id, message in missed)
        if name == STANDING:
            await self._stand(receive, send, shown)
        elif name in self._under_way:
            await _take_up(self._under_way[name], last_event_id, receive, send)
        else:
            over = Outbox()
            over.close()
            await self._stream(over, receive, send, shown)

    async def end(self, seconds: float) -> None:
        """Give what runs some time to be answered, then end it and the streams."""
        await self._dispatcher.finish(seconds)
        self._waiting.close()
        self._sent.forget()
        await self._handshake.close()

    def _resumable(self, name: str) -> Resumable:
        return Resumable(self._sent, name, self._handshake.connection.protocol_version >= PRIMED_SINCE)

    async def _stand(self, receive: Receive, send: Send, first: bytes) -> None:
        if self._standing is not None:  # lost without our knowing, or no longer wanted: a client listens once
            self._standing.cancel()
        self._standing = standing = anyio.CancelScope()
        with standing:
            await self._stream(self._waiting, receive, send, first)
        if standing.cancelled_caught:
            await in_time(send, b"", self._limits.mcp.slow_reader_seconds, more=False)

    async def _stream(self, outbox: Outbox, receive: Receive, send: Send, first: bytes) -> None:
        await stream(
            outbox,
            receive,
            send,
            first=first,
            show=self._resumable(STANDING).event,
            ping_seconds=self._limits.http.sse_ping_seconds,
            slow_reader_seconds=self._limits.mcp.slow_reader_seconds,
        )


async def _take_up(reply: Reply, last_event_id: str, receive: Receive, send: Send) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(until_gone, receive, tasks.cancel_scope.cancel)
        await reply.resume(send, last_event_id)
        tasks.cancel_scope.cancel()
