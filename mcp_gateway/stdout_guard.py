"""Keeps standard output for the protocol: whatever a plugin or a child process prints goes to standard error."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from mcp_gateway.errors import StartupError


@dataclass(frozen=True, slots=True)
class Pipes:
    """The process's own standard input and output, where nobody else finds them."""

    input: int
    output: int


_claimed: Pipes | None = None


def occupy_closed_streams() -> set[int]:
    """Put nothing where standard input, output or error is closed, and say which were.

    Call it first of all: the next file that is opened, which may be the database, would get the number of the closed
    stream, and whatever is printed would end up in it.
    """
    closed = set()
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
        closed.add(descriptor)
    os.close(descriptor)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    return closed


def claim_stdout() -> Pipes:
    """Take standard input and output away from everything but the protocol. Call it before anything is imported.

    Descriptor 1 and `sys.stdout` lead to standard error from now on, descriptor 0 to nothing; children inherit
    those, never the real ones. Again gives the same pipes.

    Raises:
        StartupError: Standard input or output is closed.
    """
    global _claimed  # noqa: PLW0603 — the descriptors are the process's own, whatever we do
    if _claimed is None:
        try:
            _claimed = _claim()
        except OSError as error:
            raise StartupError(f"Standard input or output cannot be used: {error.strerror}.") from None
    return _claimed


def _claim() -> Pipes:
    sys.stdout.flush()
    pipes = Pipes(os.dup(0), os.dup(1))  # os.dup sets close-on-exec
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return pipes
