"""What the client can be asked, as it goes over the wire, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_gateway.arguments import compile_schema
from mcp_gateway.call import (
    Answer,
    ElicitationAnswer,
    ElicitationRequest,
    Question,
    RootsRequest,
    SamplingAnswer,
    SamplingRequest,
)
from mcp_gateway.errors import Unavailable
from mcp_gateway.protocol.blocks import block
from mcp_gateway.protocol.versions import Revision

MAX_ROOTS = 1000


def request_of(question: Question, revision: Revision) -> dict[str, Any]:
    """Method and params of the question."""
    match question:
        case SamplingRequest():
            return {"method": "sampling/createMessage", "params": _sampling(question, revision)}
        case ElicitationRequest():
            form = {"message": question.message, "requestedSchema": dict(question.schema)}
            return {"method": "elicitation/create", "params": form}
        case RootsRequest():
            return {"method": "roots/list", "params": {}}


def answer_of(question: Question, answer: Mapping[str, Any]) -> Answer:
    """The client's result, understood.

    Raises:
        Unavailable: It makes no sense, or does not fit the form.
    """
    match question:
        case SamplingRequest():
            return _sampled(answer)
        case ElicitationRequest():
            return _filled_in(question, answer)
        case RootsRequest():
            return _file_roots(answer)


def _sampling(request: SamplingRequest, revision: Revision) -> dict[str, Any]:
    messages = [{"role": m.role, "content": block(m.content, revision)} for m in request.messages]
    optional = {"systemPrompt": request.system_prompt, "temperature": request.temperature}
    present = {name: value for name, value in optional.items() if value is not None}
    return {"messages": messages, "maxTokens": request.max_tokens, **present}


def _sampled(answer: Mapping[str, Any]) -> SamplingAnswer:
    content, model, stop_reason = (answer.get("content"), answer.get("model"), answer.get("stopReason"))
    blocks = content if isinstance(content, list) else [content]
    texts = [b["text"] for b in blocks if isinstance(b, dict) and isinstance(b.get("text"), str)]
    if not texts or not isinstance(model, str):
        raise Unavailable("The client's model gave an answer that could not be understood.")
    return SamplingAnswer("\n".join(texts), model, stop_reason if isinstance(stop_reason, str) else None)


def _filled_in(request: ElicitationRequest, answer: Mapping[str, Any]) -> ElicitationAnswer:
    action, content = answer.get("action"), answer.get("content")
    if action in {"decline", "cancel"}:
        return ElicitationAnswer(action)
    if action != "accept" or not isinstance(content, dict | None):
        raise Unavailable("The client's answer could not be understood.")
    if not compile_schema(request.schema).is_valid(content or {}):
        raise Unavailable("The user's answer does not fit the form.")
    return ElicitationAnswer(action, content or {})


def _file_roots(answer: Mapping[str, Any]) -> list[str]:
    roots = answer.get("roots")
    if not isinstance(roots, list):
        raise Unavailable("The client's roots could not be understood.")
    uris = (root.get("uri") for root in roots[:MAX_ROOTS] if isinstance(root, dict))
    return [uri for uri in uris if isinstance(uri, str) and uri.startswith("file://")]
