"""Where the `media-gateway` command begins. Standard output is put away before anything can print to it."""

from __future__ import annotations

import gc
import sys

from mcp_gateway import lean_imports
from mcp_gateway.stdout_guard import claim_stdout, occupy_closed_streams

# Imports and calls make few cycles, so there is little to find; at Python's own 700 it would look all the time.
# What was there the first time mostly stays: looking at that again at every tenth time takes 15 ms of the start.
OBJECTS_BETWEEN_COLLECTIONS = 20_000
COLLECTIONS_BETWEEN_LARGER_ONES = 100


def main() -> None:
    """Run the command line."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, COLLECTIONS_BETWEEN_LARGER_ONES)
    lean_imports.install()
    closed = occupy_closed_streams()
    if _speaks_stdio(sys.argv[1:]):
        if closed & {0, 1}:
            sys.exit(
                "media-gateway: Standard input or output is closed; a client talks through both. "
                "Let a client start this, or serve with --transport http."
            )
        claim_stdout()
    from mcp_gateway.cli.app import run

    run()


def _speaks_stdio(arguments: list[str]) -> bool:
    """Whether this is `serve` over stdio: then stdout belongs to the protocol from the first instruction."""
    if arguments[:1] != ["serve"] or "--help" in arguments:
        return False
    transport = next(
        (a for a in reversed(arguments) if a.startswith("--transport=") or a in {"http", "stdio"}),
        "",
    )
    return not transport.endswith("http")


if __name__ == "__main__":
    main()
