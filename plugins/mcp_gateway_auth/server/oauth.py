"""What OAuth endpoints read and answer: form bodies, JSON, and errors as RFC 6749 (5.2) has them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import parse_qsl

import orjson
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mcp_gateway.api import GatewayError, RateLimited, Unavailable

from ..families.errors import InvalidGrant, InvalidScope, InvalidTarget

MAX_BODY_BYTES = 64 * 1024
MAX_FIELDS = 50
NO_STORE = {"Cache-Control": "no-store"}

# Pages of other origins may use these endpoints, as MCP clients in browsers do: no cookie counts here.
_CORS = Middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_methods=["GET", "POST"],
    allow_headers=["Authorization", "Content-Type", "DPoP", "MCP-Protocol-Version"],
    expose_headers=["WWW-Authenticate", "DPoP-Nonce", "Retry-After"],
    max_age=3600,
)


class OAuthError(Exception):
    """What the client did wrong.

    Args:
        error: The code that the specification names.
        description: For the client's developer.
    """

    def __init__(
        self, error: str, description: str, *, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer."""
        return json_response({"error": self.error, "error_description": self.description}, self.status, self.headers)


class Fields:
    """The parameters of a request. One without a value counts as left out (RFC 6749, 3.1)."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            if value:
                self._values.setdefault(name, []).append(value)

    def one(self, name: str) -> str | None:
        """The value; None when it is left out.

        Raises:
            OAuthError: There are several.
        """
        values = self._values.get(name, [])
        if len(values) > 1:
            raise OAuthError("invalid_request", f"{name} may be given once only.")
        return values[0] if values else None

    def all(self, name: str) -> Sequence[str]:
        """All values."""
        return self._values.get(name, [])

    def required(self, name: str) -> str:
        """The value.

        Raises:
            OAuthError: There is none, or several.
        """
        value = self.one(name)
        if value is None:
            raise OAuthError("invalid_request", f"{name} is missing.")
        return value


def fields_of(encoded: str) -> Fields:
    """The parameters of a query or form.

    Raises:
        OAuthError: It is not one, or too long.
    """
    try:
        return Fields(parse_qsl(encoded, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
    except ValueError:
        raise OAuthError("invalid_request", "The parameters cannot be read.") from None


async def form_of(request: Request) -> Fields:
    """The parameters in the body.

    Raises:
        OAuthError: It is no form, or too long.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "Send the parameters as application/x-www-form-urlencoded.")
    try:
        return fields_of((await body_of(request)).decode())
    except UnicodeDecodeError:
        raise OAuthError("invalid_request", "The parameters cannot be read.") from None


async def secret_form_of(request: Request) -> Fields:
    """As `form_of`, where parameters are secrets: an address, which is written to logs, may have none.

    Raises:
        OAuthError: The address has a query; or as above.
    """
    if request.url.query:
        raise OAuthError("invalid_request", "Parameters belong in the body, not in the address.")
    return await form_of(request)


async def body_of(request: Request, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The body.

    Raises:
        OAuthError: It is too long.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise OAuthError("invalid_request", f"The body may have at most {max_bytes} bytes.", status=413)
    return bytes(body)


def json_response(value: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON; nobody keeps it, unless the headers say otherwise."""
    return Response(orjson.dumps(value), status, {**NO_STORE, **(headers or {})}, "application/json")


def endpoint(path: str, answer: Callable[[Request], Awaitable[Response]], method: Literal["GET", "POST"]) -> Route:
    """A route for programs: what goes wrong is answered as OAuth has it."""

    async def serve(request: Request) -> Response:
        try:
            return await answer(request)
        except OAuthError as error:
            return error.response()
        except GatewayError as error:
            return response_of(error)

    return Route(path, serve, methods=[method, "OPTIONS"], middleware=[_CORS])


def response_of(error: GatewayError) -> Response:
    """An error of the gateway as OAuth has it. What is no fault of the client never reads as one: it would sign out."""
    match error:
        case InvalidGrant() | InvalidScope() | InvalidTarget():
            return OAuthError(error.reason, error.message).response()
        case RateLimited():
            name, status = "slow_down", 429
        case Unavailable():
            name, status = "temporarily_unavailable", 503
        case _:
            raise error
    seconds = error.data.get("retry_after_seconds", 1)
    return OAuthError(
        name, error.message, status=status, headers={"Retry-After": str(max(1, round(seconds)))}
    ).response()
