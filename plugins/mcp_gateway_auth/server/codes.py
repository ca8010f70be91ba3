"""Authorization codes: good once, for a minute, for the client and the verifier they were made for."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass
from datetime import timedelta

import orjson

from .secret_values import digest_of, new_secret
from .store import CodeStore, User

CODE_LIFE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person agreed to.

    Attributes:
        redirect_uri: Where the code went.
        dpop_key: The thumbprint of the key that the code may be redeemed with; None: with any, or none.
        device: Where the person was, in words; as `place`.
    """

    user_id: str
    client_id: str
    scopes: frozenset[str]
    redirect_uri: str
    code_challenge: str
    dpop_key: str | None
    device: str
    place: str

    def verifies(self, verifier: str) -> bool:
        """Whether the client that shows this verifier is the one that asked (RFC 7636)."""
        digest = hashlib.sha256(verifier.encode("utf-8", "surrogatepass")).digest()
        challenge = urlsafe_b64encode(digest).rstrip(b"=")
        return 43 <= len(verifier) <= 128 and hmac.compare_digest(challenge, self.code_challenge.encode())


@dataclass(frozen=True, slots=True)
class Code:
    """A code that exists. `is_used`: it was redeemed before."""

    digest: bytes
    consent: Consent
    is_used: bool


class Codes:
    """Makes codes and finds them again."""

    def __init__(self, store: CodeStore) -> None:
        self._store = store

    async def issue(self, user: User, consent: Consent) -> str | None:
        """A code for what somebody agreed to; None when they are gone or have another password by now."""
        code = new_secret()
        kept = orjson.dumps({**asdict(consent), "scopes": sorted(consent.scopes)}).decode()
        return code if await self._store.add(digest_of(code), user, kept, CODE_LIFE) else None

    async def find(self, code: str) -> Code | None:
        """The code; None when there is none, or it is too old."""
        digest = digest_of(code)
        kept = await self._store.get(digest)
        if kept is None:
            return None
        said = orjson.loads(kept.consent)
        return Code(digest, Consent(**{**said, "scopes": frozenset(said["scopes"])}), kept.is_used)
