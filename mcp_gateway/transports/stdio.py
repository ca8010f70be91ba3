"""MCP over standard input and output: a message a line."""

from __future__ import annotations

import logging
import os
import stat

import anyio
import anyio.to_thread

from mcp_gateway.protocol.conversation import conversation
from mcp_gateway.protocol.duplex import Duplex
from mcp_gateway.protocol.messages import Refusal
from mcp_gateway.protocol.outbox import Outbox
from mcp_gateway.protocol.served import Served
from mcp_gateway.protocol.server import GatewayServer
from mcp_gateway.stdout_guard import Pipes, claim_stdout
from mcp_gateway.transports.framing import Lines, parse

log = logging.getLogger(__name__)

CHUNK_BYTES = 256 * 1024
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
    reader = _Reader(fd)
    while chunk := await reader.read():
        for line in lines.feed(chunk):
            await dispatcher.receive(line if isinstance(line, Refusal) else parse(line))
    if rest := lines.end():
        await dispatcher.receive(parse(rest))


class _Reader:
    """Reads a descriptor without blocking the loop: by waiting for it, or in a thread where it cannot be waited for."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._can_wait = _is_pipe(fd) or os.isatty(fd)

    async def read(self) -> bytes:
        """Some bytes; none at the end."""
        if not self._can_wait:
            return await anyio.to_thread.run_sync(os.read, self._fd, CHUNK_BYTES, abandon_on_cancel=True)
        while True:
            await anyio.wait_readable(self._fd)
            try:
                return os.read(self._fd, CHUNK_BYTES)
            except BlockingIOError:  # one socket for both directions, made non-blocking for writing
                continue
            except OSError:  # reset, or a terminal that was hung up
                return b""


async def _write(outbox: Outbox, fd: int, everything: anyio.CancelScope) -> None:
    can_wait = _is_pipe(fd) and not _is_shared_with_stderr(fd)
    if can_wait:
        os.set_blocking(fd, False)
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
