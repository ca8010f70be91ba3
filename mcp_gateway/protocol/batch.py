"""The answers of one batch: an array, of which no more is kept than one client may make the gateway hold."""

from __future__ import annotations

from mcp_gateway.protocol.context import error_answer
from mcp_gateway.protocol.encoding import encode
from mcp_gateway.protocol.messages import INTERNAL_ERROR, Message, Refusal, Request

# Nobody can read an answer of a batch before all are there, so nothing but this bounds them.
MAX_BYTES = 8 * 1024 * 1024
TOO_LARGE = "The answers of this batch are too large together; send fewer requests at a time"


class BatchAnswers:
    """Collects answers; those that no longer fit become errors, which are short."""

    def __init__(self) -> None:
        self._answers: list[bytes] = []
        self._bytes = 0

    def add(self, message: Message, answer: bytes | None) -> None:
        """Keep the answer to a member, if it has one."""
        if answer is None:
            return
        self._bytes += len(answer)
        if self._bytes > MAX_BYTES and isinstance(message, Request | Refusal):
            answer = encode(error_answer(message.id, INTERNAL_ERROR, TOO_LARGE))
        self._answers.append(answer)

    def joined(self) -> bytes | None:
        """All of them as one array; None when there are none."""
        return b"[" + b",".join(self._answers) + b"]" if self._answers else None
