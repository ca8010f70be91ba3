"""Whatever happens to a sync, nothing is lost and nothing invented: the events alone make the offers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from mcp_gateway.api import Unavailable
from mcp_gateway.bus.outbox import Position
from mcp_gateway.storage.engine import open_database
from mcp_gateway.testing import FakeClock
from mcp_gateway.tests.catalogues import NOW, opened
from mcp_gateway.tests.offer_replay import Replay, outbox_after, standing_offers
from mcp_gateway_ingestion import plugin

from .killing import KilledAt, Shielded
from .sync_world import SyncWorld

pytestmark = pytest.mark.anyio

TITLES = [f"t{number:02}" for number in range(40)]


class Story:
    """A source that changes all the time, processes that sync it and die, and somebody who hears all events."""

    def __init__(self, url: str, world: SyncWorld, *, seed: int = 1, spare: Callable[[], bool] = lambda: False) -> None:
        self._spare = spare
        self.world = world
        self._url = url
        self._random = random.Random(seed)  # noqa: S311 - not for secrets
        self._replay = Replay()
        self._position = Position()
        world.source.put(*TITLES)

    def time_passes(self) -> None:
        """An hour later some offers are others, one ends soon, one is gone and one is back."""
        world, source = self.world, self.world.source
        world.clock.advance(3600)
        price = self._random.randrange(100, 900)
        for key in self._random.sample(TITLES, 4):
            source.put(key, prices={"HD": price})
        source.put(TITLES[0], prices={"Standard": 0}, until=(world.clock.now() + timedelta(minutes=10)).isoformat())
        absent = [key for key in TITLES if key not in source.shelf]
        source.put(*absent)
        source.remove(self._random.choice(TITLES[1:]))

    async def kill_at(self, awaits: int) -> bool:
        """Sync in a process that dies at its n-th await; whether it came to that.

        The process has connections of its own, which end with it.
        """
        async with open_database(self._url) as db:
            self.world.source.page_size = 1
            dying = SyncWorld(db, self.world.clock, *self.world.sources)
            killer = KilledAt(dying.sync.listing_run(dying.sync.targets[0]).run(), awaits, spare=self._spare)
            with suppress(
                asyncio.CancelledError, Unavailable
            ):  # the driver may stumble over the death of its caller, and say so
                await killer.run()
        return killer.killed

    async def recover(self) -> None:
        """Another process ends what has expired, and syncs as soon as nobody holds the listing."""
        self.world = SyncWorld(self.world.db, self.world.clock, *self.world.sources)
        self.world.source.page_size = 50
        self.world.clock.advance(300)
        await self.world.sync.expire()
        report = await self.world.run()
        assert report.outcome == "done", report

    async def check(self) -> None:
        """The events make the table, and the table is what the source offers."""
        events, self._position = await outbox_after(self.world.db, self._position)
        standing = await standing_offers(self.world.db)
        assert self._replay.hear(events) == standing
        assert self._replay.repeated == 0
        assert set(await self.world.offered()) == set(self.world.source.shelf)


@pytest.fixture
async def story(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Story]:
    """Giving connections back is not disturbed, as it is shielded from being cancelled; processes really killed are in
    the test below.
    """
    spare = Shielded(monkeypatch)
    async with opened(sqlite_url, ingestion=plugin.register_migrations()) as (db, _):
        yield Story(sqlite_url, SyncWorld(db, FakeClock(NOW)), spare=spare)


@pytest.mark.parametrize(("kind", "at_least"), [("changes", 160), ("all that is offered", 340)])
async def test_killed_at_any_await_of_a_sync_nothing_is_lost_and_nothing_told_twice(
    story: Story, kind: str, at_least: int
) -> None:
    await story.recover()
    killed = 0
    while True:
        if kind == "all that is offered":
            story.world.clock.advance(40 * 24 * 3600)
        story.time_passes()
        if not await story.kill_at(killed + 1):
            break
        killed += 1
        await story.recover()
        await story.check()
    assert killed >= at_least
