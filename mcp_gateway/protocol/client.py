"""The client of a call as handlers see it: progress, log messages, and what it can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mcp.server.connection import Connection
from mcp.shared.dispatcher import DispatchContext
from mcp.shared.exceptions import MCPError
from mcp_types import LOG_LEVEL_META_KEY, ClientCapabilities

from mcp_gateway.call import LOG_LEVELS, ElicitationAnswer, LogLevel, SamplingAnswer, SamplingRequest
from mcp_gateway.clock import Clock
from mcp_gateway.errors import Unavailable
from mcp_gateway.protocol.blocks import block
from mcp_gateway.protocol.session import Session
from mcp_gateway.protocol.versions import Revision

# Twenty a second are smooth to look at; more would only fill the connection.
PROGRESS_PAUSE_SECONDS = 0.05
MAX_ROOTS = 1000


class McpClient:
    """Implements `call.Client` over one request's channel.

    Args:
        channel: The way back that belongs to the request.
        ask_seconds: How long an answer may take.
    """

    def __init__(
        self,
        channel: DispatchContext[Any],
        connection: Connection,
        session: Session,
        revision: Revision,
        *,
        meta: Mapping[str, Any],
        clock: Clock,
        ask_seconds: float,
    ) -> None:
        declared = connection.client_capabilities or ClientCapabilities()
        reachable = channel.can_send_request and not revision.per_request
        self.can_sample = reachable and declared.sampling is not None
        self.can_elicit = reachable and revision.elicitation and declared.elicitation is not None
        self.can_list_roots = reachable and declared.roots is not None
        self._channel = channel
        self._session = session
        self._revision = revision
        self._clock = clock
        self._ask_seconds = ask_seconds
        self._least_level = meta.get(LOG_LEVEL_META_KEY) if revision.per_request else None
        token = meta.get("progressToken")
        self._token = token if isinstance(token, str | int) and not isinstance(token, bool) else None
        self._done: float | None = None
        self._held: dict[str, Any] | None = None
        self._next_at = 0.0

    async def progress(self, done: float, total: float | None, message: str | None) -> None:
        """Report progress that grew. Between two reports there is a pause; the newest held back is sent at the end."""
        if self._token is None or (self._done is not None and done <= self._done):
            return
        self._done = done
        self._held = _progress(self._token, done, total, message if self._revision.progress_text else None)
        now = self._clock.monotonic()
        if now >= self._next_at:
            self._next_at = now + PROGRESS_PAUSE_SECONDS
            await self.finish()

    async def finish(self) -> None:
        """Before the result: report the progress that was held back."""
        if self._held is not None:
            held, self._held = self._held, None
            await self._channel.notify("notifications/progress", held)

    async def log(self, level: LogLevel, data: Any, logger: str | None) -> None:
        """Send a log message, if the client wants this level."""
        if self._wants_log(level):
            named = {} if logger is None else {"logger": logger}
            await self._channel.notify("notifications/message", {"level": level, **named, "data": data})

    async def sample(self, request: SamplingRequest) -> SamplingAnswer:
        """Ask the client's model. Raises Unavailable when it cannot, declines, is late or answers nonsense."""
        if not self.can_sample:
            raise Unavailable("This client does not lend its model.")
        messages = [{"role": m.role, "content": block(m.content, self._revision)} for m in request.messages]
        optional = {"systemPrompt": request.system_prompt, "temperature": request.temperature}
        present = {name: value for name, value in optional.items() if value is not None}
        params = {"messages": messages, "maxTokens": request.max_tokens, **present}
        return _sampled(await self._ask("sampling/createMessage", params))

    async def elicit(self, message: str, schema: Mapping[str, Any]) -> ElicitationAnswer:
        """Ask the user. Raises Unavailable when the client cannot."""
        if not self.can_elicit:
            raise Unavailable("This client cannot ask its user.")
        answer = await self._ask("elicitation/create", {"message": message, "requestedSchema": dict(schema)})
        action, content = answer.get("action"), answer.get("content")
        if action not in ("accept", "decline", "cancel") or not isinstance(content, dict | None):
            raise Unavailable("The client's answer could not be understood.")
        return ElicitationAnswer(action, content if action == "accept" else None)

    async def list_roots(self) -> Sequence[str]:
        """The client's folders; asked once, and again after it says that they changed."""
        if not self.can_list_roots:
            raise Unavailable("This client has no roots.")
        if self._session.roots is None:
            self._session.roots = _file_roots(await self._ask("roots/list", None))
        return self._session.roots

    async def _ask(self, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
        try:
            return await self._channel.send_raw_request(method, params, {"timeout": self._ask_seconds})
        except MCPError as error:
            raise Unavailable(f"The client did not answer {method}: {error.message[:200]}") from None

    def _wants_log(self, level: LogLevel) -> bool:
        if not self._revision.per_request:
            return self._session.wants_log(level)
        least = self._least_level
        return least in LOG_LEVELS and LOG_LEVELS.index(level) >= LOG_LEVELS.index(least)


def _progress(token: str | int, done: float, total: float | None, message: str | None) -> dict[str, Any]:
    optional = {"total": total, "message": message}
    present = {name: value for name, value in optional.items() if value is not None}
    return {"progressToken": token, "progress": done, **present}


def _sampled(answer: Mapping[str, Any]) -> SamplingAnswer:
    content, model, stop_reason = answer.get("content"), answer.get("model"), answer.get("stopReason")
    blocks = content if isinstance(content, list) else [content]
    texts = [b["text"] for b in blocks if isinstance(b, dict) and isinstance(b.get("text"), str)]
    if not texts or not isinstance(model, str):
        raise Unavailable("The client's model gave an answer that could not be understood.")
    return SamplingAnswer("\n".join(texts), model, stop_reason if isinstance(stop_reason, str) else None)


def _file_roots(answer: Mapping[str, Any]) -> list[str]:
    roots = answer.get("roots")
    if not isinstance(roots, list):
        raise Unavailable("The client's roots could not be understood.")
    uris = (root.get("uri") for root in roots[:MAX_ROOTS] if isinstance(root, dict))
    return [uri for uri in uris if isinstance(uri, str) and uri.startswith("file://")]
