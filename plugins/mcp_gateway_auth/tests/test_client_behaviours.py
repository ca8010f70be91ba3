"""No honest client is signed out, whatever it does; a thief is found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mcp_gateway_auth.families.errors import InvalidGrant
from mcp_gateway_auth.tests.client_behaviours import CLIENTS, THIEVES, Given, Server, luck, never_saves, theft
from mcp_gateway_auth.tests.families_world import CLIENT, GRANT, Urls, World, open_world

pytestmark = pytest.mark.anyio

DAYS = 2
THEFTS = 120


class OurServer:
    """Our sign-ins as clients see them."""

    def __init__(self, world: World, first: str) -> None:
        self._world = world
        self._now = 0.0
        self.first = first

    async def refresh(self, token: str, at: float) -> Given | None:
        """Refresh."""
        self._turn_to(at)
        try:
            pair = await self._world.sign_ins.refresh(token, client_id=CLIENT)
        except InvalidGrant:
            return None
        return Given(pair.refresh_token, pair.access_token)

    async def use(self, access_token: str, at: float) -> None:
        """Check."""
        self._turn_to(at)
        await self._world.sign_ins.check(access_token)

    def _turn_to(self, at: float) -> None:
        self._world.clock.advance(at - self._now)
        self._now = at


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The rule is the same on every store; memory is the fastest."""
    async with open_world(Urls(f"sqlite:///{tmp_path}/g.sqlite3", "memory"), tmp_path) as world:
        yield world


@asynccontextmanager
async def signed_in(world: World, *, never_saves_refresh_token: bool = False) -> AsyncIterator[Server]:
    grant = replace(GRANT, never_saves_refresh_token=never_saves_refresh_token)
    yield OurServer(world, (await world.sign_ins.begin(grant)).refresh_token)


@pytest.mark.parametrize("name", [name for name, behaviour in CLIENTS.items() if behaviour is not never_saves])
async def test_no_honest_client_is_signed_out(name: str, world: World) -> None:
    for day in range(DAYS):
        async with signed_in(world) as server:
            assert await CLIENTS[name](server, luck(day)) is None
    assert not world.announced


async def test_a_client_that_never_saves_needs_its_profile(world: World) -> None:
    async with signed_in(world) as server:
        assert await never_saves(server, luck(1)) is not None
    async with signed_in(world, never_saves_refresh_token=True) as server:
        assert await never_saves(server, luck(1)) is None


@pytest.mark.parametrize("name", THIEVES)
async def test_a_thief_is_found_by_one_access_token_after_the_victims_next_refresh(name: str, world: World) -> None:
    """Unless both ask within ten seconds of one another: that is what racing processes do, and is found later."""
    thefts = []
    for run in range(THEFTS):
        async with signed_in(world) as server:
            thefts.append(await theft(server, luck(run), pace=THIEVES[name]))

    assert all(each.found is not None for each in thefts)
    assert all(each.found is not None and each.found <= each.due for each in thefts if not each.in_step)
    assert sum(each.in_step for each in thefts) < THEFTS / 5
    assert len(world.announced) == THEFTS
