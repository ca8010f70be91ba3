"""What each revision of MCP knows: a client is never sent what its revision does not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RESOURCE_NOT_FOUND = -32002
INVALID_PARAMS = -32602


@dataclass(frozen=True, slots=True)
class Revision:
    """One published revision.

    Attributes:
        tool_hints: Tools carry annotations: read-only, destructive, idempotent, open world.
        audio: Sound is a kind of content.
        progress_text: Progress carries a message.
        completions: There is a capability `completions`; before, the method was served without one.
        titles: Tools, resources, prompts and implementations have titles for people.
        structured: Tools have output schemas and results structured content.
        links: A link to a resource is a kind of content.
        elicitation: The user can be asked.
        per_request: No handshake and no requests by the server: each request carries version, capabilities, log level.
        unknown_resource: The error code for a resource that is not there.
    """

    name: str
    tool_hints: bool = False
    audio: bool = False
    progress_text: bool = False
    completions: bool = False
    titles: bool = False
    structured: bool = False
    links: bool = False
    elicitation: bool = False
    per_request: bool = False
    unknown_resource: int = RESOURCE_NOT_FOUND


_MARCH_2025 = {"tool_hints": True, "audio": True, "progress_text": True, "completions": True}
_JUNE_2025 = {**_MARCH_2025, "titles": True, "structured": True, "links": True, "elicitation": True}

REVISIONS: Mapping[str, Revision] = {
    "2024-11-05": Revision("2024-11-05"),
    "2025-03-26": Revision("2025-03-26", **_MARCH_2025),
    "2025-06-18": Revision("2025-06-18", **_JUNE_2025),
    "2025-11-25": Revision("2025-11-25", **_JUNE_2025),
    "2026-07-28": Revision("2026-07-28", **_JUNE_2025, per_request=True, unknown_resource=INVALID_PARAMS),
}


LATEST_HANDSHAKE = "2025-11-25"
# Since 2026-07-28 a subscription is a stream, and the level of logs is said in each request.
ONLY_OF_HANDSHAKES = frozenset({"resources/subscribe", "resources/unsubscribe", "logging/setLevel"})
PROTOCOL_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
SERVER_INFO_KEY = "io.modelcontextprotocol/serverInfo"
LOG_LEVEL_KEY = "io.modelcontextprotocol/logLevel"


def initialize_result(result: Any) -> dict[str, Any]:
    """Take out of the handshake's answer, a dictionary, what the revision it agrees on does not know."""
    revision = REVISIONS[result["protocolVersion"]]
    shown = dict(result)
    unknown = {"extensions"} if revision.completions else {"extensions", "completions"}
    shown["capabilities"] = {name: value for name, value in result["capabilities"].items() if name not in unknown}
    known = {"name", "version", "title"} if revision.titles else {"name", "version"}
    shown["serverInfo"] = {name: value for name, value in result["serverInfo"].items() if name in known}
    return shown
