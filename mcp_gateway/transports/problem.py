"""Errors over HTTP: problem documents (RFC 9457), for REST and for everything that is refused before MCP begins."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from mcp_gateway.errors import Forbidden, GatewayError, Unauthenticated, translation
from mcp_gateway.protocol.encoding import encode

MEDIA_TYPE = "application/problem+json"


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any) -> Response:
    """A response that says what was wrong."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}
    return Response(encode(body), status, headers=headers, media_type=MEDIA_TYPE)


def problem_of(error: GatewayError) -> Response:
    """The response for an error of the gateway."""
    status = translation(error).http_status
    headers = dict(error.headers) if isinstance(error, Unauthenticated | Forbidden) else {}
    seconds = error.data.get("retry_after_seconds")
    if isinstance(seconds, int | float):
        headers["Retry-After"] = str(max(1, round(seconds)))
    return problem(status, error.message, headers=headers, **error.payload())
