"""Rules for refresh tokens that come again, as others have them and as ours is, for one sign-in without any store.

Each is a `Server` of the models in `client_behaviours`. Tokens are generations, written out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mcp_gateway_auth.families import machine
from mcp_gateway_auth.families.machine import Presented, Verdict
from mcp_gateway_auth.tests.client_behaviours import Given

DAY_MS = 24 * 3600 * 1000


class Counted:
    """The rules that look at how old a token is in generations, and how long ago the last rotation was."""

    first = "0"

    def __init__(self) -> None:
        self.generation = 0
        self.rotated_at = 0.0
        self.ended = False

    def is_forgiven(self, generation: int, at: float) -> bool:
        """Whether a token that was used before gives the present generation."""
        raise NotImplementedError

    async def refresh(self, token: str, at: float) -> Given | None:
        """Rotate, repeat or end."""
        generation = int(token)
        if not self.ended and generation == self.generation:
            self.generation, self.rotated_at = generation + 1, at
        elif not self.is_forgiven(generation, at):
            self.ended = True
        return None if self.ended else Given(str(self.generation), str(self.generation))

    async def use(self, access_token: str, at: float) -> None:
        """Nothing is learnt from it."""


class Strict(Counted):
    """Any used token ends the family: the text of the specification."""

    def is_forgiven(self, generation: int, at: float) -> bool:
        """Never."""
        return False


class Leeway(Counted):
    """The last used token is good for 30 seconds more, as at Auth0 and Hydra."""

    def is_forgiven(self, generation: int, at: float) -> bool:
        """For a while."""
        return generation == self.generation - 1 and at - self.rotated_at <= 30


class AnyParent(Counted):
    """The last used token is always good, as at Supabase; an older one for 10 seconds."""

    def is_forgiven(self, generation: int, at: float) -> bool:
        """For ever, or for a moment."""
        return generation == self.generation - 1 or at - self.rotated_at <= 10


class Ours:
    """The machine that every store applies."""

    first = "r0"

    def __init__(self) -> None:
        self._number = 0
        token = self._presented("", 0)
        self._family = machine.begin("family", token, idle_ms=30 * DAY_MS, absolute_ms=180 * DAY_MS, rotates=True)

    async def refresh(self, token: str, at: float) -> Given | None:
        """Apply the rule."""
        verdict, self._family = machine.present(self._family, self._presented(token, at))
        if verdict in (Verdict.REUSED, Verdict.OVER):
            return None
        return Given(self._family.refresh_jti, self._family.access[-1].jti)

    async def use(self, access_token: str, at: float) -> None:
        """Confirm."""
        self._family = machine.accept(self._family, access_token, round(at * 1000)) or self._family

    def _presented(self, jti: str, at: float) -> Presented:
        number, self._number = self._number, self._number + 1
        return Presented(jti, round(at * 1000), f"r{number}", f"a{number}", "key", "", 300_000)


RULES: Mapping[str, Callable[[], Counted | Ours]] = {
    "strict": Strict,
    "leeway of 30 s": Leeway,
    "any parent": AnyParent,
    "ours": Ours,
}
