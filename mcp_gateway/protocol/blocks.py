"""Blocks of content as a revision has them; a kind that it does not know becomes text."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from orjson import Fragment

from mcp_gateway.content import Audio, Block, EmbeddedResource, Image, ResourceLink, Text
from mcp_gateway.protocol.versions import Revision


def block(content: Block, revision: Revision) -> dict[str, Any]:
    """One block of a tool's result or a prompt's message."""
    match content:
        case Text():
            return text_block(content.text)
        case Image():
            return {"type": "image", "data": _base64(content.data), "mimeType": content.mime_type}
        case Audio() if revision.audio:
            return {"type": "audio", "data": _base64(content.data), "mimeType": content.mime_type}
        case Audio():
            return text_block(f"[audio, {content.mime_type}, {len(content.data)} bytes]")
        case EmbeddedResource():
            return {"type": "resource", "resource": _embedded(content)}
        case ResourceLink() if revision.links:
            return _link(content)
        case ResourceLink():
            return text_block(f"{content.title or content.name}: {content.uri}")


def contents(content: Block, uri: str) -> dict[str, Any]:
    """One block as the contents of a resource that was read."""
    match content:
        case Text():
            return {"uri": uri, "mimeType": content.mime_type, "text": content.text}
        case Image() | Audio():
            return {"uri": uri, "mimeType": content.mime_type, "blob": _base64(content.data)}
        case EmbeddedResource():
            return _embedded(content)
        case ResourceLink():
            return {"uri": uri, "mimeType": "text/uri-list", "text": content.uri}


def text_block(text: str | Fragment) -> dict[str, Any]:
    """A block of text, which may be encoded already."""
    return {"type": "text", "text": text}


def _embedded(content: EmbeddedResource) -> dict[str, Any]:
    body = {"text": content.content} if isinstance(content.content, str) else {"blob": _base64(content.content)}
    return {"uri": content.uri, "mimeType": content.mime_type, **body}


def _link(content: ResourceLink) -> dict[str, Any]:
    optional = {"title": content.title, "description": content.description, "mimeType": content.mime_type}
    present = {name: value for name, value in optional.items() if value is not None}
    return {"type": "resource_link", "uri": content.uri, "name": content.name, **present}


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
