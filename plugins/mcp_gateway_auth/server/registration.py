"""Dynamic client registration (RFC 7591): anybody may register a client, so it is bounded in every way."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from mcp_gateway.api import Clock, RateLimited

from .client_address import ClientAddress
from .clients import GRANT_TYPES, SECRET_METHODS, AuthMethod, ClientMetadata, Clients, parsed
from .oauth import OAuthError, body_of, json_response
from .secret_values import digest_of, new_secret
from .store import ClientStore
from .throttle import Allowance, Throttle

MAX_BODY_BYTES = 16 * 1024
PER_ADDRESS = Allowance(burst=20, seconds_each=60)


class Registration:
    """`POST /register`."""

    def __init__(
        self, store: ClientStore, clients: Clients, throttle: Throttle, address: ClientAddress, clock: Clock
    ) -> None:
        self._store = store
        self._methods = clients.methods
        self._throttle = throttle
        self._address = address
        self._clock = clock

    async def register(self, request: Request) -> Response:
        """Make a client known; its secret is told here and never again."""
        wait_seconds = await self._throttle.spend(f"register:{self._address.of(request)}", PER_ADDRESS)
        if wait_seconds is not None:
            raise RateLimited(wait_seconds)
        details = parsed(_json(await body_of(request, MAX_BODY_BYTES)))
        method = self._method(details)
        client_id, secret = new_secret(), None if method == "none" else new_secret()
        await self._store.add(client_id, details, None if secret is None else digest_of(secret))
        return json_response(self._information(details, client_id, method, secret), 201)

    def _method(self, details: ClientMetadata) -> AuthMethod:
        """How it will prove who it is; without a wish as RFC 7591 has it, if that is offered."""
        wanted = details.token_endpoint_auth_method
        if wanted is None:
            return next((method for method in SECRET_METHODS if method in self._methods), "none")
        for method in self._methods:
            if method == wanted:
                return method
        raise OAuthError(
            "invalid_client_metadata", f"token_endpoint_auth_method must be one of: {', '.join(self._methods)}"
        )

    def _information(
        self, details: ClientMetadata, client_id: str, method: AuthMethod, secret: str | None
    ) -> dict[str, Any]:
        information = {
            **details.model_dump(exclude_none=True),
            "client_id": client_id,
            "client_id_issued_at": int(self._clock.now().timestamp()),
            "token_endpoint_auth_method": method,
            "grant_types": GRANT_TYPES,
            "response_types": ["code"],
        }
        return (
            information if secret is None else {**information, "client_secret": secret, "client_secret_expires_at": 0}
        )


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise OAuthError("invalid_client_metadata", "The body must be a JSON object in UTF-8.") from None


async def refuse_registration(request: Request) -> Response:
    """The answer where clients may not register themselves."""
    raise OAuthError("access_denied", "Clients cannot register themselves here. Ask who runs this server.", status=403)
