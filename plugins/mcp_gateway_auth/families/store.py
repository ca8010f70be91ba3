"""What keeps families: the interface, the same on every store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .machine import Family, Presented, Verdict
from .models import Grant


class FamilyStore(Protocol):
    """Keeps families, and applies the rule to one at a time. Every method raises StoreUnavailable when it cannot tell.

    Whatever ends a family that was alive announces it: `media.signin.revoked`.
    """

    async def begin(self, grant: Grant, family: Family) -> None:
        """Keep a new family."""
        ...

    async def present(self, family_id: str, token: Presented) -> tuple[Verdict, Family | None]:
        """Apply the rule to a refresh token; the family as it is then, None when it is not known."""
        ...

    async def accept(self, family_id: str, jti: str, now_ms: int) -> bool:
        """Whether an access token is good; if so, that confirms its generation."""
        ...

    async def look(self, family_id: str) -> Family | None:
        """The family as it is, ended ones too; None when it is not known."""
        ...

    async def end(self, family_id: str, reason: str, now_ms: int) -> bool:
        """End it; whether it had not ended before."""
        ...

    async def of_user(self, user_id: str) -> Sequence[tuple[Grant, Family]]:
        """The families of a person that have not ended; some may be past their time."""
        ...

    async def erase_user(self, user_id: str, now_ms: int) -> int:
        """End and forget all families of a person; how many had not ended."""
        ...

    async def now_ms(self) -> int | None:
        """The time by the clock that all instances share; None when that is this machine's."""
        ...

    async def tend(self, now_ms: int) -> None:
        """Clear away what is over, and mend what a crash left half done. Called every minute."""
        ...
