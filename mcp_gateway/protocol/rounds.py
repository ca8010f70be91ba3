"""Asking the client since 2026-07-28: a question ends the request, and the client sends it again with the answer.

The handler then runs anew from its beginning, and what was answered is answered at once. The state that makes
this possible travels with the client, sealed: any instance of the gateway can serve any round.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any

import anyio

from mcp_gateway.call import Answer, Question
from mcp_gateway.errors import Unavailable
from mcp_gateway.protocol.questions import answer_of, request_of
from mcp_gateway.protocol.versions import Revision

# For people who are asked and have to think, or to look something up.
STATE_SECONDS = 3600.0


class Rounds:
    """The questions of one request, and the answers that it brings.

    Args:
        params: Those of the request; a `requestState` in it has been unsealed.
    """

    def __init__(self, params: Mapping[str, Any], revision: Revision) -> None:
        given = params.get("requestState")
        state = json.loads(given) if given else {}
        # A client may also answer unasked; what it says is its own in any case.
        self._asked: Mapping[str, str] | None = state.get("asked")
        self._answers: dict[str, Any] = {**(params.get("inputResponses") or {}), **state.get("answers", {})}
        self._revision = revision
        self._times: dict[str, int] = {}
        self._used: dict[str, Any] = {}
        self._digests: dict[str, str] = {}
        self._open: dict[str, dict[str, Any]] = {}
        self._scope = anyio.CancelScope()

    @property
    def is_task(self) -> bool:
        """Whether the client has been answered already and comes back for the result."""
        return False

    async def run(self, method: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """The method's result, or what the client has to answer first."""
        with self._scope:
            return await method()
        state = json.dumps({"asked": self._digests, "answers": self._used})
        return {"resultType": "input_required", "inputRequests": self._open, "requestState": state}

    async def ask(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        """The answers, when the client has sent them all; else this never returns, and the request ends."""
        answers = {key: self._answered(self._numbered(key), question) for key, question in questions.items()}
        complete = {key: answer for key, answer in answers.items() if answer is not None}
        if len(complete) == len(answers):
            return complete
        # Cancellation is what no handler stops by accident, and what lets it clean up.
        self._scope.cancel()
        await anyio.sleep_forever()
        raise AssertionError

    async def detach(self) -> bool:
        """Answer the client, so that it comes back for the result. Whether that is possible."""
        return False

    def _numbered(self, key: str) -> str:
        """The key of the question on the wire: the second time it is asked, it is another question."""
        times = self._times[key] = self._times.get(key, 0) + 1
        return key if times == 1 else f"{key}-{times}"

    def _answered(self, key: str, question: Question) -> Answer | None:
        request = request_of(question, self._revision)
        self._digests[key] = _digest(request)
        answer = self._answers.get(key)
        # An answer to the same key in other words was an answer to something else: consent, say, to another deletion.
        if isinstance(answer, dict) and (self._asked is None or self._asked.get(key) == self._digests[key]):
            with suppress(Unavailable):
                understood = answer_of(question, answer)
                self._used[key] = answer
                return understood
        self._open[key] = request
        return None


def _digest(request: Mapping[str, Any]) -> str:
    return sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:16]
