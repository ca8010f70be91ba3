"""Passwords: hashed with argon2id as OWASP recommends, off the event loop, a few at a time."""

from __future__ import annotations

import unicodedata
from functools import partial
from typing import TypeVar

import anyio
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from mcp_gateway.api import InvalidParams, Unavailable

MIN_CHARS = 12
MAX_BYTES = 1000

# OWASP's first choice for argon2id: 19 MiB, two passes. About 17 ms of one core.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
T = TypeVar("T")

AT_ONCE = 2
WAITING = 64


class Passwords:
    """Hashes and checks passwords. Both raise Unavailable when too many are waiting already."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(AT_ONCE)
        # What an unknown person's password is checked against, so that it takes as long as anybody's.
        self._nobodys = _HASHER.hash("the password of nobody")

    async def hash(self, password: str) -> str:
        """What is kept of a password."""
        return await self._run(partial(_HASHER.hash, normal(password)))

    async def verify(self, kept: str | None, password: str) -> bool:
        """Whether it is the password. None was kept: it is not, which takes as long to find out."""
        right = await self._run(partial(_verify, kept or self._nobodys, normal(password)))
        return right and kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether it was hashed more cheaply than now."""
        return _HASHER.check_needs_rehash(kept)

    async def _run(self, work: partial[T]) -> T:
        if self._limiter.statistics().tasks_waiting >= WAITING:
            raise Unavailable("Too many people are signing in; try again.", retry_after_seconds=2)
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)


def checked_password(password: str, name: str) -> str:
    """A password that may be set.

    Raises:
        InvalidParams: It is too short, too long, or the name.
    """
    if len(password) < MIN_CHARS:
        raise InvalidParams("password", f"must have at least {MIN_CHARS} characters")
    if len(password.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise InvalidParams("password", f"must have at most {MAX_BYTES} bytes")
    if name.casefold() in password.casefold() and len(password) < len(name) + MIN_CHARS // 2:
        raise InvalidParams("password", "must not be made of the name")
    return password


def normal(password: str) -> str:
    """The password as it is hashed: keyboards write the same letter in several ways. What is too long is cut."""
    return unicodedata.normalize("NFKC", password[:MAX_BYTES]).encode("utf-8", "replace").decode()


def _verify(kept: str, password: str) -> bool:
    try:
        return _HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False
