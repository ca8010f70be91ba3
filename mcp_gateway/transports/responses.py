"""What streamable HTTP answers with besides streams: JSON-RPC documents, refusals among them, and nothing at all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Send

from mcp_gateway.protocol.context import error_answer
from mcp_gateway.protocol.encoding import encode
from mcp_gateway.protocol.messages import INVALID_REQUEST, RequestId

JSON, EVENTS = "application/json", "text/event-stream"

# What strangers send at greater length is not kept.
REMEMBERED_CHARS = 256
_NOUGHT = re.compile(r"q=0(\.0*)?")

Headers = Mapping[str, str]
RawHeaders = Sequence[tuple[bytes, bytes]]


async def body_of(receive: Receive) -> bytes:
    """The body of a request. Raises ClientDisconnect when it does not come to its end."""
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def respond(send: Send, body: bytes | None, status: int = 200, headers: RawHeaders = ()) -> None:
    """Send a JSON document, or a response without a body."""
    length = [(b"content-length", str(len(body or b"")).encode())]
    kind = [] if body is None else [(b"content-type", JSON.encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*kind, *length, *headers]})
    await send({"type": "http.response.body", "body": body or b""})


async def refuse(
    send: Send,
    status: int,
    message: str,
    code: int = INVALID_REQUEST,
    request_id: RequestId | None = None,
    headers: RawHeaders = (),
    data: Any = None,
) -> None:
    """Send a JSON-RPC error."""
    await respond(send, encode(error_answer(request_id, code, message, data)), status, headers)


def accepts(headers: Headers, media_type: str) -> bool:
    """Whether the client takes a response of this type."""
    return not {media_type, media_type.partition("/")[0] + "/*", "*/*"}.isdisjoint(_accepted(headers.get("accept", "")))


def _accepted(header: str) -> frozenset[str]:
    return _known(header) if len(header) <= REMEMBERED_CHARS else _types_in(header)


def _types_in(header: str) -> frozenset[str]:
    parts = (part.lower().replace(" ", "").split(";") for part in header.split(","))
    return frozenset(kind for kind, *options in parts if not any(_NOUGHT.fullmatch(option) for option in options))


_known = lru_cache(maxsize=256)(_types_in)
