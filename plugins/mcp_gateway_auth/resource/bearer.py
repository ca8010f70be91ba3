"""Finds out who sends a request, by the access token that comes with it (RFC 6750, RFC 9449)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from starlette.requests import Request

from mcp_gateway.api import Caller, Unauthenticated
from mcp_gateway.catalog.events import SignInRevoked

from ..families.errors import InvalidToken
from ..families.models import Access
from ..server.addresses import FACES, Addresses
from ..server.dpop import DpopProofs
from ..server.oauth import OAuthError
from ..server.scopes import VIEWER_SCOPES

# Ours are about 700 characters.
MAX_TOKEN_CHARS = 8192
INVALID_TOKEN = "invalid_token"  # noqa: S105 — the code of RFC 6750


class AccessTokens(Protocol):
    """Knows what a token opens."""

    async def check(self, access_token: str) -> Access:
        """What it opens. Raises InvalidToken, or StoreUnavailable when nobody can tell."""
        ...


class BearerAuthenticator:
    """Implements `Authenticator`. Tokens are taken from the Authorization header alone: addresses end up in logs."""

    def __init__(self, tokens: AccessTokens, addresses: Addresses, proofs: DpopProofs) -> None:
        self._tokens = tokens
        self._addresses = addresses
        self._proofs = proofs
        self._listeners: list[Callable[[str], None]] = []

    async def authenticate(self, request: Request) -> Caller:
        """As `Authenticator`."""
        scheme, token = self._token(request)
        try:
            access = await self._tokens.check(token)
        except InvalidToken:
            raise self._refusal(request, "The access token is not valid.", INVALID_TOKEN) from None
        if not self._addresses.is_ours(access.resource):
            raise self._refusal(request, "The access token is for another resource.", INVALID_TOKEN)
        if access.dpop_key is not None or scheme == "dpop":
            await self._check_proof(request, scheme, token, access)
        return Caller(access.user_id, access.scopes, sign_in=access.family_id or None)

    def challenge(self, request: Request, scopes: Collection[str]) -> str:
        """As `Authenticator`."""
        return self._challenge(request, "insufficient_scope", sorted(scopes))

    def on_end(self, listener: Callable[[str], None]) -> None:
        """As `Authenticator`."""
        self._listeners.append(listener)

    async def hear(self, event: SignInRevoked) -> None:
        """A sign-in ended, on this instance or another."""
        for listener in self._listeners:
            listener(event.family_id)

    def _token(self, request: Request) -> tuple[str, str]:
        """The scheme, in small letters, and the token."""
        if "access_token" in request.query_params:
            raise self._refusal(request, "Send the token in the Authorization header.", "invalid_request")
        given = request.headers.getlist("authorization")
        if not given:
            raise self._refusal(request, "Sign in to use this.")
        scheme, _, token = given[0].partition(" ")
        if len(given) > 1 or scheme.lower() not in {"bearer", "dpop"} or not 0 < len(token) <= MAX_TOKEN_CHARS:
            raise self._refusal(request, "One token is expected, as Bearer or DPoP.", "invalid_request")
        return scheme.lower(), token.strip()

    async def _check_proof(self, request: Request, scheme: str, token: str, access: Access) -> None:
        """A token that is bound to a key is good with a proof of that key alone, and one that is not takes none."""
        url = self._addresses.origin + request.scope.get("root_path", "") + request.scope["path"]
        try:
            key = await self._proofs.key_of(request, url, access_token=token)
        except OAuthError as error:
            raise self._refusal(request, error.description, error.error, headers=error.headers) from None
        if scheme != "dpop" or key is None or key != access.dpop_key:
            raise self._refusal(request, "The token needs a proof of its key.", INVALID_TOKEN)

    def _refusal(
        self, request: Request, message: str, error: str = "", *, headers: Mapping[str, str] | None = None
    ) -> Unauthenticated:
        challenge = self._challenge(request, error, VIEWER_SCOPES)
        return Unauthenticated(message, headers={**(headers or {}), "WWW-Authenticate": challenge})

    def _challenge(self, request: Request, error: str, scopes: Collection[str]) -> str:
        """How to get in (RFC 9728, 5.1), and with which scopes."""
        is_proof = "dpop" in error or request.headers.get("authorization", "").lower().startswith("dpop ")
        members = {
            "resource_metadata": self._addresses.metadata_of(_face(request.scope["path"])),
            "scope": " ".join(scopes),
            **({"error": error} if error else {}),
        }
        return ("DPoP " if is_proof else "Bearer ") + ", ".join(f'{name}="{value}"' for name, value in members.items())


def _face(path: str) -> str:
    """The face that a path belongs to; the whole gateway when to none."""
    return next((face for face in FACES if face and (path == face or path.startswith(f"{face}/"))), "")
