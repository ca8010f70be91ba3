"""What every HTTP request passes first: Host and Origin, the size of the body, and headers that protect browsers.

A web page may make a browser send requests to a server on its user's own machine, and by DNS rebinding even read the
answers. Such requests carry a foreign Origin or Host, so both are checked on every route, health included.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_gateway.transports.problem import problem

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_PROTECTION = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]]+?)(:\d*)?")


class BodyTooLarge(Exception):
    """The request's body is longer than is read."""


class Guard:
    """The outermost layer of the HTTP application.

    Args:
        app: What is guarded.
        allowed_hosts: Hosts accepted besides this machine's own names, with a port or for any port.
        allowed_origins: Origins accepted besides pages of this machine, e.g. `https://app.example`.
        max_body_bytes: Largest body that is read.
    """

    def __init__(
        self, app: ASGIApp, *, allowed_hosts: Sequence[str], allowed_origins: Sequence[str], max_body_bytes: int
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in allowed_hosts)
        self._origins = frozenset(origin.lower().rstrip("/") for origin in allowed_origins)
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks WebSocket, so nobody gets past the guard by it
            await send({"type": "websocket.close", "code": 1008})
            return
        answer = _Answer(send)
        refusal = self._refusal(Headers(scope=scope))
        if refusal is not None:
            await problem(*refusal)(scope, receive, answer.send)
            return
        body = _Body(receive, self._max_body_bytes)
        try:
            await self._app(scope, body.receive, answer.send)
        except BodyTooLarge:
            if not answer.begun:
                await self._too_large()(scope, receive, answer.send)

    def _refusal(self, headers: Headers) -> tuple[int, str] | None:
        if len(headers.getlist("host")) > 1 or not self._is_our_host(headers.get("host", "")):
            return 421, "This server does not answer to this Host. Its operator can allow it: http.allowed_hosts."
        origin = headers.get("origin")
        if origin is not None and (len(headers.getlist("origin")) > 1 or not self._is_our_origin(origin)):
            return (
                403,
                "Pages of this Origin may not use this server. Its operator can allow it: http.allowed_origins.",
            )
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._max_body_bytes:
            return 413, f"The body may have at most {self._max_body_bytes} bytes."
        return None

    def _is_our_host(self, host: str) -> bool:
        name = _name_of(host)
        return name in LOOPBACK or (bool(name) and (name in self._hosts or host.lower() in self._hosts))

    def _is_our_origin(self, origin: str) -> bool:
        if origin.lower() in self._origins:
            return True
        scheme, _, host = origin.lower().partition("://")
        return scheme in {"http", "https"} and _name_of(host) in LOOPBACK

    def _too_large(self) -> ASGIApp:
        return problem(413, f"The body may have at most {self._max_body_bytes} bytes.")


class _Answer:
    """Adds the protecting headers, unless the route set its own."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(scope=message)
            for name, value in _PROTECTION.items():
                headers.setdefault(name, value)
        await self._send(message)


class _Body:
    """Counts what is read."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._left = max_bytes

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise BodyTooLarge
        return message


def _name_of(host: str) -> str:
    """The host without its port and brackets; empty when it is not a host."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 — refuses a port that is no number
    except ValueError:
        return ""
    if parts.netloc != host or "@" in host or not _HOST.fullmatch(host):
        return ""
    return parts.hostname or ""
