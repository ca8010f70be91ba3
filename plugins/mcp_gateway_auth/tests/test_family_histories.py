"""Every history of a sign-in, whatever its clients, thieves and clocks do, goes as a model of a few lines says.

`--family-histories 2600` tries more than 10,000 in all.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mcp_gateway_auth.families.errors import InvalidGrant, InvalidToken
from mcp_gateway_auth.families.models import Access, TokenPair
from mcp_gateway_auth.tests.families_world import CLIENT, DAY, GRANT, HOUR, STORES, World, open_world, urls_of

WINDOW, ACCESS, IDLE, ABSOLUTE = 10, 300, 30 * DAY, 180 * DAY
AGES = st.sampled_from((0, 0, 0, 1, 1, 1, 2, 9))
PAUSES = (0, 1, 10, 11, 151, 299, HOUR, 7 * DAY, 29 * DAY, 31 * DAY)


class Model:
    """The rule. Times are seconds since the sign-in; a refresh token is known by its generation."""

    def __init__(self) -> None:
        self.generation = self.rotated_at = 0
        self.confirmed, self.alive = False, True

    def is_alive(self, now: int) -> bool:
        return self.alive and now < min(self.rotated_at + IDLE, ABSOLUTE)

    def present(self, generation: int, now: int) -> bool:
        if self.is_alive(now) and generation == self.generation:
            self.generation, self.rotated_at, self.confirmed = generation + 1, now, False
            return True
        may_repeat = not self.confirmed or now - self.rotated_at <= WINDOW
        self.alive = self.is_alive(now) and generation == self.generation - 1 and may_repeat
        return self.alive

    def accept(self, generation: int, ends: int, now: int) -> bool:
        accepted = self.is_alive(now) and now < ends
        self.confirmed = self.confirmed or (accepted and generation == self.generation)
        return accepted


class Histories(RuleBasedStateMachine):
    """One sign-in. Whoever holds a token of it, old or new, may present it on either instance at any time."""

    world: ClassVar[World]
    portal: ClassVar[BlockingPortal]

    @initialize()
    def sign_in(self) -> None:
        self.now = 0
        self.model = Model()
        self.refresh_tokens = [""]
        self.access_tokens: dict[str, Access] = {}
        self._took(self._run(self.world.sign_ins.begin, GRANT), 0)

    @rule(age=AGES, instance=st.integers(0, 1))
    def present(self, age: int, instance: int) -> None:
        """Any refresh token of this sign-in, mostly the newest or its parent: others end the history at once."""
        generation = max(0, len(self.refresh_tokens) - 1 - age)
        refresh = functools.partial(
            self.world.instances[instance].sign_ins.refresh, self.refresh_tokens[generation], client_id=CLIENT
        )
        was_alive = self.model.is_alive(self.now)
        if self.model.present(generation, self.now):
            self._took(self._run(refresh), generation + 1)
        else:
            self._refused(InvalidGrant, refresh)
            if was_alive:
                self._all_is_dead()

    @rule(age=AGES, instance=st.integers(0, 1))
    def use(self, age: int, instance: int) -> None:
        """Any access token of this sign-in."""
        tokens = list(self.access_tokens)
        token = tokens[max(0, len(tokens) - 1 - age)]
        access = self.access_tokens[token]
        check = functools.partial(self.world.instances[instance].sign_ins.check, token)
        if self.model.accept(access.generation, self.access_ends[token], self.now):
            assert self._run(check) == access
        else:
            self._refused(InvalidToken, check)

    @rule(seconds=st.sampled_from(PAUSES))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        self.world.clock.advance(seconds)

    @precondition(lambda self: self.model.is_alive(self.now) and self.model.generation > 1)
    @rule()
    def revoke(self) -> None:
        family_id = next(iter(self.access_tokens.values())).family_id
        assert self._run(self.world.sign_ins.revoke, family_id, "revoked")
        self.model.alive = False
        self._all_is_dead()

    @invariant()
    def one_generation_at_most_is_unconfirmed(self) -> None:
        """Every rotation presents, and thereby confirms, the generation before."""
        if hasattr(self, "model"):
            assert len(self.refresh_tokens) == self.model.generation + 1

    def _took(self, pair: TokenPair, generation: int) -> None:
        """A pair came: the same refresh token for the same generation, always."""
        if generation == len(self.refresh_tokens):
            self.refresh_tokens.append(pair.refresh_token)
        if generation == 0:
            self.refresh_tokens = [pair.refresh_token]
            self.access_ends: dict[str, int] = {}
        assert self.refresh_tokens[generation] == pair.refresh_token
        access = self._run(self.world.sign_ins.inspect, pair.access_token)
        assert access is not None and access.generation == generation
        self.access_tokens[pair.access_token] = access
        self.access_ends[pair.access_token] = self.now + pair.expires_in
        assert ACCESS // 2 <= pair.expires_in <= ACCESS or self.now + pair.expires_in == ABSOLUTE

    def _all_is_dead(self) -> None:
        """A second later, on either instance."""
        self.wait(1)
        for instance in self.world.instances:
            for token in self.access_tokens:
                self._refused(InvalidToken, functools.partial(instance.sign_ins.check, token))
            for token in self.refresh_tokens:
                refresh = functools.partial(instance.sign_ins.refresh, token, client_id=CLIENT)
                self._refused(InvalidGrant, refresh)

    def _refused(self, error: type[Exception], call: Callable[[], Awaitable[Any]]) -> None:
        with pytest.raises(error):
            self._run(call)

    def _run(self, call: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        return self.portal.call(call, *arguments)


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    """Runs what is async for a test that is not: hypothesis draws the histories."""
    with start_blocking_portal("asyncio") as portal:
        yield portal


@pytest.mark.timeout(0)
@pytest.mark.parametrize("store", STORES)
def test_every_history_goes_as_the_model_says(
    store: str, portal: BlockingPortal, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    urls = urls_of(store, request)
    opened: AbstractContextManager[World] = portal.wrap_async_context_manager(open_world(urls, tmp_path, instances=2))
    with opened as Histories.world:
        Histories.portal = portal
        run_state_machine_as_test(
            Histories,
            settings=settings(
                max_examples=request.config.getoption("--family-histories"),
                stateful_step_count=20,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate, Phase.shrink],
            ),
        )
