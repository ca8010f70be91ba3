"""The half second for which a token is remembered, and the clock that instances share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mcp_gateway.testing import FakeClock
from mcp_gateway_auth.families.checked import MAX_TOKENS, CheckedTokens
from mcp_gateway_auth.families.errors import InvalidToken, StoreUnavailable
from mcp_gateway_auth.families.memory import MemoryFamilies
from mcp_gateway_auth.families.models import Access
from mcp_gateway_auth.families.store_clock import StoreClock
from mcp_gateway_auth.tests.families_world import GRANT, Urls, open_world

pytestmark = pytest.mark.anyio

THEN = datetime(2026, 1, 1, tzinfo=UTC)
ACCESS = Access("ada", "client", frozenset(), "r", "family", 0, "jti", THEN + timedelta(minutes=5), THEN)


def test_a_token_is_remembered_for_half_a_second_from_before_the_store_was_asked() -> None:
    clock = FakeClock()
    checked = CheckedTokens(clock)
    asked_at = clock.monotonic()
    clock.advance(0.4)  # the store was slow
    checked.add("token", ACCESS, asked_at=asked_at)

    assert checked.get("token") is ACCESS
    assert checked.get("another") is None
    clock.advance(0.1)
    assert checked.get("token") is None


def test_no_jump_of_the_clock_makes_it_longer() -> None:
    clock = FakeClock()
    checked = CheckedTokens(clock)
    checked.add("token", ACCESS, asked_at=clock.monotonic())
    clock.set(THEN - timedelta(days=1))
    clock.advance(0.5)

    assert checked.get("token") is None


def test_so_many_tokens_are_remembered_at_most() -> None:
    checked = CheckedTokens(FakeClock())
    for number in range(MAX_TOKENS + 10):
        checked.add(f"token-{number}", ACCESS, asked_at=0)

    assert sum(checked.get(f"token-{number}") is not None for number in range(MAX_TOKENS + 10)) <= MAX_TOKENS


async def test_a_burst_of_calls_asks_the_store_twice_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_world(Urls(f"sqlite:///{tmp_path}/g.sqlite3", "memory"), tmp_path) as world:
        asked: list[int] = []
        accept = world.instances[0].store.accept

        async def counted(family_id: str, jti: str, now_ms: int) -> bool:
            asked.append(now_ms)
            return await accept(family_id, jti, now_ms)

        monkeypatch.setattr(world.instances[0].store, "accept", counted)
        pair = await world.sign_ins.begin(GRANT)
        for _ in range(100):
            await world.sign_ins.check(pair.access_token)
            world.clock.advance(0.01)
        with pytest.raises(InvalidToken):  # remembered or not
            await world.sign_ins.check(pair.access_token, resource="https://other.example/mcp")

    assert len(asked) in {2, 3}


class Shared(MemoryFamilies):
    """A store with a clock of its own, which may be away."""

    told_ms: int | None = None

    async def now_ms(self) -> int | None:
        """The time, or none."""
        if self.told_ms is None:
            raise StoreUnavailable
        return self.told_ms


async def nobody_hears(_: object) -> None:
    """There is nothing to announce."""


async def test_the_stores_clock_counts_however_ours_jumps() -> None:
    machine, store = FakeClock(THEN), Shared(nobody_hears)
    clock = StoreClock(machine, store)
    await clock.synchronise()
    assert clock.now() == THEN  # nobody has told us otherwise

    store.told_ms = round((THEN + timedelta(minutes=5)).timestamp() * 1000)
    await clock.synchronise()
    machine.set(THEN - timedelta(days=300))
    machine.advance(7)
    assert clock.now() == THEN + timedelta(minutes=5, seconds=7)

    store.told_ms = None
    await clock.synchronise()
    assert clock.now() == THEN + timedelta(minutes=5, seconds=7)


async def test_where_the_store_is_on_this_machine_its_clock_is_ours() -> None:
    machine = FakeClock(THEN)
    clock = StoreClock(machine, MemoryFamilies(nobody_hears))
    await clock.synchronise()
    machine.set(THEN + timedelta(hours=1))

    assert clock.now() == THEN + timedelta(hours=1)
