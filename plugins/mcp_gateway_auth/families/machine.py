"""The rule of rotation, as a pure function; every store applies it, each in its own kind of transaction.

A refresh token is good for one rotation. Presented again, it gives the same successor while nobody can have lost
anything by it: as long as the successor is unconfirmed, or for ten seconds after the rotation. (Confirmed: it was
presented itself, or an access token of its generation opened something.) So a lost answer, a crash and a race cost an
honest client nothing. Any other token of the family that comes again is in two hands, and the family ends.

All times are milliseconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

REPLAY_MS = 10_000
"""So long after a rotation its token gives the same successor again, confirmed or not: processes race."""

MAX_ACCESS_TOKENS = 32
"""So many access tokens of a family are alive at a time; the oldest gives way."""


class Verdict(StrEnum):
    """What came of a presented refresh token."""

    ROTATED = "rotated"
    REPLAYED = "replayed"
    REUSED = "reused"
    """The family has just ended because of it."""
    OVER = "over"
    """There is no such family (any more)."""


@dataclass(frozen=True, slots=True)
class AccessRecord:
    """A live access token."""

    jti: str
    generation: int
    minted_ms: int
    ends_ms: int


@dataclass(frozen=True, slots=True)
class Family:
    """All that is kept of one sign-in's tokens. The tokens themselves are made from it, the same every time.

    Attributes:
        begun_ms: When the person signed in.
        ends_ms: The end, however much it is used.
        idle_ms: The end, counted from the last rotation.
        rotates: False for a client that never saves a new refresh token.
        generation: How many rotations there were.
        refresh_jti: The refresh token that rotates next.
        parent_jti: The one before it; empty at first.
        minted_ms: When the present generation was made.
        key: Which key signs it.
        confirmed: Whether the client is known to have it.
        scopes: What the access token of this generation opens.
        access: Live access tokens, the newest last.
        ended: Why it ended; empty while it lives.
    """

    family_id: str
    begun_ms: int
    ends_ms: int
    idle_ms: int
    rotates: bool
    generation: int
    refresh_jti: str
    parent_jti: str
    minted_ms: int
    key: str
    confirmed: bool
    scopes: str
    access: tuple[AccessRecord, ...]
    ended: str = ""

    @property
    def good_until_ms(self) -> int:
        """When it ends if it is not refreshed."""
        return min(self.minted_ms + self.idle_ms, self.ends_ms)

    def is_over(self, now_ms: int) -> bool:
        """Whether nothing of it is good any more."""
        return bool(self.ended) or now_ms >= self.good_until_ms


@dataclass(frozen=True, slots=True)
class Presented:
    """A refresh token that came, and what a successor would be made of.

    Attributes:
        jti: The token's.
        refresh_jti: Random; the successor's, as `access_jti`.
        key: The key that signs now.
        scopes: What is asked for.
        access_ms: How long an access token is good for.
    """

    jti: str
    now_ms: int
    refresh_jti: str
    access_jti: str
    key: str
    scopes: str
    access_ms: int


def present(family: Family, token: Presented) -> tuple[Verdict, Family]:
    """Apply the rule; the family as it is afterwards."""
    now = max(token.now_ms, family.minted_ms)  # another instance's clock may be ahead of ours
    if family.is_over(now):
        return Verdict.OVER, family
    if token.jti == family.refresh_jti:
        return Verdict.ROTATED, _rotated(family, token, now)
    if token.jti == family.parent_jti and (not family.confirmed or now - family.minted_ms <= REPLAY_MS):
        return Verdict.REPLAYED, _renewed(family, token, now)
    return Verdict.REUSED, end(family, "reuse")


def accept(family: Family, jti: str, now_ms: int) -> Family | None:
    """The family after one of its access tokens came; None when that opens nothing."""
    now = max(now_ms, family.minted_ms)
    found = next((record for record in family.access if record.jti == jti), None)
    if family.is_over(now) or found is None or now >= found.ends_ms:
        return None
    return replace(family, confirmed=family.confirmed or found.generation == family.generation)


def end(family: Family, reason: str) -> Family:
    """The family when it has ended: no token of it is good."""
    return replace(family, ended=reason)


def begin(family_id: str, token: Presented, *, idle_ms: int, absolute_ms: int, rotates: bool) -> Family:
    """A family with its first generation. `token` says what it is made of; its `jti` counts for nothing."""
    first = Family(
        family_id=family_id,
        begun_ms=token.now_ms,
        ends_ms=token.now_ms + absolute_ms,
        idle_ms=idle_ms,
        rotates=rotates,
        generation=0,
        refresh_jti=token.refresh_jti,
        parent_jti="",
        minted_ms=token.now_ms,
        key=token.key,
        confirmed=False,
        scopes=token.scopes,
        access=(),
    )
    return _with_access(first, token, token.now_ms)


def _rotated(family: Family, token: Presented, now: int) -> Family:
    following = replace(family, minted_ms=now, key=token.key, scopes=token.scopes, confirmed=False)
    if family.rotates:
        following = replace(
            following,
            generation=family.generation + 1,
            refresh_jti=token.refresh_jti,
            parent_jti=family.refresh_jti,
        )
    return _with_access(following, token, now)


def _renewed(family: Family, token: Presented, now: int) -> Family:
    """The same successor. Its access token is made anew when less than half of its life is left."""
    newest = family.access[-1] if family.access else None
    if newest is not None and newest.generation == family.generation and 2 * (newest.ends_ms - now) >= token.access_ms:
        return family
    return _with_access(family, token, now)


def _with_access(family: Family, token: Presented, now: int) -> Family:
    ends = min(now + token.access_ms, family.good_until_ms)
    record = AccessRecord(token.access_jti, family.generation, now, ends)
    live = tuple(each for each in family.access if now < each.ends_ms)
    return replace(family, access=(*live, record)[-MAX_ACCESS_TOKENS:])
