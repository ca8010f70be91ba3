"""What a server needs besides time for calls: time to start, and memory."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from benchmarks.protocol.http1 import Connection
from benchmarks.protocol.messages import Requests, call
from benchmarks.protocol.pipe import PipeClient
from benchmarks.protocol.servers import Running, Server
from benchmarks.protocol.sessions import HttpSession, SseSession

IDLE_SESSIONS = 500
# Opened before counting, so that what the first sessions bring in is not taken for theirs.
FIRST_SESSIONS = 50
FEW_CALLS, MANY_CALLS = 10_000, 100_000


@dataclass(frozen=True, slots=True)
class Start:
    """How a server starts: times since it was spawned, and its memory after the handshake and the first answer."""

    initialize_ms: float
    first_answer_ms: float
    started_mb: float
    memory_mb: float


def cold_start(server: Server, data_dir: Path, first_call: bytes) -> Start:
    """Start a server, shake hands, and call a tool once. Its files are in the machine's cache after the first time.

    Raises:
        AssertionError: The call failed.
    """
    spawned = perf_counter()
    with Running(server, "stdio", data_dir) as running:
        client = PipeClient(running)
        initialized = perf_counter()
        started_mb = running.memory_bytes() / 1e6
        asked = perf_counter()
        answer = client.ask(first_call)
        answered = initialized + perf_counter() - asked
        assert b'"result"' in answer and b'"isError":true' not in answer, answer[:500]
        memory_mb = running.memory_bytes() / 1e6
    return Start((initialized - spawned) * 1000, (answered - spawned) * 1000, started_mb, memory_mb)


def first_calls(names: Mapping[str, Server]) -> dict[str, bytes]:
    """What each server is asked first: ours a search of the catalogue, the others an echo."""
    echo = call("echo", {"text": "hello"})
    return {name: call("search_titles", {"query": "night"}) if name == "ours" else echo for name in names}


def idle_session_kb(server: Server, transport: str, data_dir: Path) -> float:
    """Memory of a session that was opened and says nothing more, in units of 1,000 bytes."""
    _allow_many_files()
    with Running(server, transport, data_dir) as running, ExitStack() as stack:
        poster = Connection(running.port)
        stack.callback(poster.close)

        def open_session() -> None:
            session = (SseSession if transport == "sse" else HttpSession)(running, poster)
            for socket in session.sockets:
                stack.callback(socket.close)

        for _ in range(FIRST_SESSIONS):
            open_session()
        before = running.memory_bytes()
        for _ in range(IDLE_SESSIONS):
            open_session()
        return (running.memory_bytes() - before) / IDLE_SESSIONS / 1000


def growth_mb(server: Server, data_dir: Path) -> tuple[float, float]:
    """Memory after few calls and after many, in one session over stdio."""
    with Running(server, "stdio", data_dir) as running:
        client, requests, found = PipeClient(running), Requests("echo"), []
        done = 0
        for goal in (FEW_CALLS, MANY_CALLS):
            while done < goal:
                done += client.run(requests, in_flight=32, seconds=0.1).calls
            found.append(running.memory_bytes() / 1e6)
    return found[0], found[1]


def _allow_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
