"""Runs work in a process of its own: a minute of computing must neither hold up calls nor leave its memory behind.

The process is told what to do through its standard input, which stays open while somebody waits for it: where that
ends, so does the process. Through its standard output come its log and what became of the work.
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
import signal
import struct
import sys
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from threading import Lock, Thread
from typing import Any, BinaryIO, Literal, TypeVar, cast

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream
from anyio.streams.buffered import BufferedByteReceiveStream

from mcp_gateway import lean_imports

T = TypeVar("T")

# Modules are found where they are found here, whatever put them there.
_BEGIN = "import sys, pickle; sys.path[:] = pickle.load(sys.stdin.buffer); import mcp_gateway.elsewhere as e; e.main()"
_SIZE = struct.Struct("<I")

NICER = 5
"""By so much the process gives way to those that answer calls."""

OBJECTS_BETWEEN_COLLECTIONS = 200_000
"""Such work makes millions of objects, hardly any of them in cycles."""

_Told = tuple[Literal["log", "done", "failed"], Any]


class EndedEarly(RuntimeError):
    """The process ended before the work did: it was killed, by somebody or for want of memory."""


async def elsewhere(work: Callable[[], Awaitable[T]]) -> T:
    """Do work in another process, which is killed when this is cancelled, and ends when this process does.

    Args:
        work: A function of a module, or a `partial` of one. It and its result are pickled.

    Raises:
        EndedEarly: The process was killed. Otherwise what `work` raises, with a note of where.
    """
    async with await anyio.open_process([sys.executable, "-c", _BEGIN], stderr=None) as process:
        try:
            with suppress(anyio.BrokenResourceError):  # it has ended, which shows below
                told = pickle.dumps(sys.path) + pickle.dumps((work, logging.root.level))
                await cast(ByteSendStream, process.stdin).send(told)
            outcome = await _outcome(cast(ByteReceiveStream, process.stdout))
            if outcome is None:
                raise EndedEarly(f"the process ended early, with code {await process.wait()}")
        finally:
            with suppress(ProcessLookupError):
                process.kill()
    if outcome[0] == "failed":
        raise outcome[1]
    result: T = outcome[1]
    return result


async def _outcome(stdout: ByteReceiveStream) -> _Told | None:
    """What became of the work; None when the process does not say. What it logs meanwhile is logged here."""
    received = BufferedByteReceiveStream(stdout)
    with suppress(anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
        while True:
            (size,) = _SIZE.unpack(await received.receive_exactly(_SIZE.size))
            told: _Told = pickle.loads(await received.receive_exactly(size))  # noqa: S301 - our own process
            if told[0] != "log":
                return told
            record = logging.makeLogRecord(told[1])
            logger = logging.getLogger(record.name)
            if logger.isEnabledFor(record.levelno):
                logger.handle(record)
    return None


def main() -> None:
    """What the other process runs."""
    lean_imports.install()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is meant for the process that waits, which ends this one
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    if hasattr(os, "nice"):
        os.nice(NICER)
    tell = _Teller(os.fdopen(os.dup(1), "wb", buffering=0))
    os.dup2(2, 1)
    try:
        work, level = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own process
        Thread(target=_end_with_who_waits, daemon=True).start()
        logging.basicConfig(level=level, handlers=[tell], force=True)
        told: _Told = "done", anyio.run(work)
    except BaseException as error:
        told = "failed", _as_it_can_be_told(error)
    tell.tell(told)


def _end_with_who_waits() -> None:
    """Nothing more comes through standard input: when it ends, nobody waits any more."""
    os.read(0, 1)
    os._exit(1)


class _Teller(logging.Handler):
    """Sends what is logged, and what became of the work."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._sending = Lock()

    def tell(self, told: _Told) -> None:
        """Send."""
        content = pickle.dumps(told)
        with self._sending:
            left = memoryview(_SIZE.pack(len(content)) + content)
            while left:
                left = left[self._stream.write(left) :]

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, with its traceback as text."""
        facts = {**record.__dict__, "msg": record.getMessage(), "args": None, "exc_info": None}
        if record.exc_info and (error := record.exc_info[1]):
            facts["exc_info"] = (type(error), _as_it_can_be_told(error), None)
        self.tell(("log", facts))


def _as_it_can_be_told(error: BaseException) -> BaseException:
    """The error with a note of where it was raised; one that cannot be pickled as a RuntimeError."""
    where = "".join(traceback.format_exception(error))
    try:
        known = pickle.loads(pickle.dumps(error))  # noqa: S301 - just made
    except Exception:
        known = RuntimeError(f"{type(error).__name__}: {error}")
    if not isinstance(known, Exception):
        known = RuntimeError(type(error).__name__)
    known.add_note(where)
    told: BaseException = known
    return told
