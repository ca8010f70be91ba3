"""Every name a plugin author imports. Under semantic versioning; nothing else of the core is.

`mcp_gateway.catalog` has the media vocabulary, `mcp_gateway.testing` what tests of plugins need.
"""

from mcp_gateway.call import (
    LOG_LEVELS,
    Answer,
    Call,
    Caller,
    ElicitationAnswer,
    ElicitationRequest,
    LogLevel,
    Question,
    RootsRequest,
    SamplingAnswer,
    SamplingRequest,
)
from mcp_gateway.capability import Capability, Completer, NoParams, Prompt, capability, prompt
from mcp_gateway.clock import Clock
from mcp_gateway.content import Audio, Content, EmbeddedResource, Image, Message, ResourceLink, Text
from mcp_gateway.errors import (
    Conflict,
    Forbidden,
    GatewayError,
    InternalError,
    InvalidCursor,
    InvalidParams,
    MissingCapability,
    NotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from mcp_gateway.hookspecs import PublicRoute, hookimpl
from mcp_gateway.interfaces import Authenticator, Importers, IngestProgress, Retriever
from mcp_gateway.pagination import Cursors, Keyset, Links, NumberedPage, Page, SortKey, link_header, links_of, offset_of
from mcp_gateway.services import Services
from mcp_gateway.skills import Skill, skill

__all__ = [
    "LOG_LEVELS",
    "Answer",
    "Audio",
    "Authenticator",
    "Call",
    "Caller",
    "Capability",
    "Clock",
    "Completer",
    "Conflict",
    "Content",
    "Cursors",
    "ElicitationAnswer",
    "ElicitationRequest",
    "EmbeddedResource",
    "Forbidden",
    "GatewayError",
    "Image",
    "Importers",
    "IngestProgress",
    "InternalError",
    "InvalidCursor",
    "InvalidParams",
    "Keyset",
    "Links",
    "LogLevel",
    "Message",
    "MissingCapability",
    "NoParams",
    "NotFound",
    "NumberedPage",
    "Page",
    "Prompt",
    "PublicRoute",
    "Question",
    "RateLimited",
    "ResourceLink",
    "Retriever",
    "RootsRequest",
    "SamplingAnswer",
    "SamplingRequest",
    "Services",
    "Skill",
    "SortKey",
    "Text",
    "Unauthenticated",
    "Unavailable",
    "capability",
    "hookimpl",
    "link_header",
    "links_of",
    "offset_of",
    "prompt",
    "skill",
]
