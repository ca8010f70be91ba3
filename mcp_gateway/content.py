"""What a handler may return or a prompt may say besides a typed model: blocks of text, pictures, sound, links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text. As the content of a resource it carries its media type."""

    text: str
    mime_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: raw bytes, not base64."""

    data: bytes
    mime_type: str


@dataclass(frozen=True, slots=True)
class Audio:
    """Sound: raw bytes, not base64. Clients before 2025-03-26 get a text that names it instead."""

    data: bytes
    mime_type: str


@dataclass(frozen=True, slots=True)
class EmbeddedResource:
    """A resource with its contents: text, or bytes that are not text."""

    uri: str
    content: str | bytes
    mime_type: str


@dataclass(frozen=True, slots=True)
class ResourceLink:
    """A resource that the client can read. Clients before 2025-06-18 get a text that names it instead."""

    uri: str
    name: str
    title: str | None = None
    description: str | None = None
    mime_type: str | None = None


Block = Text | Image | Audio | EmbeddedResource | ResourceLink


@dataclass(frozen=True, slots=True)
class Content:
    """A result without a schema: blocks in order. `is_error` marks a failure that the model should read."""

    blocks: Sequence[Block]
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt."""

    role: Literal["user", "assistant"]
    content: Block
