"""Every promise of MCP 2024-11-05 that a server makes: id, level, source and sentence, and what covers it.

A requirement is covered by a test marked `@requirement("A14")`, or by a reviewed reason here. The sentences are ours;
the sources are pages of https://modelcontextprotocol.io/specification/2024-11-05, its schema, or the standard named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

Level = Literal["MUST", "MUST NOT", "must", "SHOULD", "SHOULD NOT", "MAY", "note"]
# What has to be covered in full; `must` is a rule of the schema or of JSON-RPC, `note` a reading of what is left open.
BINDING = frozenset({"MUST", "MUST NOT", "must", "SHOULD", "SHOULD NOT"})

_LATER_SIGN_IN = "Sign-in comes with the auth plugin, whose tests cover this; without it only this machine is served."


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of the specification.

    Attributes:
        reason: Why a review covers it where no test can; empty when tests do.
    """

    id: str
    level: Level
    sentence: str
    source: str
    reason: str = ""

    @property
    def family(self) -> str:
        """The letter of its group."""
        return self.id[0]


def requirement(*ids: str) -> pytest.MarkDecorator:
    """Mark a test with the requirements it covers. Raises KeyError for an unknown id."""
    unknown = [name for name in ids if name not in REQUIREMENTS]
    if unknown or not ids:
        raise KeyError(f"unknown requirements: {unknown}")
    return pytest.mark.requirement(*ids)


FAMILIES = {
    "A": "Messages and JSON-RPC",
    "B": "Lifecycle",
    "C": "stdio",
    "D": "HTTP with SSE",
    "E": "Cancellation",
    "F": "Ping",
    "G": "Progress",
    "H": "Tools",
    "I": "Resources",
    "J": "Prompts",
    "K": "Logging",
    "L": "Completion",
    "M": "Pagination",
    "N": "Sampling",
    "O": "Roots",
    "P": "Security and trust",
}

_ALL = [
    Requirement("A01", "MUST", "Every message says jsonrpc 2.0.", "basic/messages"),
    Requirement("A02", "MUST", "Base protocol and lifecycle are there.", "basic"),
    Requirement("A03", "MUST", "Requests of the server have a string or integer id.", "basic/messages"),
    Requirement("A04", "MUST NOT", "Requests of the server never have the id null.", "basic/messages"),
    Requirement("A05", "MUST NOT", "The server uses an id once in a session.", "basic/messages"),
    Requirement("A06", "MUST", "A response has its request's id, in value and type.", "basic/messages"),
    Requirement("A07", "MUST", "A response has either a result or an error.", "basic/messages"),
    Requirement("A08", "MUST", "Error codes are integers.", "basic/messages"),
    Requirement("A09", "MUST", "An error has a code and a message.", "basic"),
    Requirement("A10", "must", "A result is an object.", "schema"),
    Requirement("A11", "SHOULD", "An error's message is one short sentence.", "schema"),
    Requirement("A12", "MUST NOT", "Notifications have no id.", "basic/messages"),
    Requirement("A13", "must", "Notifications are never answered, whatever is in them.", "JSON-RPC 4.1"),
    Requirement("A14", "must", "What is not JSON is answered -32700 with id null.", "JSON-RPC 5, 5.1"),
    Requirement("A14b", "note", "What nearly is JSON is answered too.", "JSON-RPC 5.1; RFC 8259"),
    Requirement("A15", "must", "JSON that is no request is answered -32600.", "JSON-RPC 5.1"),
    Requirement("A16", "MUST", "A request with an id of another kind is refused and not run.", "basic/messages"),
    Requirement("A17", "must", "An unknown method is answered -32601.", "JSON-RPC 5.1"),
    Requirement("A18", "must", "Params of the wrong shape are answered -32602.", "JSON-RPC 5.1"),
    Requirement("A19", "must", "An internal failure is answered -32603 and tells nothing.", "JSON-RPC 5.1"),
    Requirement("A20", "note", "A batch is run and answered with one array.", "JSON-RPC 6"),
    Requirement("A21", "note", "initialize within a batch is refused.", "basic/lifecycle"),
    Requirement("A22", "must", "Unknown members are ignored.", "schema"),
    Requirement("A23", "must", "params may be absent where nothing in them is required.", "schema"),
    Requirement("A24", "note", "A response that nobody asked for is ignored.", "basic/messages"),
    Requirement("A25", "note", "A second request with an id in use does no harm.", "basic/messages"),
    Requirement("A26", "MAY", "Both sides may agree on authentication of their own.", "basic", "Not offered."),
    Requirement("A27", "note", "A slow request holds up no other.", "basic/utilities/ping"),
    Requirement("B01", "MUST", "Before initialize only ping is served.", "basic/lifecycle"),
    Requirement("B02", "MUST", "initialize answers version, capabilities and serverInfo.", "basic/lifecycle"),
    Requirement("B03", "MUST", "A supported version is agreed on as requested.", "basic/lifecycle"),
    Requirement("B04", "MUST", "Instead of another version, a supported one is offered.", "basic/lifecycle"),
    Requirement("B05", "SHOULD NOT", "Nothing but pings and logs precedes initialized.", "basic/lifecycle"),
    Requirement("B06", "MUST", "ping is answered at any time.", "basic/lifecycle"),
    Requirement("B07", "SHOULD", "Only negotiated capabilities are used.", "basic/lifecycle; architecture"),
    Requirement("B08", "SHOULD", "Nothing is sent that the agreed revision does not know.", "basic/lifecycle; schema"),
    Requirement("B09", "must", "Malformed initialize params are answered -32602.", "schema"),
    Requirement("B10", "must", "Unknown client capabilities are accepted.", "schema"),
    Requirement("B11", "MUST", "Every feature served is declared, and only those.", "architecture; server"),
    Requirement("B12", "MAY", "Instructions are a string.", "schema"),
    Requirement("B13", "note", "Requests before initialized are answered.", "basic/lifecycle"),
    Requirement("B14", "note", "A second initialize is refused and changes nothing.", "basic/lifecycle"),
    Requirement("B15", "note", "End of input or SIGTERM ends a stdio server soon.", "basic/lifecycle"),
    Requirement(
        "B16",
        "MAY",
        "The server may begin the shutdown itself.",
        "basic/lifecycle",
        "It does when it drains; the tests of shutdown show it.",
    ),
    Requirement("B17", "note", "A closed stream frees its session.", "basic/lifecycle"),
    Requirement("B18", "SHOULD", "Requests of the server have a time limit.", "basic/lifecycle"),
    Requirement("B19", "SHOULD", "Failures of initialization are prepared for.", "basic/lifecycle"),
    Requirement("C01", "MUST", "One message a line, none with a line break.", "basic/transports"),
    Requirement("C02", "MUST NOT", "Nothing but messages on stdout.", "basic/transports"),
    Requirement("C03", "MAY", "stderr is UTF-8, and need not be read.", "basic/transports"),
    Requirement("C04", "must", "UTF-8 goes through both ways.", "basic/transports; RFC 8259"),
    Requirement("C05", "note", "CRLF, blank lines, pieces and megabytes are taken.", "basic/transports"),
    Requirement("C06", "note", "Bytes that are not UTF-8 are a parse error.", "JSON-RPC 5.1"),
    Requirement("C07", "note", "A partial last line does no harm.", "basic/transports"),
    Requirement("C08", "note", "What was read before the end is answered.", "basic/lifecycle"),
    Requirement("D01", "MUST", "There is an SSE endpoint and one for POST.", "basic/transports"),
    Requirement("D02", "MUST", "The first event is endpoint, the URI to POST to.", "basic/transports"),
    Requirement("D03", "must", "Messages are message events with one JSON value.", "basic/transports"),
    Requirement("D04", "MUST", "Origin is validated on every connection.", "basic/transports"),
    Requirement("D05", "SHOULD", "A local server listens on 127.0.0.1 only.", "basic/transports"),
    Requirement("D06", "SHOULD", "Connections are authenticated.", "basic/transports", _LATER_SIGN_IN),
    Requirement("D07", "must", "Many clients at once, apart from each other.", "basic/transports"),
    Requirement("D08", "must", "A POST is accepted with 2xx and answered on the stream.", "basic/transports"),
    Requirement("D09", "note", "An unknown session is a 4xx.", "basic/transports"),
    Requirement("D10", "note", "A malformed body is answered, and the session lives.", "basic/transports"),
    Requirement("D11", "must", "The stream is an uncached event stream, flushed at once.", "SSE standard"),
    Requirement("D12", "note", "Wrong methods, types and sizes get their status.", "HTTP"),
    Requirement("D13", "note", "Comments may keep the stream open.", "SSE standard"),
    Requirement("E01", "MUST", "The server cancels only requests of its own that run.", "basic/utilities/cancellation"),
    Requirement("E02", "SHOULD", "A cancelled request stops working.", "basic/utilities/cancellation"),
    Requirement("E03", "SHOULD", "A cancelled request frees what it held.", "basic/utilities/cancellation"),
    Requirement("E04", "SHOULD NOT", "A cancelled request is not answered.", "basic/utilities/cancellation"),
    Requirement("E05", "MAY", "Cancelling what does not run is ignored.", "basic/utilities/cancellation"),
    Requirement("E06", "SHOULD", "A response after its cancellation is ignored.", "basic/utilities/cancellation"),
    Requirement("E07", "MUST", "Races of cancellation do no harm.", "basic/utilities/cancellation"),
    Requirement("E08", "SHOULD", "The reason is logged.", "basic/utilities/cancellation"),
    Requirement("E09", "SHOULD", "Malformed cancellations are ignored.", "basic/utilities/cancellation"),
    Requirement("E10", "MUST NOT", "initialize cannot be cancelled.", "basic/utilities/cancellation"),
    Requirement("E11", "note", "After a cancellation nothing more comes of the request.", "basic/utilities/progress"),
    Requirement("F01", "MUST", "ping is answered promptly with an empty result.", "basic/utilities/ping"),
    Requirement("F02", "SHOULD", "The server pings its clients, not too often.", "basic/utilities/ping"),
    Requirement("F03", "SHOULD", "Unanswered pings end the connection, with a log.", "basic/utilities/ping"),
    Requirement("F04", "MAY", "A stale connection may be ended.", "basic/utilities/ping", "As F03, after two pings."),
    Requirement(
        "G01", "MUST", "A token is a string or an integer and comes back as it is.", "basic/utilities/progress"
    ),
    Requirement("G02", "MUST", "Without a token there is no progress.", "basic/utilities/progress"),
    Requirement("G03", "MUST", "Progress grows every time.", "basic/utilities/progress"),
    Requirement("G04", "MUST", "No progress after the response.", "basic/utilities/progress"),
    Requirement("G05", "MAY", "Values are numbers, the total may be absent.", "basic/utilities/progress"),
    Requirement("G06", "SHOULD", "The rate of progress is limited.", "basic/utilities/progress"),
    Requirement("G07", "MUST", "The server's own tokens are strings or integers, unique.", "basic/utilities/progress"),
    Requirement("G08", "note", "A token of another kind is never echoed.", "basic/utilities/progress"),
    Requirement("H01", "MUST", "tools is declared.", "server/tools"),
    Requirement("H02", "must", "Tools have unique names and object schemas.", "server/tools; schema"),
    Requirement("H03", "SHOULD", "A changed list of tools is announced.", "server/tools"),
    Requirement("H04", "must", "A result is content of known kinds.", "server/tools; schema"),
    Requirement("H05", "must", "An unknown tool is a protocol error.", "server/tools; schema"),
    Requirement("H06", "MUST", "Arguments are validated before the tool runs.", "server/tools"),
    Requirement("H07", "SHOULD", "A tool's failure is a result with isError.", "schema; server/tools"),
    Requirement("H08", "MUST", "Access to tools is controlled.", "server/tools", _LATER_SIGN_IN),
    Requirement("H09", "MUST", "Tool calls are rate limited.", "server/tools"),
    Requirement("H10", "MUST", "Output is sanitized.", "server/tools"),
    Requirement("H11", "MAY", "Embedded resources have a uri and text or blob.", "server/tools"),
    Requirement("H12", "must", "arguments may be absent.", "schema"),
    Requirement("H13", "must", "Images are base64 with a media type.", "schema"),
    Requirement("I01", "MUST", "resources is declared, with what of it is served.", "server/resources"),
    Requirement("I02", "must", "Resources have a uri and a name.", "schema"),
    Requirement("I03", "must", "Reading gives contents with uri and text or blob.", "schema"),
    Requirement("I04", "must", "What is not text is a blob.", "schema"),
    Requirement("I05", "MUST", "Blobs are base64.", "server/resources"),
    Requirement("I06", "must", "Templates are RFC 6570, and what they make can be read.", "server/resources; schema"),
    Requirement("I07", "SHOULD", "A changed list of resources is announced.", "server/resources"),
    Requirement("I08", "must", "Subscribers hear of changes, others do not.", "server/resources; schema"),
    Requirement("I09", "SHOULD", "An unknown resource is answered -32002.", "server/resources"),
    Requirement("I10", "SHOULD", "A failing resource is answered -32603.", "server/resources"),
    Requirement("I11", "MUST", "URIs are validated.", "server/resources"),
    Requirement("I12", "SHOULD", "Access to resources is controlled.", "server/resources", _LATER_SIGN_IN),
    Requirement("I13", "SHOULD", "https only for what clients can fetch themselves.", "server/resources"),
    Requirement(
        "I14",
        "MAY",
        "Folders may have a media type of their own.",
        "server/resources",
        "No file:// resources are offered.",
    ),
    Requirement("I15", "must", "Annotations are within their bounds.", "schema"),
    Requirement("J01", "MUST", "prompts is declared.", "server/prompts"),
    Requirement("J02", "must", "Prompts and their arguments have names.", "schema"),
    Requirement("J03", "must", "A prompt is messages with a role and one content.", "server/prompts; schema"),
    Requirement("J04", "MUST", "Images in prompts are base64 with a media type.", "server/prompts"),
    Requirement("J05", "MUST", "Resources in prompts have uri, media type and contents.", "server/prompts"),
    Requirement("J06", "SHOULD", "An unknown prompt is answered -32602.", "server/prompts"),
    Requirement("J07", "SHOULD", "A missing or wrong argument is answered -32602.", "server/prompts; schema"),
    Requirement("J08", "SHOULD", "A failing prompt is answered -32603.", "server/prompts"),
    Requirement("J09", "MUST", "What stands in arguments stays plain text.", "server/prompts"),
    Requirement("J10", "SHOULD", "A changed list of prompts is announced.", "server/prompts"),
    Requirement("K01", "MUST", "logging is declared.", "server/utilities/logging"),
    Requirement("K02", "must", "The level set holds, for its session only.", "server/utilities/logging; schema"),
    Requirement("K03", "SHOULD", "An unknown level is answered -32602.", "server/utilities/logging"),
    Requirement(
        "K04",
        "SHOULD",
        "A failure of configuration is answered -32603.",
        "server/utilities/logging",
        "Setting a level cannot fail otherwise: it is one assignment; whatever else fails is A19.",
    ),
    Requirement("K05", "must", "Log messages have a level and data.", "schema"),
    Requirement("K06", "MAY", "What is sent before a level is set is the server's choice.", "schema"),
    Requirement("K07", "SHOULD", "Log messages are limited and carry context.", "server/utilities/logging"),
    Requirement("K08", "MUST NOT", "Log messages hold no secrets.", "server/utilities/logging"),
    Requirement(
        "K09",
        "SHOULD",
        "Log fields are validated and access to logs controlled.",
        "server/utilities/logging",
        "A client is sent only what its own calls log, through Call.log, whose levels are typed.",
    ),
    Requirement("L01", "must", "At most 100 values.", "server/utilities/completion; schema"),
    Requirement("L02", "must", "total and hasMore say how many there are.", "schema"),
    Requirement("L03", "must", "Prompts and resources can be completed.", "server/utilities/completion"),
    Requirement("L04", "SHOULD", "The best match comes first.", "server/utilities/completion"),
    Requirement("L05", "MUST", "Completion validates what it is given.", "server/utilities/completion"),
    Requirement("L06", "MUST", "Completion is rate limited.", "server/utilities/completion"),
    Requirement("L07", "MUST", "Suggestions respect access.", "server/utilities/completion", _LATER_SIGN_IN),
    Requirement("L08", "note", "It is served without a declared capability.", "basic/lifecycle"),
    Requirement("M01", "must", "nextCursor is a string, if more may follow.", "server/utilities/pagination"),
    Requirement("M02", "must", "The pages hold every item once.", "server/utilities/pagination"),
    Requirement("M03", "SHOULD", "A cursor gives the same page again.", "server/utilities/pagination"),
    Requirement("M04", "SHOULD", "An invalid cursor is answered -32602.", "server/utilities/pagination"),
    Requirement("M05", "note", "A cursor of another session is understood or refused.", "server/utilities/pagination"),
    Requirement("M06", "note", "Ordinary lists fit on the first page.", "server/utilities/pagination"),
    Requirement("N01", "must", "Only clients that declared sampling are asked.", "client/sampling; architecture"),
    Requirement("N02", "must", "A sampling request fits the schema.", "client/sampling; schema"),
    Requirement("N03", "SHOULD", "What comes back is validated.", "client/sampling"),
    Requirement("N04", "must", "A refusal is an ordinary outcome.", "client/sampling"),
    Requirement(
        "N05",
        "MUST",
        "Sensitive data is handled with care.",
        "client/sampling",
        "A request holds what the plugin put in it and nothing of other sessions; each plugin's review says what.",
    ),
    Requirement("N06", "note", "Both directions work at once.", "basic/transports"),
    Requirement("O01", "SHOULD", "Only clients that declared roots are asked.", "client/roots"),
    Requirement("O02", "SHOULD", "Changed roots are asked for again.", "client/roots"),
    Requirement(
        "O03",
        "SHOULD",
        "The server stays within the roots.",
        "client/roots",
        "The gateway opens no file of a client, within its roots or outside.",
    ),
    Requirement("O04", "SHOULD", "Roots that are refused do no harm.", "client/roots"),
    Requirement("O05", "SHOULD", "Roots are asked for once.", "client/roots"),
    Requirement("O06", "must", "Only file:// roots are used.", "client/roots"),
    Requirement(
        "P01",
        "SHOULD",
        "Consent, authorisation and privacy are built in.",
        "index",
        "Scopes are checked in the one place all calls pass; docs/architecture.md says how. Sign-in: the auth plugin.",
    ),
    Requirement("P02", "must", "Sessions are isolated from each other.", "architecture"),
    Requirement("P03", "MAY", "Other transports keep messages and lifecycle.", "basic/transports"),
]

REQUIREMENTS = {item.id: item for item in _ALL}
