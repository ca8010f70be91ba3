"""Checks tokens that another server gave: any OpenID provider, in place of the gateway's own authorization server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import anyio
import jwt
import orjson
from jwt.exceptions import PyJWTError

from mcp_gateway.api import Clock

from ..families.errors import InvalidToken, StoreUnavailable
from ..families.models import Access
from ..server.guarded_fetch import GuardedFetch, NotFetched

ALGORITHMS = ["EdDSA", "ES256", "ES384", "PS256", "RS256", "RS384", "RS512"]
TYPES = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})
SKEW_SECONDS = 60
# So often the keys are asked for at most, whatever strangers put into their tokens.
PAUSE_SECONDS = 30
FRESH_SECONDS = 600
# While the provider is away, its keys stay good for so long.
STALE_SECONDS = 24 * 3600
_OPTIONS: Any = {
    "require": ["iss", "aud", "sub", "exp"],
    "verify_exp": False,  # by the gateway's clock, below
    "verify_iat": False,
    "verify_nbf": False,
}


class ExternalIssuer:
    """Implements `AccessTokens` with the keys of another server.

    Args:
        issuer: Its address, as it stands in its tokens.
        audience: What its tokens for this gateway are for, as they say it.
        resource: The gateway's own address.
        fetch: Gets its metadata and keys.
    """

    def __init__(self, issuer: str, audience: str, resource: str, fetch: GuardedFetch, clock: Clock) -> None:
        self._resource = resource
        self._issuer = issuer
        self._audience = audience
        self._fetch = fetch
        self._clock = clock
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._fetching = anyio.Lock()

    async def check(self, token: str) -> Access:
        """What an access token opens.

        Raises:
            InvalidToken: It opens nothing.
            StoreUnavailable: The provider's keys are not to be had.
        """
        try:
            head = jwt.get_unverified_header(token)
            key = await self._key(str(head.get("kid", "")))
            if key is None or str(head.get("typ", "")).lower() not in TYPES:
                raise InvalidToken
            claims = jwt.decode(
                token, key, algorithms=ALGORITHMS, issuer=self._issuer, audience=self._audience, options=_OPTIONS
            )
        except (PyJWTError, ValueError, TypeError):
            raise InvalidToken from None
        return self._access(claims)

    def _access(self, claims: Mapping[str, Any]) -> Access:
        now, ends, begins = self._clock.now().timestamp(), claims["exp"], claims.get("nbf", 0)
        if not isinstance(ends, int | float) or not isinstance(begins, int | float):
            raise InvalidToken
        if ends + SKEW_SECONDS <= now or begins - SKEW_SECONDS > now:
            raise InvalidToken
        given = claims.get("scope", claims.get("scp", ""))
        scopes = given.split() if isinstance(given, str) else given if isinstance(given, list) else []
        return Access(
            user_id=str(claims["sub"]),
            client_id=str(claims.get("client_id", claims.get("azp", ""))),
            scopes=frozenset(scope for scope in scopes if isinstance(scope, str)),
            resource=self._resource,
            family_id="",
            generation=0,
            jti=str(claims.get("jti", "")),
            expires_at=datetime.fromtimestamp(ends, UTC),
            issued_at=datetime.fromtimestamp(now, UTC),
            dpop_key=_thumbprint(claims.get("cnf")),
        )

    async def _key(self, kid: str) -> jwt.PyJWK | None:
        """The key of that id; the keys are asked for anew when they are old, or it is not among them."""
        async with self._fetching:
            now = self._clock.monotonic()
            is_wanted = kid not in self._keys or now - self._fetched_at > FRESH_SECONDS
            if is_wanted and now - self._asked_at > PAUSE_SECONDS:
                self._asked_at = now
                await self._fetch_keys(now)
            if now - self._fetched_at > STALE_SECONDS:
                raise StoreUnavailable
        return self._keys.get(kid)

    async def _fetch_keys(self, now: float) -> None:
        try:
            metadata = orjson.loads((await self._fetch.fetch(f"{self._issuer}/.well-known/openid-configuration")).body)
            if metadata["issuer"] != self._issuer:
                return
            found = orjson.loads((await self._fetch.fetch(str(metadata["jwks_uri"]))).body)["keys"]
        except (NotFetched, orjson.JSONDecodeError, KeyError, TypeError):
            return
        self._keys = {str(key["kid"]): read for key in found if (read := _read(key)) is not None}
        self._fetched_at = now


def _read(key: Any) -> jwt.PyJWK | None:
    """A key that verifies signatures, by a public algorithm."""
    try:
        if key.get("use", "sig") != "sig" or "kid" not in key or key.get("kty") == "oct":
            return None
        return jwt.PyJWK(key)
    except (PyJWTError, AttributeError):
        return None


def _thumbprint(confirmation: Any) -> str | None:
    found = confirmation.get("jkt") if isinstance(confirmation, dict) else None
    return found if isinstance(found, str) else None
