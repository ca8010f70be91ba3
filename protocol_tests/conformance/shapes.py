"""What messages look like: the parts that tests read, and what is wrong with a message by the rules of a revision."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

CONTENT_KINDS = {"text", "image", "resource"}
LATER_KINDS = {"2024-11-05": set[str](), "2025-03-26": {"audio"}}
MAX_MESSAGE_LENGTH = 1000
CLIENT_INFO = {"name": "wire", "version": "1"}


def initialize_params(version: str = "2024-11-05", **more: Any) -> dict[str, Any]:
    """The params of initialize."""
    return {"protocolVersion": version, "capabilities": {}, "clientInfo": CLIENT_INFO, **more}


def text_of(result: dict[str, Any]) -> str:
    """The first text of a tool's result."""
    return str(result["content"][0]["text"])


def messages_of(received: list[Any]) -> list[dict[str, Any]]:
    """All messages, those of batches too."""
    return [message for item in received for message in (item if isinstance(item, list) else [item])]


def envelope_faults(message: Any) -> list[str]:
    """What is wrong with a message as JSON-RPC."""
    if not isinstance(message, dict):
        return ["not an object"]
    faults = [] if message.get("jsonrpc") == "2.0" else ["jsonrpc is not 2.0"]
    if "method" in message:
        if "id" in message and not _is_id(message["id"]):
            faults.append("the id of a request is not a string or integer")
        if not isinstance(message.get("params", {}), dict):
            faults.append("params is not an object")
        return faults
    if ("result" in message) == ("error" in message):
        faults.append("not exactly one of result and error")
    if "result" in message and not isinstance(message["result"], dict):
        faults.append("the result is not an object")
    return faults + (error_faults(message["error"]) if "error" in message else [])


def error_faults(error: Any) -> list[str]:
    """What is wrong with an error."""
    if not isinstance(error, dict):
        return ["the error is not an object"]
    code, message = error.get("code"), error.get("message")
    faults = [] if isinstance(code, int) and not isinstance(code, bool) else ["the code is not an integer"]
    if not isinstance(message, str):
        return [*faults, "the message is not text"]
    if "\n" in message or "Traceback" in message or len(message) > MAX_MESSAGE_LENGTH:
        faults.append("the message is not one short sentence")
    return faults


def content_faults(block: Any, version: str) -> list[str]:
    """What is wrong with a block of content for a client of this revision."""
    match block:
        case {"type": "text", "text": str()}:
            return []
        case {"type": "image" | "audio" as kind, "data": str(data), "mimeType": str(mime_type)}:
            known = kind == "image" or kind in LATER_KINDS[version]
            faults = [] if known and "/" in mime_type else [f"{kind} of type {mime_type!r}"]
            return faults + base64_faults(data)
        case {"type": "resource", "resource": dict(resource)}:
            return resource_faults(resource)
    return [f"not content of {version}: {str(block)[:200]}"]


def resource_faults(contents: Any) -> list[str]:
    """What is wrong with the contents of a resource."""
    match contents:
        case {"uri": str(uri), "text": str()} if ":" in uri:
            return ["both text and blob"] if "blob" in contents else []
        case {"uri": str(uri), "blob": str(blob)} if ":" in uri:
            return base64_faults(blob)
    return [f"not the contents of a resource: {str(contents)[:200]}"]


def base64_faults(data: str) -> list[str]:
    """Whether it is base64."""
    try:
        b64decode(data, validate=True)
    except ValueError:
        return ["not base64"]
    return []


def _is_id(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
