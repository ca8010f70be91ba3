"""Seals private keys for the database, and says public ones as JSON."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from secrets import token_bytes

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_gateway.api import Unavailable

_NONCE_BYTES = 12


class Sealing:
    """Encrypts with AES-256-GCM. The first secret, of 32 bytes, seals; what the others sealed can be opened."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._ciphers = [AESGCM(secret) for secret in secrets]

    def seal(self, private: Ed25519PrivateKey, kid: str) -> bytes:
        """Encrypt a private key; it opens under this id only."""
        nonce = token_bytes(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, private.private_bytes_raw(), kid.encode())

    def open(self, sealed: bytes, kid: str) -> Ed25519PrivateKey:
        """Decrypt a private key.

        Raises:
            Unavailable: It was sealed with another secret.
        """
        for cipher in self._ciphers:
            try:
                raw = cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], kid.encode())
            except InvalidTag:
                continue
            return Ed25519PrivateKey.from_private_bytes(raw)
        raise Unavailable(
            "The keys that sign tokens cannot be read.",
            for_operator="The keys that sign tokens were sealed with another secret. Give [pagination] cursor_secret "
            "what the other instances have, or name the former secret in cursor_previous_secrets. If it is lost, "
            "delete the rows of auth_signing_keys: everybody has to sign in again.",
        )


def web_key(public: Ed25519PublicKey) -> dict[str, str]:
    """A public key as JSON (RFC 8037), its id the thumbprint of RFC 7638."""
    return {**_members(public), "kid": thumbprint(public), "alg": "EdDSA", "use": "sig"}


def thumbprint(public: Ed25519PublicKey) -> str:
    """The id of a key, by its members alone."""
    canonical = json.dumps(_members(public), separators=(",", ":"), sort_keys=True)
    return _text(hashlib.sha256(canonical.encode()).digest())


def _members(public: Ed25519PublicKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _text(public.public_bytes_raw())}


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
