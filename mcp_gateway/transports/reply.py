"""The response to one POST of streamable HTTP: a JSON document, or events once something precedes the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import anyio
from starlette.types import Send

from mcp_gateway.transports.event_stream import COMMENT, HEADERS, event, in_time
from mcp_gateway.transports.responses import respond
from mcp_gateway.transports.resumption import Resumable

Spawn = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


class Reply:
    """Implements `dispatcher.Channel`.

    Args:
        slow_reader_seconds: A client that takes nothing for so long is given up.
        resumable: None: what the client does not get is lost, and `on_lost` is told.
        on_lost: Called when the client is given up.

    Attributes:
        headers: Of a response that is a JSON document, besides those of every response.
    """

    def __init__(
        self,
        send: Send,
        *,
        slow_reader_seconds: float,
        resumable: Resumable | None = None,
        on_lost: Callable[[], object] | None = None,
    ) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self._to_client: Send | None = send
        self._slow_reader_seconds = slow_reader_seconds
        self._resumable = resumable
        self._on_lost = on_lost
        self._streaming = False
        self._ended = False
        self._lock: anyio.Lock | None = None
        self._part: anyio.CancelScope | None = None
        self._over: anyio.Event | None = None

    @property
    def name(self) -> str:
        """Of its stream, where that can be taken up again."""
        return "" if self._resumable is None else self._resumable.name

    @property
    def is_streaming(self) -> bool:
        """Whether the response has begun as a stream."""
        return self._streaming

    @property
    def detach(self) -> Callable[[], Awaitable[None]] | None:
        """Ends the response; the client takes it up again. None where it would not know how."""
        return self._detach if self._resumable is not None and self._resumable.primed else None

    async def send(self, message: bytes) -> None:
        """Send what precedes the answer."""
        async with self._writing():
            if not self._ended:
                await self._begin()
                await self._write(self._event(message))

    async def keep_open(self, seconds: float) -> None:
        """Send a comment now and then, so that nobody in between takes the connection for dead."""
        while not self._ended:
            async with self._writing():
                if not self._ended:
                    await self._begin()
                    await self._write(COMMENT)
            await anyio.sleep(seconds)

    async def end(self, answer: bytes | None, status: int = 200) -> None:
        """Send the answer, or end without one when the request was cancelled.

        Args:
            status: Of a response that is not under way yet.
        """
        if not self._streaming and answer is not None:
            await self.end_at_once(answer, status)
            return
        async with self._writing():
            await self._begin()
            self._ended = True
            await self._write(b"" if answer is None else self._event(answer), more=False)
        if self._over is not None:
            self._over.set()

    async def end_at_once(self, body: bytes | None, status: int) -> None:
        """End without a stream, where none has begun: with a JSON document, or nothing."""
        self._ended = True
        if self._to_client is not None:
            await respond(self._to_client, body, status, self.headers)

    async def resume(self, send: Send, last_event_id: str) -> None:
        """Go on in another response, with what followed the event. Returns when the reply has ended.

        The connection of the one before may be dead without our knowing: it is not waited for.
        """
        if self._resumable is None:
            raise RuntimeError("a reply that cannot be resumed was")
        self._over = self._over or anyio.Event()
        if self._part is not None:
            self._part.cancel()
        async with self._writing():
            if not self._ended:
                await self._begin()
                await self._write(b"", more=False, seconds=0)
            self._to_client = send
            _, missed = self._resumable.sent.after(last_event_id)
            shown = b"".join(event(message, event_id) for event_id, message in missed)
            await self._start(self._resumable.primer(last_event_id.encode()) + shown)
            if self._ended:
                await self._write(b"", more=False)
                self._over.set()
        await self._over.wait()

    async def _detach(self) -> None:
        async with self._writing():
            await self._begin()
            await self._write(b"", more=False)
            self._to_client = None

    def _writing(self) -> anyio.Lock:
        self._lock = self._lock or anyio.Lock()
        return self._lock

    async def _begin(self) -> None:
        if not self._streaming:
            self._streaming = True
            await self._start(b"" if self._resumable is None else self._resumable.primer())

    async def _start(self, first: bytes) -> None:
        if self._to_client is not None:
            await self._to_client({"type": "http.response.start", "status": 200, "headers": HEADERS})
        if first:
            await self._write(first)

    def _event(self, message: bytes) -> bytes:
        return event(message) if self._resumable is None else self._resumable.event(message)

    async def _write(self, data: bytes, *, more: bool = True, seconds: float | None = None) -> None:
        """Send a part of the body. A client that does not take it in time, or comes back meanwhile, is given up."""
        if self._to_client is None:
            return
        is_taken = False
        with anyio.CancelScope() as self._part:
            patience = self._slow_reader_seconds if seconds is None else seconds
            is_taken = await in_time(self._to_client, data, patience, more=more)
        if not is_taken:
            self._to_client = None
            if self._on_lost is not None:
                self._on_lost()


class Attendant:
    """Does something beside a request that takes longer than some seconds. For a quick one it costs a timer.

    Args:
        attend: What it does, until `leave`.
    """

    def __init__(self, seconds: float, attend: Callable[[], Coroutine[Any, Any, None]], spawn: Spawn) -> None:
        self._attend = attend
        self._spawn = spawn
        self._scope: anyio.CancelScope | None = None
        self._timer = asyncio.get_running_loop().call_later(seconds, self._begin)

    def leave(self) -> None:
        """The request is over."""
        self._timer.cancel()
        if self._scope is not None:
            self._scope.cancel()

    def _begin(self) -> None:
        self._scope = anyio.CancelScope()
        self._spawn(partial(self._run, self._scope))

    async def _run(self, scope: anyio.CancelScope) -> None:
        with scope:
            await self._attend()
