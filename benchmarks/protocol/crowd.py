"""Many clients over HTTP at once, each with one request in flight, driven by one loop without a framework."""

from __future__ import annotations

import select
from contextlib import suppress
from time import perf_counter

from benchmarks.protocol.measurement import Load
from benchmarks.protocol.messages import Requests
from benchmarks.protocol.servers import Running
from benchmarks.protocol.sessions import OPEN, Session


class Crowd:
    """So many sessions with one server. Close it when done."""

    def __init__(self, running: Running, size: int) -> None:
        self._sessions: list[Session] = [OPEN[running.transport](running) for _ in range(size)]
        self._poll = select.epoll()
        self._by_descriptor: dict[int, Session] = {}
        for session in self._sessions:
            for socket in session.sockets:
                self._by_descriptor[socket.fileno()] = session
                self._poll.register(socket.fileno(), select.EPOLLIN)

    def run(self, requests: Requests, seconds: float) -> Load:
        """Let everybody ask, one request after the other, for so long; then wait for the last answers.

        Raises:
            AssertionError: An answer is not the right one.
        """
        for session in self._sessions:
            session.prepare(requests)
        length = self._check(requests)
        load, received = self._drive(requests, seconds)
        assert received == load.calls * length, "an answer differs from the first"
        return load

    def close(self) -> None:
        """End all sessions."""
        self._poll.close()
        for session in self._sessions:
            with suppress(OSError, RuntimeError, AssertionError):
                session.close()

    def _check(self, requests: Requests) -> int:
        """Let the first of them ask, and look at the answer. Returns its length."""
        session, request = self._sessions[0], requests.next()
        session.send(request)
        while not any(session.receive(descriptor) for descriptor, _ in self._poll.poll()):
            pass
        requests.check(request, session.message())
        return len(session.message())

    def _drive(self, requests: Requests, seconds: float) -> tuple[Load, int]:
        latencies: list[float] = []
        received, pending = 0, len(self._sessions)
        start = now = perf_counter()
        sent = dict.fromkeys(self._sessions, start)
        for session in self._sessions:
            session.send(requests.next())
        while pending:
            for descriptor, _ in self._poll.poll():
                session = self._by_descriptor[descriptor]
                if not session.receive(descriptor):
                    continue
                now = perf_counter()
                latencies.append(now - sent[session])
                received += len(session.message())
                if now - start < seconds:
                    sent[session] = now
                    session.send(requests.next())
                else:
                    pending -= 1
        return Load(len(latencies), now - start, latencies), received
