"""What is measured: which request, over which transport, how many at a time, and what ratio is promised."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.protocol.crowd import Crowd
from benchmarks.protocol.measurement import Measurement, measure
from benchmarks.protocol.messages import Requests
from benchmarks.protocol.pipe import PipeClient
from benchmarks.protocol.servers import Running

WARM_UP_SECONDS = 0.25
# What a server may take beyond the time it is measured for, before it is ended for not answering.
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Case:
    """One load.

    Attributes:
        at_once: Requests in flight over stdio; elsewhere sessions or connections with one in flight each.
        must: Calls per second as a multiple of `MCPServer`'s, at least.
        aim: The same, as we would have it.
    """

    name: str
    transport: str
    kind: str
    at_once: int
    must: float
    aim: float


CASES = (
    Case("stdio-echo-1", "stdio", "echo", 1, must=5, aim=8),
    Case("stdio-echo-32", "stdio", "echo", 32, must=12, aim=33),
    Case("stdio-search-32", "stdio", "search", 32, must=8, aim=15),
    Case("stdio-list-1", "stdio", "list", 1, must=10, aim=20),
    Case("http-echo-1", "http", "echo", 1, must=3.5, aim=6),
    Case("http-echo-32", "http", "echo", 32, must=7, aim=10),
    Case("http-echo-256", "http", "echo", 256, must=8, aim=12),
    Case("sse-echo-1", "sse", "echo", 1, must=2, aim=3),
    Case("sse-echo-32", "sse", "echo", 32, must=4, aim=5),
    Case("modern-echo-1", "modern", "echo", 1, must=3, aim=5),
    Case("modern-echo-32", "modern", "echo", 32, must=3, aim=5),
)


class Bench:
    """Measures cases on one running server."""

    def __init__(self, running: Running, pipe: PipeClient | None) -> None:
        self._running = running
        self._pipe = pipe

    def measure(self, case: Case, seconds: float) -> Measurement:
        """Warm up, then measure for so long. Raises RuntimeError when the server does not answer."""
        late = threading.Timer(seconds + PATIENCE_SECONDS, self._running.process.kill)
        late.start()
        try:
            return self._measure(case, seconds)
        finally:
            late.cancel()

    def _measure(self, case: Case, seconds: float) -> Measurement:
        self._running.place(apart=case.at_once > 1)
        requests = Requests(case.kind, modern=case.transport == "modern")
        if pipe := self._pipe:
            pipe.run(requests, in_flight=case.at_once, seconds=WARM_UP_SECONDS)
            return measure(self._running, lambda: pipe.run(requests, in_flight=case.at_once, seconds=seconds))
        crowd = Crowd(self._running, case.at_once)
        try:
            crowd.run(requests, WARM_UP_SECONDS)
            return measure(self._running, lambda: crowd.run(requests, seconds))
        finally:
            crowd.close()


@contextmanager
def bench(running: Running) -> Iterator[Bench]:
    """Get ready to measure a server. It is ended with the block."""
    with running:
        yield Bench(running, PipeClient(running) if running.transport == "stdio" else None)
