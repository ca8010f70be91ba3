"""HTTP/1.1 as it is written: requests sent ahead of their answers, streams that are read by the event or not at all."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """One connection to a gateway."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=WAIT_SECONDS)
        self._held = bytearray()

    def send(self, data: bytes) -> None:
        """Write it all."""
        self.socket.sendall(data)

    def reply(self) -> Reply:
        """Read the next answer to its end."""
        status, headers = self.head()
        body = b"".join(self.chunks()) if "transfer-encoding" in headers else self._take(int(headers["content-length"]))
        return Reply(status, headers, body)

    def head(self) -> tuple[int, dict[str, str]]:
        """Read the head of the next answer."""
        top, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines if line)
        return int(top.split()[1]), {name.lower(): value.strip() for name, _, value in fields}

    def chunks(self) -> Iterator[bytes]:
        """The parts of a body that comes in chunks."""
        while size := int(self._until(b"\r\n"), 16):
            yield self._take(size)
            self._take(2)
        self._take(2)

    def events(self) -> Iterator[tuple[bytes, bytes]]:
        """The events of a stream: name and data."""
        held = b""
        for chunk in self.chunks():
            *events, held = (held + chunk).split(b"\r\n\r\n")
            for event in events:
                fields = dict(line.split(b": ", 1) for line in event.split(b"\r\n") if b": " in line)
                if fields.get(b"data"):
                    yield fields.get(b"event", b"message"), fields[b"data"]

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):  # the server was first
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes whoever reads in another thread
        self.socket.close()

    def _until(self, end: bytes) -> bytes:
        searched = 0
        while (found := self._held.find(end, searched)) < 0:
            searched = max(0, len(self._held) - len(end))
            self._receive()
        return self._take(found + len(end))[: -len(end)]

    def _take(self, size: int) -> bytes:
        while len(self._held) < size:
            self._receive()
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    def _receive(self) -> None:
        chunk = self.socket.recv(1 << 18)
        if not chunk:
            raise EOFError
        self._held += chunk


def post(path: str, body: bytes, **headers: str) -> bytes:
    """A POST of JSON as it is written. Underscores in the names of headers stand for hyphens."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        f"Content-Length: {len(body)}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def get(path: str, **headers: str) -> bytes:
    """A GET as it is written."""
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", *(f"{n.replace('_', '-')}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()
