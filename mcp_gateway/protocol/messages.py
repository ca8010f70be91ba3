"""JSON-RPC messages as they come from a client, after framing and before anything is done about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
INVALID_PARAMS = -32602

RequestId = str | int


@dataclass(frozen=True, slots=True)
class Request:
    """Wants an answer with its id."""

    id: RequestId
    method: str
    params: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Notification:
    """Is never answered."""

    method: str
    params: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Response:
    """Answers a request of ours: with a result, or with an error."""

    id: object
    result: object
    error: object


@dataclass(frozen=True, slots=True)
class Refusal:
    """Not a message that can be taken; the answer to it. `id` is None when none could be read."""

    id: RequestId | None
    code: int
    message: str


Message = Request | Notification | Response | Refusal | None
Parsed = Message | list[Message]
