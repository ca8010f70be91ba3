"""Server-sent events: how they look, and how a stream of them is written to a client that may be slow or gone."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Self

import anyio
from starlette.exceptions import HTTPException
from starlette.types import Receive, Send

from mcp_gateway.protocol.outbox import Outbox

log = logging.getLogger(__name__)

COMMENT = b": ping\r\n\r\n"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


def event(message: bytes, event_id: bytes = b"") -> bytes:
    """A message as an event; with an id the client can ask for what followed it."""
    named = b"id: " + event_id + b"\r\n" if event_id else b""
    return b"event: message\r\n" + named + b"data: " + message + b"\r\n\r\n"


async def stream(
    outbox: Outbox,
    receive: Receive,
    send: Send,
    *,
    first: bytes,
    show: Callable[[bytes], bytes],
    ping_seconds: float,
    slow_reader_seconds: float,
) -> None:
    """Answer with a stream of all that comes into the outbox, until it is closed or the client is gone.

    Args:
        first: What the stream begins with.
        show: A message as an event.
        ping_seconds: After so long without a message a comment is sent, to keep the connection open; an empty message
            stands for it.
        slow_reader_seconds: A client that takes nothing for so long is given up.
    """
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(until_gone, receive, tasks.cancel_scope.cancel)

        def give_up() -> None:
            log.warning("a client stopped reading its stream, which was closed")
            tasks.cancel_scope.cancel()

        async def write(data: bytes, *, more: bool = True) -> None:
            alarm.ring_in(slow_reader_seconds, give_up)
            try:
                await send({"type": "http.response.body", "body": data, "more_body": more})
            except OSError:  # some servers say so when the client is gone
                tasks.cancel_scope.cancel()

        with _Alarm(min(slow_reader_seconds, ping_seconds)) as alarm:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await write(first)
            while not outbox.closed:
                alarm.ring_in(ping_seconds, partial(outbox.put, b""))
                messages = await outbox.take()
                await write(b"".join(show(message) if message else COMMENT for message in messages))
            await write(b"", more=False)
        tasks.cancel_scope.cancel()


class _Alarm:
    """Calls something, unless it is set anew before. A timer for each message would cost more than writing it.

    A context manager: it rings no more after the block.

    Args:
        least_seconds: It is never set to ring sooner.
    """

    __slots__ = ("_call", "_due", "_least_seconds", "_loop", "_timer")

    def __init__(self, least_seconds: float) -> None:
        self._least_seconds = least_seconds
        self._loop = asyncio.get_running_loop()
        self._due = math.inf

    def ring_in(self, seconds: float, call: Callable[[], object]) -> None:
        """Call in so many seconds; and not what it was set to before."""
        self._due = self._loop.time() + seconds
        self._call = call

    def _look(self) -> None:
        if self._loop.time() >= self._due:
            self._due = math.inf
            self._call()
        self._wait()

    def _wait(self) -> None:
        seconds = min(self._least_seconds, max(0.0, self._due - self._loop.time()))
        self._timer = self._loop.call_later(seconds, self._look)

    def __enter__(self) -> Self:
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


async def in_time(send: Send, data: bytes, seconds: float, *, more: bool) -> bool:
    """Send a part of the body.

    Returns:
        Whether the client took it; if not, it holds memory and will not come back.
    """
    try:
        with anyio.fail_after(seconds):
            await send({"type": "http.response.body", "body": data, "more_body": more})
    except TimeoutError:
        log.warning("a client stopped reading its stream, which was closed")
        return False
    except OSError:  # some servers say so when the client is gone
        return False
    return True


async def until_gone(receive: Receive, then: Callable[[], object]) -> None:
    """Wait until the client hangs up."""
    with suppress(HTTPException):  # a body that is too long, and that nobody wants: as if it had hung up
        while (await receive())["type"] != "http.disconnect":
            pass
    then()
