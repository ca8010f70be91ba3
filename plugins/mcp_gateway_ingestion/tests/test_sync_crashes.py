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
from mcp_gateway_ingestion.sync.source import SourceDown

from .killing import KilledAt, Shielded
from .sync_world import SyncWorld

pytestmark = pytest.mark.anyio

TITLES = [f"t{number:02}" for number in range(20)]


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
        self._all_is_back()
        price = self._random.randrange(100, 900)
        for key in self._random.sample(TITLES, 3):
            source.put(key, prices={"HD": price})
        source.put(TITLES[0], prices={"Standard": 0}, until=(world.clock.now() + timedelta(minutes=10)).isoformat())
        source.remove(self._random.choice(TITLES[1:]))

    def weeks_pass(self) -> None:
        """The source has forgotten what changed, and lists all that it offers."""
        self.world.clock.advance(40 * 24 * 3600)
        self.time_passes()

    def much_is_gone(self) -> None:
        """A list of all lacks so many titles that they are not ended before somebody says so."""
        self.weeks_pass()
        self.world.source.remove(*sorted(self.world.source.shelf)[-6:])

    def source_breaks_off(self) -> None:
        """The source fails at its fourth page, this time."""
        self.weeks_pass()
        self.world.source.fault = _fails_at("3")

    def _all_is_back(self) -> None:
        source = self.world.source
        source.put(*(key for key in TITLES if key not in source.shelf))

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
        self.world.source.page_size, self.world.source.fault = 50, None
        self.world.clock.advance(300)
        await self.world.sync.expire()
        report = await self.world.run(accept=frozenset({"removals"}))
        assert report.outcome == "done", report

    async def check(self) -> None:
        """The events make the table, and the table is what the source offers."""
        events, self._position = await outbox_after(self.world.db, self._position)
        standing = await standing_offers(self.world.db)
        assert self._replay.hear(events) == standing
        assert self._replay.repeated == 0
        assert set(await self.world.offered()) == set(self.world.source.shelf)


def _fails_at(cursor: str) -> Callable[[str, str | None], None]:
    def fault(_: str, asked: str | None) -> None:
        if asked == cursor:
            raise SourceDown("away")

    return fault


@pytest.fixture
async def story(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Story]:
    """Giving connections back is not disturbed, as it is shielded from being cancelled; processes really killed are in
    `test_sync_faults.py`.
    """
    spare = Shielded(monkeypatch)
    async with opened(database_url, ingestion=plugin.register_migrations()) as (db, _):
        yield Story(database_url, SyncWorld(db, FakeClock(NOW)), spare=spare)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("before", "at_least"),
    [(Story.time_passes, 120), (Story.weeks_pass, 195), (Story.much_is_gone, 135), (Story.source_breaks_off, 50)],
)
async def test_killed_at_any_await_of_a_sync_nothing_is_lost_and_nothing_told_twice(
    story: Story, before: Callable[[Story], None], at_least: int
) -> None:
    """On each database at five hundred awaits, all told."""
    await story.recover()
    killed = 0
    while True:
        before(story)
        if not await story.kill_at(killed + 1):
            break
        killed += 1
        await story.recover()
        await story.check()
    assert killed >= at_least
