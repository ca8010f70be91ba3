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
