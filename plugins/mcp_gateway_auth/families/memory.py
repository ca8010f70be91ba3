"""Families in the memory of one process: for tests and models. A gateway keeps its families in a database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from mcp_gateway.catalog.events import SignInRevoked

from . import machine
from .machine import Family, Presented, Verdict
from .models import Grant
from .times import moment

Announce = Callable[[SignInRevoked], Awaitable[None]]


class MemoryFamilies:
    """See `FamilyStore`. Without an await between reading and writing, each step is a transaction."""

    def __init__(self, announce: Announce) -> None:
        self._announce = announce
        self._families: dict[str, Family] = {}
        self._grants: dict[str, Grant] = {}

    async def begin(self, grant: Grant, family: Family) -> None:
        """Keep a new family."""
        self._families[family.family_id], self._grants[family.family_id] = family, grant

    async def present(self, family_id: str, token: Presented) -> tuple[Verdict, Family | None]:
        """Apply the rule."""
        family = self._families.get(family_id)
        if family is None:
            return Verdict.OVER, None
        verdict, family = machine.present(family, token)
        self._families[family_id] = family
        if verdict is Verdict.REUSED:
            await self._announced(family, token.now_ms)
        return verdict, family

    async def accept(self, family_id: str, jti: str, now_ms: int) -> bool:
        """Whether an access token is good."""
        family = self._families.get(family_id)
        after = family and machine.accept(family, jti, now_ms)
        if not after:
            return False
        self._families[family_id] = after
        return True

    async def look(self, family_id: str) -> Family | None:
        """The family as it is."""
        return self._families.get(family_id)

    async def end(self, family_id: str, reason: str, now_ms: int) -> bool:
        """End it."""
        family = self._families.get(family_id)
        if family is None or family.ended:
            return False
        self._families[family_id] = machine.end(family, reason)
        await self._announced(self._families[family_id], now_ms)
        return True

    async def of_user(self, user_id: str) -> Sequence[tuple[Grant, Family]]:
        """The families of a person."""
        return [
            (grant, self._families[family_id])
            for family_id, grant in self._grants.items()
            if grant.user_id == user_id and not self._families[family_id].ended
        ]

    async def erase_user(self, user_id: str, now_ms: int) -> int:
        """End and forget."""
        mine = [family_id for family_id, grant in self._grants.items() if grant.user_id == user_id]
        ended = [await self.end(family_id, "erased", now_ms) for family_id in mine]
        for family_id in mine:
            del self._families[family_id], self._grants[family_id]
        return sum(ended)

    async def now_ms(self) -> int | None:
        """This machine's time."""
        return None

    async def tend(self, now_ms: int) -> None:
        """Forget what is over."""
        over = [family_id for family_id, family in self._families.items() if now_ms >= family.good_until_ms]
        for family_id in over:
            del self._families[family_id], self._grants[family_id]

    async def _announced(self, family: Family, now_ms: int) -> None:
        client_id = self._grants[family.family_id].client_id
        await self._announce(
            SignInRevoked(
                family_id=family.family_id, client_id=client_id, reason=family.ended, revoked_at=moment(now_ms)
            )
        )
