"""The requests that are sent, encoded beforehand, and what their answers must be."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

HANDSHAKE = "2025-11-25"
MODERN = "2026-07-28"
SSE_REVISION = "2024-11-05"
CLIENT = {"name": "benchmark", "version": "1.0.0"}
TEXT = "hello, world"

_ANSWER = json.loads((Path(__file__).parent / "plugins/benchmark_tools/answer.json").read_bytes())
_CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "echo": ("tools/call", {"name": "echo", "arguments": {"text": TEXT}}),
    "search": ("tools/call", {"name": "search", "arguments": {"query": "harbour", "genres": ["drama"], "limit": 20}}),
    "list": ("tools/list", {}),
}
_ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}
_ID = 1111111111


class Requests:
    """One kind of request, over and over, each with an id of its own.

    Args:
        kind: `echo`, `search` or `list`.
        modern: With the envelope of 2026-07-28.
    """

    # Of ten digits, so that all requests are equally long, and so are all answers.
    _ids = itertools.count(2_000_000_000)

    def __init__(self, kind: str, *, modern: bool = False) -> None:
        self.kind = kind
        self.method, params = _CALLS[kind]
        self.name = params.get("name")
        if modern:
            params = {**params, "_meta": _ENVELOPE}
        whole = _encode({"jsonrpc": "2.0", "id": _ID, "method": self.method, "params": params})
        self._before, _, self._after = whole.partition(str(_ID).encode())
        self.size_bytes = len(whole)

    def next(self) -> bytes:
        """The next request."""
        return b"%b%d%b" % (self._before, next(self._ids), self._after)

    def check(self, request: bytes, answer: bytes) -> None:
        """Raise AssertionError unless this is the right answer."""
        message = json.loads(answer)
        assert message["id"] == json.loads(request)["id"], message
        result = message["result"]
        if self.kind == "list":
            assert len(result["tools"]) == 20 and all(tool["inputSchema"] for tool in result["tools"]), result
            return
        wanted = {"result": TEXT} if self.kind == "echo" else _ANSWER
        assert not result.get("isError"), result
        # Revisions before 2025-06-18 have only the text.
        assert _without_nulls(result.get("structuredContent", wanted)) == wanted, result
        text = result["content"][0]["text"]
        assert text == TEXT or _without_nulls(json.loads(text)) == wanted, result


def initialize(revision: str = HANDSHAKE) -> bytes:
    """The first request of a session."""
    params = {"protocolVersion": revision, "capabilities": {}, "clientInfo": CLIENT}
    return _encode({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})


def initialized() -> bytes:
    """What follows the answer to the first."""
    return _encode({"jsonrpc": "2.0", "method": "notifications/initialized"})


def call(tool: str, arguments: dict[str, Any]) -> bytes:
    """One call of a tool, whatever it answers."""
    return _encode(
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    )


def _encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value
