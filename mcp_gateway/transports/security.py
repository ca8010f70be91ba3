"""What every HTTP request passes first: Host and Origin, the size of bodies, and headers that protect browsers.

A web page may make a browser send requests to a server on its user's own machine, and by DNS rebinding even read the
answers. Such requests carry a foreign Origin or Host, so both are checked on every route, health included.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_gateway.transports.problem import problem

log = logging.getLogger(__name__)

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

# Headers of every answer, unless its route sets its own.
PROTECTION = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}

_PROTECTION = [(name.encode(), value.encode()) for name, value in PROTECTION.items()]

# A name has at most 253 characters (RFC 1035), a port five.
MAX_HOST_CHARS = 260

# What nearly every message has room in.
SMALL_BODY_BYTES = 16 * 1024

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]]+?)(:\d*)?")


class BodyTooLarge(HTTPException):
    """The request's body is longer than is read; raised to whoever reads it, and the answer if nobody minds."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(413, f"The body may have at most {max_bytes} bytes.")


class BodiesTooLarge(HTTPException):
    """The bodies of all requests together take more memory than they may. Raised as `BodyTooLarge`."""

    def __init__(self) -> None:
        super().__init__(503, "Too many large requests at a time.", {"Retry-After": "1"})


class Guard:
    """The outermost layer of the HTTP application.

    Args:
        app: What is guarded.
        allowed_hosts: Hosts accepted besides this machine's own names, with a port or for any port.
        allowed_origins: Origins accepted besides pages of this machine and our own, e.g. `https://app.example`.
        max_body_bytes: Largest body that is read.
        max_bodies_bytes: What the bodies of all requests that are served may have together.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: Sequence[str],
        allowed_origins: Sequence[str],
        max_body_bytes: int,
        max_bodies_bytes: int,
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in allowed_hosts)
        self._origins = frozenset(origin.lower().rstrip("/") for origin in allowed_origins)
        self._max_body_bytes = max_body_bytes
        self._bodies = _Bodies(max_bodies_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks WebSocket, so nobody gets past the guard by it
            await send({"type": "websocket.close", "code": 1008})
            return
        protected = _protecting(send)
        refusal = self._refusal(scope)
        if refusal is not None:
            await problem(*refusal)(scope, receive, protected)
            return
        body = _Body(receive, self._max_body_bytes, self._bodies)
        try:
            await self._app(scope, body.receive, protected)
        except ClientDisconnect:
            log.debug("a client hung up within its request")
        finally:
            self._bodies.held_bytes -= body.read_bytes

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        found: dict[bytes, list[str]] = {b"host": [], b"origin": [], b"content-length": []}
        for name, value in scope["headers"]:
            if name in found:
                found[name].append(value.decode("latin-1"))
        hosts, origins, lengths = found.values()
        if len(hosts) != 1 or not self._is_our_host(hosts[0]):
            return 421, "This server does not answer to this Host. Its operator can allow it: http.allowed_hosts."
        if origins and (len(origins) > 1 or not self._is_our_origin(origins[0], hosts[0])):
            return (
                403,
                "Pages of this Origin may not use this server. Its operator can allow it: http.allowed_origins.",
            )
        if lengths and lengths[0].isdecimal() and int(lengths[0]) > self._max_body_bytes:
            return 413, f"The body may have at most {self._max_body_bytes} bytes."
        return None

    def _is_our_host(self, host: str) -> bool:
        name = _name_of(host)
        return name in LOOPBACK or (bool(name) and (name in self._hosts or host.lower() in self._hosts))

    def _is_our_origin(self, origin: str, our_host: str) -> bool:
        if origin.lower() in self._origins:
            return True
        scheme, _, host = origin.lower().partition("://")
        return scheme in {"http", "https"} and (host == our_host.lower() or _name_of(host) in LOOPBACK)


def _protecting(send: Send) -> Send:
    """Adds the protecting headers, unless the route set its own."""

    async def protected(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name for name, _ in message["headers"]}
            added = [field for field in _PROTECTION if field[0] not in own]
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return protected


@dataclass(slots=True)
class _Bodies:
    """What was read of the bodies of all requests that are being served."""

    max_bytes: int
    held_bytes: int = 0


class _Body:
    """Counts what is read."""

    def __init__(self, receive: Receive, max_bytes: int, bodies: _Bodies) -> None:
        self.read_bytes = 0
        self._receive = receive
        self._max_bytes = max_bytes
        self._bodies = bodies

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request" and (size := len(message.get("body", b""))):
            self.read_bytes += size
            self._bodies.held_bytes += size
            if self.read_bytes > self._max_bytes:
                raise BodyTooLarge(self._max_bytes)
            # Small ones are always read: a client with large ones must not lock the others out.
            if self._bodies.held_bytes > self._bodies.max_bytes and self.read_bytes > SMALL_BODY_BYTES:
                raise BodiesTooLarge
        return message


def _name_of(host: str) -> str:
    return _known_name(host) if len(host) <= MAX_HOST_CHARS else ""


@lru_cache(maxsize=1024)
def _known_name(host: str) -> str:
    """The host without its port and brackets; empty when it is not a host."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 — refuses a port that is no number
    except ValueError:
        return ""
    if parts.netloc != host or "@" in host or not _HOST.fullmatch(host):
        return ""
    return parts.hostname or ""
