"""HTTP as the load needs it: requests built once, answers read only as far as to know where they end."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping

CHUNK_BYTES = 1 << 18

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"
# An event ends with a blank line, and the chunk that it came in with one more line end.
_EVENT_ENDS = (b"\r\n\r\n\r\n", b"\n\n\r\n")


class Response:
    """An answer while it comes in."""

    __slots__ = ("_body_at", "_end", "data")

    def __init__(self) -> None:
        self.data = b""
        self._body_at = 0
        self._end: int | None = None

    def feed(self, data: bytes) -> bool:
        """Take what came. Whether that was all of it.

        Raises:
            AssertionError: It is not a success.
        """
        self.data = self.data + data if self.data else data
        if not self._body_at:
            head_end = self.data.find(b"\r\n\r\n")
            if head_end < 0:
                return False
            assert self.data[9:10] == b"2", self.data[:300]
            self._body_at = head_end + 4
            length = _LENGTH.search(self.data, 0, head_end)
            assert length or _CHUNKED.search(self.data, 0, head_end), self.data[:head_end]
            self._end = self._body_at + int(length[1]) if length else None
        return self.data.endswith(_LAST_CHUNK) if self._end is None else len(self.data) >= self._end

    def header(self, name: str) -> str | None:
        """A header, if it is there."""
        found = re.search(rb"\r\n%b: *([^\r]*)" % name.encode(), self.data[: self._body_at], re.IGNORECASE)
        return found[1].decode() if found else None

    def message(self) -> bytes:
        """The JSON-RPC message in it, be it JSON or an event."""
        body = self.data[self._body_at :]
        if b"text/event-stream" in self.data[: self._body_at]:
            return message_of(body)
        return body if self._end is not None else _joined(body)


class Connection:
    """A connection to a server on this machine, kept open."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange(self, request: bytes) -> Response:
        """Send a request and wait for all of its answer."""
        self.socket.sendall(request)
        response = Response()
        while not response.feed(self.receive()):
            pass
        return response

    def receive(self) -> bytes:
        """Some bytes. Raises RuntimeError when there will be no more."""
        data = self.socket.recv(CHUNK_BYTES)
        if not data:
            raise RuntimeError("the server closed a connection")
        return data

    def close(self) -> None:
        """Be gone."""
        self.socket.close()


def head(method: str, path: str, port: int, headers: Mapping[str, str]) -> bytes:
    """The head of a request; complete where there is no body."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *(f"{n}: {v}" for n, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post_head(path: str, port: int, headers: Mapping[str, str], body_bytes: int) -> bytes:
    """The head of a request with a JSON body of this length."""
    own = {
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "Content-Length": str(body_bytes),
    }
    return head("POST", path, port, {**own, **headers})


def ends_event(data: bytes) -> bool:
    """Whether a stream of events has come to the end of one that carries a message."""
    return data.endswith(_EVENT_ENDS) and b"\ndata:" in data


def message_of(data: bytes) -> bytes:
    """The message of the last event in a chunked body."""
    # A chunk's head is a line of its own, so it stands before or after the data but never within.
    return data[data.rindex(b"\ndata:") + 6 :].partition(b"\n")[0].strip()


def _joined(body: bytes) -> bytes:
    """A chunked body without its chunks."""
    joined = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        joined, body = joined + rest[:length], rest[length + 2 :]
    return joined
