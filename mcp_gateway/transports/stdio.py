"""MCP over standard input and output: a message a line."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import cast

import anyio
import anyio.to_thread

from mcp_gateway.protocol.conversation import conversation
from mcp_gateway.protocol.duplex import Duplex
from mcp_gateway.protocol.messages import Refusal
from mcp_gateway.protocol.outbox import Outbox, Signal
from mcp_gateway.protocol.served import Served
from mcp_gateway.protocol.server import GatewayServer
from mcp_gateway.stdout_guard import Pipes, claim_stdout
from mcp_gateway.transports.framing import Lines, parse

log = logging.getLogger(__name__)

CHUNK_BYTES = 256 * 1024
# Chunks that wait to be taken before the pipe is left alone; the loop reads up to 256 KiB at a time.
MAX_CHUNKS = 4
PIPE_BYTES = 512 * 1024

Read = Callable[[], Awaitable[bytes]]

# Clients send SIGTERM a few seconds after closing our input; by then everything has to be answered and gone.
FINISH_SECONDS = 1.2
FLUSH_SECONDS = 0.3


async def serve_stdio(gateway: Served, pipes: Pipes | None = None) -> None:
    """Serve one client until its input ends, it stops reading, or the gateway shuts down.

    Args:
        gateway: A running gateway.
        pipes: Instead of the process's own.
    """
    pipes = pipes or claim_stdout()
    server = GatewayServer(gateway)
    outbox = Outbox()
    async with (
        server.running(),
        conversation(server, outbox, kind="stdio") as dispatcher,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(_write, outbox, pipes.output, tasks.cancel_scope)
        await _read_until_told(gateway, dispatcher, pipes.input)
        server.close_streams()
        await dispatcher.finish(FINISH_SECONDS)
        with anyio.move_on_after(FLUSH_SECONDS):
            await outbox.drained()
        tasks.cancel_scope.cancel()


async def _read_until_told(gateway: Served, dispatcher: Duplex, fd: int) -> None:
    async with anyio.create_task_group() as tasks:

        async def stop_reading() -> None:
            await gateway.shutdown.draining.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(stop_reading)
        await _read(dispatcher, fd, gateway.settings.mcp.max_message_bytes)
        tasks.cancel_scope.cancel()


async def _read(dispatcher: Duplex, fd: int, max_bytes: int) -> None:
    lines = Lines(max_bytes)
    async with _reading(fd) as read:
        while chunk := await read():
            for line in lines.feed(chunk):
                await dispatcher.receive(line if isinstance(line, Refusal) else parse(line))
    if rest := lines.end():
        await dispatcher.receive(parse(rest))


@asynccontextmanager
async def _reading(fd: int) -> AsyncIterator[Read]:
    """How to read a descriptor without blocking the loop: some bytes, and none at the end."""
    if not _is_pipe(fd):
        yield partial(_read_in_turn, fd)
        return
    arriving = _Arriving()
    pipe = os.fdopen(os.dup(fd), "rb", buffering=0)  # the loop closes what it reads
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: arriving, pipe)
    try:
        yield arriving.read
    finally:
        transport.close()


async def _read_in_turn(fd: int) -> bytes:
    """Of a file in a thread; of a terminal, which stays as the shell left it, when there is something."""
    if not os.isatty(fd):
        return await anyio.to_thread.run_sync(os.read, fd, CHUNK_BYTES, abandon_on_cancel=True)
    await anyio.wait_readable(fd)
    try:
        return os.read(fd, CHUNK_BYTES)
    except OSError:  # it was hung up
        return b""


class _Arriving(asyncio.Protocol):
    """What comes through a pipe. anyio would begin and end watching it for each read."""

    def __init__(self) -> None:
        self._transport: asyncio.ReadTransport
        self._chunks: list[bytes] = []
        self._arrived = Signal()
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.ReadTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._chunks.append(data)
        if len(self._chunks) == MAX_CHUNKS:
            self._transport.pause_reading()
        self._arrived.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._arrived.wake()

    async def read(self) -> bytes:
        """Everything that came since the last time."""
        while not self._chunks and not self._ended:
            await self._arrived.wait()
        chunks, self._chunks = self._chunks, []
        if len(chunks) >= MAX_CHUNKS and not self._ended:
            self._transport.resume_reading()
        return b"".join(chunks)


async def _write(outbox: Outbox, fd: int, everything: anyio.CancelScope) -> None:
    can_wait = _is_pipe(fd) and not _is_shared_with_stderr(fd)
    if can_wait:
        os.set_blocking(fd, False)
        _widen(fd)
    try:
        while messages := await outbox.take():
            messages.append(b"")
            data = b"\n".join(messages)
            await (_write_waiting(fd, data) if can_wait else anyio.to_thread.run_sync(_write_all, fd, data))
    except OSError as error:
        log.info("the client stopped reading", extra={"reason": error.strerror})
        outbox.close()
        everything.cancel()


async def _write_waiting(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            await anyio.wait_writable(fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _widen(fd: int) -> None:
    """Let a pipe hold several large answers: each time it is full, both sides have to be woken."""
    with suppress(ImportError, AttributeError, OSError):  # not Linux, a socket, or the user has enough of them
        import fcntl

        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _is_pipe(fd: int) -> bool:
    """Whether it is a pipe or a socket: can be polled, unlike a file, and is no terminal, which is the shell's too."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _is_shared_with_stderr(fd: int) -> bool:
    """As with `2>&1`: then a write to standard error, which logging does, would fail when the pipe is full."""
    try:
        return os.path.sameopenfile(fd, 2)
    except OSError:
        return False
