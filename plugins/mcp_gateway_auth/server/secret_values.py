"""Secrets that are handed out: random, kept only as a digest, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets

BYTES = 32


def new_secret() -> str:
    """256 random bits, as text for URLs."""
    return secrets.token_urlsafe(BYTES)


def digest_of(secret: str) -> bytes:
    """What is kept of a secret. So long a secret cannot be guessed, so a plain hash does."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def matches(secret: str, digest: bytes) -> bool:
    """Whether it is the secret of this digest."""
    return hmac.compare_digest(digest_of(secret), digest)
