"""The tokens: JWTs signed with Ed25519 (RFC 9068 for access tokens), made from what is stored of a family.

Nothing in them is random but the ids that are stored, and Ed25519 is deterministic: the same generation gives the same
bytes every time. So a lost answer can be given again although no token is kept anywhere.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any, Literal

import jwt
import orjson
from jwt.exceptions import InvalidTokenError

from .errors import StoreUnavailable
from .keys import SigningKey, SigningKeys
from .machine import Family
from .models import Access, Grant, TokenPair
from .times import moment

MAX_TOKEN_LENGTH = 4096

Kind = Literal["access", "refresh"]
_TYPES: Mapping[Kind, str] = {"access": "at+jwt", "refresh": "rt+jwt"}
_KINDS: Mapping[str, Kind] = {kind: name for name, kind in _TYPES.items()}
_REQUIRED = ["iss", "aud", "sub", "client_id", "scope", "token_family_id", "generation", "jti", "iat", "exp"]


class Tokens:
    """Makes tokens and reads them.

    Args:
        issuer: The gateway's public address: `iss`, and the audience of refresh tokens.
    """

    def __init__(self, issuer: str, keys: SigningKeys) -> None:
        self.issuer = issuer
        self._keys = keys

    async def pair(self, family: Family, grant: Grant, *, now_ms: int) -> TokenPair:
        """The tokens of the family's present generation. Of the grant, device and place do not matter."""
        access, key = family.access[-1], await self._keys.find(family.key)
        if key is None:
            raise StoreUnavailable  # made by another instance a moment ago
        shared: dict[str, Any] = {
            "iss": self.issuer,
            "sub": grant.user_id,
            "client_id": grant.client_id,
            "token_family_id": family.family_id,
            "generation": family.generation,
            **({"cnf": {"jkt": grant.dpop_key}} if grant.dpop_key else {}),
        }
        resource = grant.resource or self.issuer
        opens: dict[str, Any] = {"aud": resource, "scope": family.scopes, "jti": access.jti} | _span(
            access.minted_ms, access.ends_ms
        )
        # The resource is here too: a refresh can be judged without looking the grant up.
        renews: dict[str, Any] = {"aud": self.issuer, "resource": resource, "scope": scope_text(grant.scopes)}
        renews |= {"jti": family.refresh_jti} | _span(family.minted_ms, family.good_until_ms)
        return TokenPair(
            access_token=_signed("access", shared | opens, key),
            refresh_token=_signed("refresh", shared | renews, key),
            expires_in=max(0, (access.ends_ms - now_ms) // 1000),
            scopes=frozenset(family.scopes.split()),
            token_type="DPoP" if grant.dpop_key else "Bearer",
        )

    async def read(self, token: str) -> Access | None:
        """What a token of ours says, whether it is still good or not; None when we did not make it."""
        if not isinstance(token, str) or len(token) > MAX_TOKEN_LENGTH:
            return None
        try:
            kind, kid = _head(token)
            key = await self._keys.find(kid)
            if key is None:
                return None
            claims = jwt.decode(token, key.public, algorithms=["EdDSA"], issuer=self.issuer, options=_OPTIONS)
        except (InvalidTokenError, LookupError, TypeError, ValueError):
            return None
        return _access(kind, claims)


# Time and audience are the family's and the caller's to judge; PyJWT would ask the machine's clock.
_OPTIONS: Any = {
    "require": _REQUIRED,
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_aud": False,
}


def scope_text(scopes: frozenset[str]) -> str:
    """Scopes as tokens have them; the same set is always the same text."""
    return " ".join(sorted(scopes))


def _head(token: str) -> tuple[Kind, str]:
    """Kind and key id as they stand in the token. PyJWT reads the whole token for that, slowly, and then once more."""
    head = orjson.loads(urlsafe_b64decode(token.partition(".")[0] + "=="))
    return _KINDS[head["typ"]], str(head["kid"])


def _signed(kind: Kind, claims: dict[str, Any], key: SigningKey) -> str:
    return jwt.encode(claims, key.private, algorithm="EdDSA", headers={"typ": _TYPES[kind], "kid": key.kid})


def _span(minted_ms: int, ends_ms: int) -> dict[str, int]:
    return {"iat": minted_ms // 1000, "exp": ends_ms // 1000}


def _access(kind: Kind, claims: Mapping[str, Any]) -> Access:
    return Access(
        user_id=claims["sub"],
        client_id=claims["client_id"],
        scopes=frozenset(claims["scope"].split()),
        resource=claims["aud"] if kind == "access" else claims["resource"],
        family_id=claims["token_family_id"],
        generation=claims["generation"],
        jti=claims["jti"],
        expires_at=moment(claims["exp"] * 1000),
        issued_at=moment(claims["iat"] * 1000),
        dpop_key=claims.get("cnf", {}).get("jkt"),
        kind=kind,
    )
