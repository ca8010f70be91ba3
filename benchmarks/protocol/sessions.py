"""Clients over HTTP: sessions of the handshake era, single requests of 2026-07-28, and streams of HTTP+SSE."""

from __future__ import annotations

from benchmarks.protocol.http1 import Connection, Response, ends_event, head, message_of, post_head
from benchmarks.protocol.messages import (
    HANDSHAKE,
    MODERN,
    SSE_REVISION,
    Requests,
    initialize,
    initialized,
)
from benchmarks.protocol.servers import Running


class HttpSession:
    """One client at `/mcp`, past the handshake, with one request in flight at a time.

    Args:
        connection: Shared with other sessions where they take turns.
    """

    def __init__(self, running: Running, connection: Connection | None = None) -> None:
        self._port = running.port
        self._connection = connection or Connection(running.port)
        opened = self._post(initialize(), {})
        self._headers = {"MCP-Protocol-Version": HANDSHAKE, "Mcp-Session-Id": opened.header("mcp-session-id") or ""}
        self._post(initialized(), self._headers)
        self._response = Response()
        self._head = b""
        self.sockets = (self._connection.socket,)

    def prepare(self, requests: Requests) -> None:
        """Send these from now on."""
        self._head = post_head("/mcp", self._port, self._headers, requests.size_bytes)

    def send(self, request: bytes) -> None:
        """Send the next request."""
        self._response = Response()
        self._connection.socket.sendall(self._head + request)

    def receive(self, _: int) -> bool:
        """Take what one of the sockets has. Whether that completes the answer."""
        return self._response.feed(self._connection.receive())

    def message(self) -> bytes:
        """The answer."""
        return self._response.message()

    def close(self) -> None:
        """End the session."""
        self._connection.exchange(head("DELETE", "/mcp", self._port, self._headers))
        self._connection.close()

    def _post(self, body: bytes, headers: dict[str, str]) -> Response:
        return self._connection.exchange(post_head("/mcp", self._port, headers, len(body)) + body)


class ModernClient(HttpSession):
    """A connection on which each request stands for itself."""

    def __init__(self, running: Running) -> None:
        self._port = running.port
        self._connection = Connection(running.port)
        self._response = Response()
        self.sockets = (self._connection.socket,)

    def prepare(self, requests: Requests) -> None:
        name = {"Mcp-Name": requests.name} if requests.name else {}
        headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": requests.method, **name}
        self._head = post_head("/mcp", self._port, headers, requests.size_bytes)

    def close(self) -> None:
        self._connection.close()


class SseSession:
    """One stream and the connection that posts to it, past the handshake, with one request in flight at a time.

    Args:
        poster: Shared with other sessions where they take turns.
    """

    def __init__(self, running: Running, poster: Connection | None = None) -> None:
        self._port = running.port
        self._stream = Connection(running.port)
        self._poster = poster or Connection(running.port)
        self._event = b""
        self._response = Response()
        self._stream.socket.sendall(head("GET", running.server.sse_path, running.port, {"Accept": "text/event-stream"}))
        self._endpoint = self._next_event().decode()
        self._post(initialize(SSE_REVISION))
        self._next_event()
        self._post(initialized())
        self._head = b""
        self._is_accepted = self._is_answered = False
        self.sockets = (self._stream.socket, self._poster.socket)

    def prepare(self, requests: Requests) -> None:
        """Send these from now on."""
        self._head = self._post_head(requests.size_bytes)

    def send(self, request: bytes) -> None:
        """Send the next request."""
        self._event, self._response = b"", Response()
        self._is_accepted = self._is_answered = False
        self._poster.socket.sendall(self._head + request)

    def receive(self, descriptor: int) -> bool:
        """Take what one of the sockets has. Whether the request is now accepted as well as answered."""
        if descriptor == self._poster.socket.fileno():
            self._is_accepted = self._response.feed(self._poster.receive())
        else:
            self._event += self._stream.receive()
            self._is_answered = ends_event(self._event)
        return self._is_accepted and self._is_answered

    def message(self) -> bytes:
        """The answer."""
        return message_of(self._event)

    def close(self) -> None:
        """End the session."""
        self._poster.close()
        self._stream.close()

    def _next_event(self) -> bytes:
        data = b""
        while not ends_event(data):
            data += self._stream.receive()
        return message_of(data)

    def _post(self, body: bytes) -> None:
        self._poster.exchange(self._post_head(len(body)) + body)

    def _post_head(self, body_bytes: int) -> bytes:
        return post_head(self._endpoint, self._port, {}, body_bytes)


Session = HttpSession | SseSession
OPEN = {"http": HttpSession, "modern": ModernClient, "sse": SseSession}
