"""Checks a name and password, and slows guessing down without locking out those who only know their own."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from starlette.requests import Request

from mcp_gateway.api import RateLimited, Unavailable

from .client_address import ClientAddress
from .passwords import Passwords
from .people import key_of
from .store import User, UserStore
from .throttle import Allowance, Throttle
from .visits import Visits

log = logging.getLogger(__name__)

# 30 guesses, then 360 an hour from one address; behind one there may be a whole office.
PER_ADDRESS = Allowance(burst=30, seconds_each=10)
# 10 guesses, then 12 an hour for one name, from wherever. Meanwhile its owner cannot sign in from a new device, but…
PER_NAME = Allowance(burst=10, seconds_each=300)
# …a browser where the person has signed in before has tries of its own, which strangers cannot use up.
PER_KNOWN_BROWSER = Allowance(burst=10, seconds_each=60)


@dataclass(frozen=True, slots=True)
class Guess:
    """A name and a password, right or wrong. `is_known`: the person has signed in from this browser before."""

    user: User | None
    is_known: bool = False


class Guesses:
    """Checks names and passwords. A name that nobody has is treated as any other, in words and in time."""

    def __init__(
        self, store: UserStore, passwords: Passwords, throttle: Throttle, visits: Visits, address: ClientAddress
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._throttle = throttle
        self._visits = visits
        self._address = address

    async def check(self, request: Request, name: str, password: str) -> Guess:
        """Whose name and password it is; a wrong guess has no user.

        Raises:
            RateLimited: Too many were wrong.
            Unavailable: Too many people sign in at this moment.
        """
        key = key_of(name)
        known = await self._visits.known_user(request)
        is_known = known is not None and key_of(known.name) == key
        spent = self._allowances(request, key, is_known=is_known)
        for what, allowance in spent.items():
            wait_seconds = await self._throttle.spend(what, allowance)
            if wait_seconds is not None:
                log.warning("too many wrong passwords", extra={"address": self._address.of(request)})
                raise RateLimited(wait_seconds)
        user = await self._store.named(key)
        try:
            is_right = await self._passwords.verify(user.password_hash if user else None, password)
        except Unavailable:
            await self._give_back(spent)
            raise
        if user is None or not is_right:
            log.info("wrong name or password", extra={"address": self._address.of(request)})
            return Guess(None)
        # Not more than this one: else a guesser would sign in as himself now and then, and go on.
        await self._give_back(spent)
        return Guess(await self._renewed(user, password), is_known)

    async def _give_back(self, spent: Mapping[str, Allowance]) -> None:
        for what, allowance in spent.items():
            await self._throttle.give_back(what, allowance)

    def _allowances(self, request: Request, key: str, *, is_known: bool) -> dict[str, Allowance]:
        by_name = {f"known browser of {key}": PER_KNOWN_BROWSER} if is_known else {f"sign-in as {key}": PER_NAME}
        return {**by_name, f"sign-in from {self._address.of(request)}": PER_ADDRESS}

    async def _renewed(self, user: User, password: str) -> User:
        """The person, hashed again where it was done more cheaply."""
        if not self._passwords.is_outdated(user.password_hash):
            return user
        renewed = await self._passwords.hash(password)
        await self._store.renew_hash(user, renewed)
        return replace(user, password_hash=renewed)
