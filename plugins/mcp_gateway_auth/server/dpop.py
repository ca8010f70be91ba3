"""Proofs of possession (RFC 9449): a token that is bound to a key is of no use to a thief who has not got the key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from mcp_gateway.api import Clock, Services

from .oauth import OAuthError

ALGORITHMS: Sequence[str] = ("ES256", "EdDSA")
MAX_PROOF_CHARS = 4096
MAX_JTI_CHARS = 200

# Clocks of clients differ; the nonce, which is ours, bounds the life of a proof.
PROOF_SECONDS = 300
NONCE_SECONDS = 300

_KEY_MEMBERS: Mapping[str, Sequence[str]] = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")


class DpopProofs:
    """Checks proofs.

    Args:
        nonce_secret: Makes the nonces; the same on all instances.
    """

    def __init__(self, services: Services, nonce_secret: bytes) -> None:
        self._cache = services.cache
        self._clock: Clock = services.clock
        self._secret = nonce_secret

    async def key_of(self, request: Request, url: str, *, access_token: str | None = None) -> str | None:
        """The thumbprint (RFC 7638) of the key that the client proved to have; None when it sent no proof.

        Args:
            url: Of the endpoint, as the client knows it.
            access_token: That comes with the request, where one does: the proof must name it.

        Raises:
            OAuthError: The proof is wrong, used, or lacks our nonce.
        """
        proofs = request.headers.getlist("dpop")
        if not proofs:
            return None
        if len(proofs) > 1 or len(proofs[0]) > MAX_PROOF_CHARS:
            raise self._refusal("There must be one proof.")
        key, claims = self._opened(proofs[0])
        self._check(claims, method=request.method, url=url, access_token=access_token)
        thumbprint = thumbprint_of(key)
        if not self._is_ours(claims.get("nonce")):
            raise self._refusal("Put the nonce of the DPoP-Nonce header into the proof.", error="use_dpop_nonce")
        used = hashlib.sha256(f"{thumbprint} {claims['jti']}".encode("utf-8", "surrogatepass")).hexdigest()
        if not await self._cache.add(f"proof:{used}", b"", ttl_seconds=2 * PROOF_SECONDS + NONCE_SECONDS):
            raise self._refusal("The proof was used before.")
        return thumbprint

    def nonce(self) -> str:
        """The nonce for the next proofs."""
        return self._nonce(self._period())

    def _opened(self, proof: str) -> tuple[dict[str, str], dict[str, Any]]:
        """The key in the proof's head and its claims, once the one has signed the other."""
        import jwt

        try:
            head = jwt.get_unverified_header(proof)
            algorithm = head.get("alg")
            if head.get("typ") != "dpop+jwt" or algorithm not in ALGORITHMS:
                raise self._refusal(f"Its typ must be dpop+jwt, its alg one of: {', '.join(ALGORITHMS)}.")
            key = public_part(head.get("jwk"))
            verifier = jwt.PyJWK(key, algorithm=str(algorithm)).key
            options = {"verify_aud": False, "verify_iat": False, "verify_exp": False, "verify_nbf": False}
            return key, jwt.decode(proof, verifier, algorithms=[str(algorithm)], options=options)  # type: ignore[arg-type]
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            raise self._refusal("It cannot be verified.") from None

    def _check(self, claims: Mapping[str, Any], *, method: str, url: str, access_token: str | None) -> None:
        jti, issued = claims.get("jti"), claims.get("iat")
        if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI_CHARS:
            raise self._refusal("It lacks a jti.")
        if claims.get("htm") != method or str(claims.get("htu")).partition("?")[0] != url:
            raise self._refusal(f"It is for another request than {method} {url}.")
        now = self._clock.now().timestamp()
        # Compared, not subtracted: an integer may be too large to become a float.
        if not isinstance(issued, int | float) or not now - PROOF_SECONDS <= issued <= now + PROOF_SECONDS:
            raise self._refusal("Its iat is not now.")
        if access_token is not None and claims.get("ath") != _base64url(hashlib.sha256(access_token.encode()).digest()):
            raise self._refusal("It is for another access token.")

    def _refusal(self, what: str, error: str = "invalid_dpop_proof") -> OAuthError:
        return OAuthError(error, f"The DPoP proof is refused. {what}", headers={"DPoP-Nonce": self.nonce()})

    def _period(self) -> int:
        return int(self._clock.now().timestamp() // NONCE_SECONDS)

    def _nonce(self, period: int) -> str:
        return _base64url(hmac.digest(self._secret, struct.pack(">q", period), "sha256")[:16])

    def _is_ours(self, nonce: Any) -> bool:
        """Whether it is of this period or the one before; or of the next, by another instance's clock."""
        given = nonce.encode("utf-8", "surrogatepass") if isinstance(nonce, str) else b""
        now = self._period()
        return any(hmac.compare_digest(given, self._nonce(now + offset).encode()) for offset in (-1, 0, 1))


def public_part(jwk: Any) -> dict[str, str]:
    """The members of a public key that make it up.

    Raises:
        ValueError: It is none of the kinds that are accepted, or shows a private part.
    """
    if not isinstance(jwk, dict) or "d" in jwk or jwk.get("kty") not in _KEY_MEMBERS:
        raise ValueError("not a public key")
    members = {name: jwk[name] for name in _KEY_MEMBERS[jwk["kty"]]}
    if not all(isinstance(value, str) for value in members.values()):
        raise ValueError("not a public key")
    return members


def thumbprint_of(key: Mapping[str, str]) -> str:
    """The thumbprint of a public key (RFC 7638)."""
    members = ",".join(f'"{name}":"{key[name]}"' for name in sorted(key))
    return _base64url(hashlib.sha256(f"{{{members}}}".encode()).digest())


def checked_thumbprint(text: str | None) -> str | None:
    """A thumbprint that a client gives.

    Raises:
        OAuthError: It is none.
    """
    if text is not None and not _THUMBPRINT.fullmatch(text):
        raise OAuthError("invalid_request", "dpop_jkt must be a SHA-256 thumbprint.")
    return text


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
