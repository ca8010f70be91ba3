"""The keys that sign tokens: one at a time, the next one published before it signs, old ones kept while they matter.

All instances read them from the database and agree by the clock which one signs. A private key is sealed there with a
secret that is not in the database: the one that signs cursors, which instances that share a database share too.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mcp_gateway.api import Clock

from .key_store import KeyRow, KeyStore
from .sealing import Sealing, thumbprint, web_key
from .times import milliseconds

log = logging.getLogger(__name__)

LEEWAY_MS = 300_000
"""Clocks of resource servers differ; a key stays published so much longer than its tokens live."""

LOOK_AGAIN_SECONDS = 1.0
"""An unknown key is looked up in the database at most so often, whoever makes them up."""


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """How long keys are used and kept, in milliseconds.

    Attributes:
        signs_ms: How long a key signs.
        lead_ms: How long it is published before.
        access_ms: How long an access token lives: resource servers need its key.
        refresh_ms: How long a refresh token may come, used or not: we need its key.
    """

    signs_ms: int
    lead_ms: int
    access_ms: int
    refresh_ms: int


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of ours. `signs_from_ms` and `signs_until_ms` are in milliseconds since 1970; the newest has no end."""

    number: int
    kid: str
    private: Ed25519PrivateKey
    public: Ed25519PublicKey
    signs_from_ms: int
    signs_until_ms: int | None = None


class SigningKeys:
    """The keys. `load` before anything else; `tend` every minute, or in a quarter of the lead at least."""

    def __init__(self, store: KeyStore, sealing: Sealing, clock: Clock, policy: KeyPolicy) -> None:
        self._store = store
        self._sealing = sealing
        self._clock = clock
        self._policy = policy
        self._keys: dict[str, SigningKey] = {}
        self._looked_at = float("-inf")
        self._looking = anyio.Lock()

    @property
    def signing(self) -> SigningKey:
        """The key that signs now."""
        now, by_age = self._now_ms(), self.all()
        return next((key for key in reversed(by_age) if key.signs_from_ms <= now), by_age[0])

    def all(self) -> Sequence[SigningKey]:
        """Every key that is kept, oldest first."""
        return sorted(self._keys.values(), key=_number)

    async def find(self, kid: str) -> SigningKey | None:
        """A key by its id; one that another instance has just made is looked for in the database."""
        if kid not in self._keys:
            async with self._looking:
                if kid not in self._keys and self._clock.monotonic() - self._looked_at >= LOOK_AGAIN_SECONDS:
                    await self.load()
        return self._keys.get(kid)

    def jwks(self) -> Mapping[str, Any]:
        """The public keys that resource servers need (RFC 7517), the next one among them."""
        margin = self._policy.access_ms + LEEWAY_MS
        kept = (key for key in self._keys.values() if not _is_past(key, margin, self._now_ms()))
        return {"keys": [web_key(key.public) for key in kept]}

    async def load(self) -> None:
        """Read the keys; make the first one.

        Raises:
            Unavailable: The database is away, or holds a key that was sealed with another secret.
        """
        self._looked_at = self._clock.monotonic()
        rows = await self._store.rows()
        if not rows:
            await self._add(number=1, signs_from_ms=self._now_ms())
            rows = await self._store.rows()
        self._keys = {row.kid: self._opened(row, rows) for row in rows}

    async def tend(self) -> None:
        """Add the next key when it is time, forget those that nothing needs, and see what other instances did."""
        await self.load()
        newest = self.all()[-1]
        if self._now_ms() >= newest.signs_from_ms + self._policy.signs_ms - self._policy.lead_ms:
            await self.rotate()
        old = [key.number for key in self._keys.values() if _is_past(key, self._policy.refresh_ms, self._now_ms())]
        await self._store.remove(old)

    async def rotate(self) -> SigningKey:
        """Make the next key, which signs after the lead; one that waits already is not overtaken."""
        await self.load()
        newest = self.all()[-1]
        if newest.signs_from_ms <= self._now_ms():
            await self._add(number=newest.number + 1, signs_from_ms=self._now_ms() + self._policy.lead_ms)
            await self.load()
        return self.all()[-1]

    async def _add(self, *, number: int, signs_from_ms: int) -> None:
        private = Ed25519PrivateKey.generate()
        kid = thumbprint(private.public_key())
        row = KeyRow(number, kid, self._sealing.seal(private, kid), signs_from_ms)
        if await self._store.add(row):
            log.info("signing key made", extra={"kid": kid, "number": number})

    def _opened(self, row: KeyRow, rows: Sequence[KeyRow]) -> SigningKey:
        known = self._keys.get(row.kid)
        private = known.private if known else self._sealing.open(row.sealed, row.kid)
        following = next((each.signs_from_ms for each in rows if each.number == row.number + 1), None)
        public = private.public_key()
        return SigningKey(row.number, row.kid, private, public, row.signs_from_ms, following)

    def _now_ms(self) -> int:
        return milliseconds(self._clock.now())


def _number(key: SigningKey) -> int:
    return key.number


def _is_past(key: SigningKey, kept_ms: int, now_ms: int) -> bool:
    return key.signs_until_ms is not None and now_ms > key.signs_until_ms + kept_ms
