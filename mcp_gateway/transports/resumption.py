"""What a session of streamable HTTP sent lately: a client that lost its stream asks for the rest with Last-Event-ID."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from mcp_gateway.protocol.outbox import Shared
from mcp_gateway.transports.event_stream import event

# The answers to a few requests at a time with the progress before them. Each session holds as many, or as many bytes.
MAX_EVENTS = 64
MAX_BYTES = 1024 * 1024
# How long a client waits before it takes up a stream again.
RETRY_MS = 500


class SentEvents:
    """The last events of one session, on all of its streams. An id is the stream's name and a number that grows.

    Args:
        shared: What is kept for all sessions; when it is too much, nothing more is kept for this one.
    """

    def __init__(self, shared: Shared | None = None) -> None:
        self._shared = shared or Shared(MAX_BYTES)
        self._events: deque[tuple[int, str, bytes]] = deque()
        self._bytes = 0
        self._last = 0

    def keep(self, stream: str, message: bytes) -> bytes:
        """Keep an event; its id."""
        self._last += 1
        if not self._shared.is_full:
            self._events.append((self._last, stream, message))
            self._count(len(message))
        while len(self._events) > 1 and (self._bytes > MAX_BYTES or len(self._events) > MAX_EVENTS):
            self._count(-len(self._events.popleft()[2]))
        return self.last_id(stream)

    def forget(self) -> None:
        """The session is over."""
        self._events.clear()
        self._count(-self._bytes)

    def _count(self, size: int) -> None:
        self._bytes += size
        self._shared.waiting_bytes += size

    def last_id(self, stream: str) -> bytes:
        """An id for the stream after everything sent so far."""
        return f"{stream}/{self._last}".encode()

    def after(self, last_event_id: str) -> tuple[str, list[tuple[bytes, bytes]]]:
        """The stream that an id names, and what was sent on it afterwards: ids and messages, as far as they are kept.

        An id that was never given names no stream: an empty name, and nothing.
        """
        stream, _, number = last_event_id.rpartition("/")
        if not (number.isascii() and number.isdecimal() and len(number) < 20 and int(number) <= self._last):
            return "", []
        sent = [(n, message) for n, name, message in self._events if name == stream and n > int(number)]
        return stream, [(f"{stream}/{n}".encode(), message) for n, message in sent]


@dataclass(frozen=True, slots=True)
class Resumable:
    """A stream that the client can take up again.

    Attributes:
        name: Of the stream, within the session.
        primed: The revision lets a stream begin with an event without data, which tells its id.
    """

    sent: SentEvents
    name: str
    primed: bool

    def event(self, message: bytes) -> bytes:
        """A message as an event that is kept."""
        return event(message, self.sent.keep(self.name, message))

    def primer(self, event_id: bytes = b"") -> bytes:
        """What the stream begins with: the id after which it goes on, the last one unless another is given."""
        if not self.primed:
            return b""
        named = event_id or self.sent.last_id(self.name)
        return b"id: " + named + b"\r\nretry: " + str(RETRY_MS).encode() + b"\r\ndata: \r\n\r\n"
