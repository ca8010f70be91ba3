"""A client over standard input and output: as many requests in flight as asked for, nothing parsed, lengths checked."""

from __future__ import annotations

import os
from time import perf_counter

from benchmarks.protocol.measurement import Load
from benchmarks.protocol.messages import Requests, initialize, initialized
from benchmarks.protocol.servers import Running

CHUNK_BYTES = 1 << 20


class PipeClient:
    """One client of a server over its pipes, past the handshake."""

    def __init__(self, running: Running) -> None:
        assert running.process.stdin and running.process.stdout
        self._in = running.process.stdin.fileno()
        self._out = running.process.stdout.fileno()
        self.ask(initialize())
        self._write(initialized() + b"\n")

    def ask(self, request: bytes) -> bytes:
        """Send one request and wait for its answer. Nothing else may be in flight."""
        self._write(request + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            answer += self._read()
        return answer

    def run(self, requests: Requests, *, in_flight: int, seconds: float) -> Load:
        """Keep so many requests in flight for so long, then wait for the last answers.

        Raises:
            AssertionError: An answer is not the right one.
        """
        first = requests.next()
        answer = self.ask(first)
        requests.check(first, answer)
        load, received = (
            self._alone(requests, seconds) if in_flight == 1 else self._together(requests, in_flight, seconds)
        )
        assert received == load.calls * len(answer), "an answer differs from the first"
        return load

    def _alone(self, requests: Requests, seconds: float) -> tuple[Load, int]:
        latencies, received = [], 0
        start = sent = perf_counter()
        while sent - start < seconds:
            received += len(self.ask(requests.next()))
            now = perf_counter()
            latencies.append(now - sent)
            sent = now
        return Load(len(latencies), sent - start, latencies), received

    def _together(self, requests: Requests, in_flight: int, seconds: float) -> tuple[Load, int]:
        done, received, pending = 0, 0, in_flight
        start = now = perf_counter()
        self._send(requests, in_flight)
        while pending:
            chunk = self._read()
            answered = chunk.count(b"\n")
            received += len(chunk)
            done += answered
            pending -= answered
            now = perf_counter()
            if answered and now - start < seconds:
                self._send(requests, answered)
                pending += answered
        return Load(done, now - start, []), received

    def _send(self, requests: Requests, count: int) -> None:
        self._write(b"\n".join([*(requests.next() for _ in range(count)), b""]))

    def _write(self, data: bytes) -> None:
        # Never so much that the pipe fills up: the server would wait for us to read, and we for it.
        assert os.write(self._in, data) == len(data)

    def _read(self) -> bytes:
        chunk = os.read(self._out, CHUNK_BYTES)
        if not chunk:
            raise RuntimeError("the server ended")
        return chunk
