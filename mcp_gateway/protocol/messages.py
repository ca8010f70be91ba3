"""JSON-RPC messages as they come from a client, after framing and before anything is done about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mcp_gateway.call import LOCAL, Caller

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
CONNECTION_CLOSED = -32000
REQUEST_TIMEOUT = -32001
HEADER_MISMATCH = -32020
MISSING_REQUIRED_CLIENT_CAPABILITY = -32021
UNSUPPORTED_PROTOCOL_VERSION = -32022

RequestId = str | int


class RpcError(Exception):
    """A request fails, and the client is told why in these words."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def as_json(self) -> dict[str, Any]:
        """The `error` of an answer."""
        data = {} if self.data is None else {"data": self.data}
        return {"code": self.code, "message": self.message, **data}


@dataclass(frozen=True, slots=True)
class Request:
    """Wants an answer with its id. `caller` is who sent it, as its transport knows."""

    id: RequestId
    method: str
    params: dict[str, Any] | None
    caller: Caller = LOCAL


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
