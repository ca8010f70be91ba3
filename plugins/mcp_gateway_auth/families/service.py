"""The one door to token families: signing in, refreshing, checking and ending."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex
from uuid import uuid4

from mcp_gateway.api import Clock

from . import machine
from .checked import CheckedTokens
from .errors import InvalidGrant, InvalidScope, InvalidTarget, InvalidToken, StoreUnavailable, telling
from .keys import SigningKeys
from .machine import Family, Presented, Verdict
from .models import Access, Grant, SignIn, TokenPair
from .store import FamilyStore
from .times import milliseconds, moment
from .tokens import Tokens, scope_text

log = logging.getLogger(__name__)

__all__ = [
    "Access",
    "Grant",
    "InvalidGrant",
    "InvalidScope",
    "InvalidTarget",
    "InvalidToken",
    "Lifetimes",
    "SignIn",
    "SignIns",
    "StoreUnavailable",
    "TokenPair",
]


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long things live, in milliseconds: an access token, a sign-in that is not refreshed, any sign-in."""

    access_ms: int
    idle_ms: int
    absolute_ms: int


class SignIns:
    """Begins, refreshes, checks and ends sign-ins. Every method raises StoreUnavailable when nobody can tell."""

    def __init__(
        self, store: FamilyStore, keys: SigningKeys, clock: Clock, *, issuer: str, lifetimes: Lifetimes
    ) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._tokens = Tokens(issuer, keys)
        self._lifetimes = lifetimes
        self._checked = CheckedTokens(clock)

    async def begin(self, grant: Grant) -> TokenPair:
        """Start a family, after an authorization code was redeemed: generation 0."""
        token = self._presented("", scope_text(grant.scopes))
        family = machine.begin(
            str(uuid4()),
            token,
            idle_ms=self._lifetimes.idle_ms,
            absolute_ms=self._lifetimes.absolute_ms,
            rotates=not grant.never_saves_refresh_token,
        )
        await self._store.begin(grant, family)
        return await self._tokens.pair(family, grant, now_ms=token.now_ms)

    async def refresh(
        self,
        refresh_token: str,
        *,
        client_id: str,
        scopes: frozenset[str] | None = None,
        resource: str | None = None,
        dpop_key: str | None = None,
    ) -> TokenPair:
        """Rotate, or give the same successor again. Scopes None: all that were granted.

        A successor that was made before has the scopes that were asked for then; the answer says which.

        Raises:
            InvalidGrant: The token gives nothing (any more), or is another client's or another key's.
            InvalidScope: More scopes than were granted.
            InvalidTarget: Another resource than was signed in for.
        """
        claims = await self._ours(refresh_token, client_id)
        if claims is None or claims.kind != "refresh" or claims.dpop_key not in (None, dpop_key):
            raise InvalidGrant
        if resource is not None and resource != claims.resource:
            raise InvalidTarget
        if scopes is not None and not scopes <= claims.scopes:
            raise InvalidScope
        token = self._presented(claims.jti, scope_text(claims.scopes if scopes is None else scopes))
        verdict, family = await self._store.present(claims.family_id, token)
        if family is None or verdict in (Verdict.OVER, Verdict.REUSED):
            if verdict is Verdict.REUSED:
                self._tell_of_reuse(claims)
            raise InvalidGrant
        return await self._tokens.pair(family, _grant(claims), now_ms=token.now_ms)

    async def check(self, access_token: str, *, resource: str | None = None) -> Access:
        """What an access token opens. That it came confirms its generation.

        The proof that goes with a token bound to `Access.dpop_key` is the caller's to check.

        Args:
            resource: What it must be for; None: the caller looks at `Access.resource`.

        Raises:
            InvalidToken: It opens nothing (any more), or not this resource.
        """
        access = self._checked.get(access_token) or await self._checked_now(access_token)
        if access.expires_at <= self._clock.now() or (resource is not None and resource != access.resource):
            raise InvalidToken
        return access

    async def inspect(self, token: str) -> Access | None:
        """What an access or refresh token says while it is good, for introspection. Confirms nothing."""
        with telling():
            claims = await self._tokens.read(token)
        family = claims and await self._store.look(claims.family_id)
        if not claims or not family or family.is_over(self._now_ms()):
            return None
        if claims.kind == "refresh":
            return claims if claims.jti == family.refresh_jti else None
        return claims if machine.accept(family, claims.jti, self._now_ms()) else None

    async def revoke(self, family_id: str, reason: str) -> bool:
        """End a family now; whether it was alive. Announced as `media.signin.revoked`."""
        ended = await self._store.end(family_id, reason, self._now_ms())
        self._checked.clear()
        return ended

    async def revoke_token(self, token: str, *, client_id: str) -> None:
        """End the family of a token of this client, access or refresh (RFC 7009). Any other token changes nothing."""
        claims = await self._ours(token, client_id)
        if claims is not None:
            await self.revoke(claims.family_id, "revoked")

    async def of_user(self, user_id: str) -> Sequence[SignIn]:
        """The person's sign-ins that are alive, last used first."""
        now = self._now_ms()
        found = await self._store.of_user(user_id)
        alive = [_sign_in(grant, family) for grant, family in found if not family.is_over(now)]
        return sorted(alive, key=lambda each: each.last_used_at, reverse=True)

    async def erase_user(self, user_id: str) -> int:
        """End all sign-ins of a person and forget them; how many had not ended."""
        ended = await self._store.erase_user(user_id, self._now_ms())
        self._checked.clear()
        return ended

    async def tend(self) -> None:
        """Clear away what is over, on every store; call it every minute."""
        await self._store.tend(self._now_ms())

    async def _checked_now(self, access_token: str) -> Access:
        asked_at = self._clock.monotonic()
        with telling():
            claims = await self._tokens.read(access_token)
        if claims is None or claims.kind != "access":
            raise InvalidToken
        if not await self._store.accept(claims.family_id, claims.jti, self._now_ms()):
            raise InvalidToken
        self._checked.add(access_token, claims, asked_at=asked_at)
        return claims

    async def _ours(self, token: str, client_id: str) -> Access | None:
        """A token of this client, good or not."""
        with telling():
            claims = await self._tokens.read(token)
        return claims if claims and claims.client_id == client_id else None

    def _tell_of_reuse(self, claims: Access) -> None:
        # Who of the two is the thief cannot be seen from here, so both lose the sign-in (RFC 9700, section 4.14).
        facts = {"family_id": claims.family_id, "client_id": claims.client_id, "generation": claims.generation}
        log.warning("refresh token reused, sign-in ended", extra=facts)
        self._checked.clear()

    def _presented(self, jti: str, scopes: str) -> Presented:
        return Presented(
            jti=jti,
            now_ms=self._now_ms(),
            refresh_jti=token_hex(16),
            access_jti=token_hex(16),
            key=self._keys.signing.kid,
            scopes=scopes,
            access_ms=self._lifetimes.access_ms,
        )

    def _now_ms(self) -> int:
        return milliseconds(self._clock.now())


def _grant(claims: Access) -> Grant:
    """What the refresh token says of the grant: enough to make the next tokens."""
    return Grant(claims.user_id, claims.client_id, claims.scopes, claims.resource, dpop_key=claims.dpop_key)


def _sign_in(grant: Grant, family: Family) -> SignIn:
    return SignIn(
        family_id=family.family_id,
        client_id=grant.client_id,
        device=grant.device,
        place=grant.place,
        scopes=grant.scopes,
        begun_at=moment(family.begun_ms),
        last_used_at=moment(family.minted_ms),
        ends_at=moment(family.good_until_ms),
    )
