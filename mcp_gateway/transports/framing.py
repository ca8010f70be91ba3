"""Bytes to JSON-RPC messages: what is malformed is named, with the code it must be answered with, and never dropped.

The rules are those of JSON-RPC 2.0 as MCP narrows them: params are objects, ids are strings or integers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from mcp_gateway.call import LOCAL, Caller
from mcp_gateway.protocol.messages import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    Message,
    Notification,
    Parsed,
    Refusal,
    Request,
    RequestId,
    Response,
)

# Enough for every client known to batch; a larger array is more likely an attack than a need.
MAX_BATCH = 1000


def parse(data: bytes | bytearray | memoryview, caller: Caller = LOCAL) -> Parsed:
    """Read one line or request body.

    Args:
        caller: Who sent it.

    Returns:
        A message; a list of them for a batch; None for a malformed notification, which nobody may answer.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return Refusal(None, PARSE_ERROR, "Parse error: not one JSON value in UTF-8")
    if not isinstance(value, list):
        return _message(value, caller)
    if not value:
        return Refusal(None, INVALID_REQUEST, "Invalid request: the batch is empty")
    if len(value) > MAX_BATCH:
        return Refusal(None, INVALID_REQUEST, f"Invalid request: more than {MAX_BATCH} messages in a batch")
    return [_member(item, caller) for item in value]


def _member(value: object, caller: Caller) -> Message:
    """One message of a batch. Others may stand beside it, so it cannot open the session."""
    message = _message(value, caller)
    if isinstance(message, Request) and message.method == "initialize":
        return Refusal(message.id, INVALID_REQUEST, "Invalid request: initialize cannot be part of a batch")
    return message


def _message(value: object, caller: Caller) -> Message:
    if not isinstance(value, dict):
        return Refusal(None, INVALID_REQUEST, "Invalid request: not an object")
    if "method" not in value and ("result" in value or "error" in value):
        return Response(value.get("id"), value.get("result"), value.get("error"))
    fault = _envelope_fault(value)
    if fault is not None:
        return Refusal(_readable_id(value), INVALID_REQUEST, f"Invalid request: {fault}")
    params = value.get("params")
    is_shaped = params is None or isinstance(params, dict)
    if "id" not in value:
        return Notification(value["method"], params) if is_shaped else None
    if not is_shaped:
        return Refusal(value["id"], INVALID_PARAMS, "Invalid params: not an object")
    return Request(value["id"], value["method"], params, caller)


def _envelope_fault(value: dict[str, Any]) -> str | None:
    if value.get("jsonrpc") != "2.0":
        return 'jsonrpc is not "2.0"'
    if not isinstance(value.get("method"), str):
        return "method is not a string"
    if "id" in value and _readable_id(value) is None:
        return "id is not a string or an integer"
    return None


def _readable_id(value: dict[str, Any]) -> RequestId | None:
    found = value.get("id")
    return found if isinstance(found, str) or (isinstance(found, int) and not isinstance(found, bool)) else None


class Lines:
    """Cuts a stream of bytes into lines, holding at most one of the given length.

    Args:
        max_bytes: A longer line is skipped up to its end and given out as a Refusal.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held = bytearray()
        self._skipping = False

    def feed(self, chunk: bytes) -> Iterator[bytes | Refusal]:
        """The lines that this chunk completes, without blank ones."""
        *complete, rest = chunk.split(b"\n")
        for part in complete:
            line = self._end_line(part)
            if isinstance(line, Refusal) or line.strip():
                yield line
        self._hold(rest)

    def end(self) -> bytes:
        """What came after the last line break; empty when nothing did."""
        return b"" if self._skipping else bytes(self._held).strip()

    def _hold(self, part: bytes) -> None:
        if self._skipping or len(self._held) + len(part) > self._max_bytes:
            self._skipping = True
            self._held.clear()
        else:
            self._held += part

    def _end_line(self, part: bytes) -> bytes | Refusal:
        if not self._held and not self._skipping and len(part) <= self._max_bytes:
            return part
        self._hold(part)
        line = bytes(self._held)
        too_long, self._skipping = self._skipping, False
        self._held.clear()
        if too_long:
            return Refusal(None, INVALID_REQUEST, f"Invalid request: longer than {self._max_bytes} bytes")
        return line
