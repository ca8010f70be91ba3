"""Syncs whose processes are killed, that run beside others, and whose event bus goes away."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from aiokafka import AIOKafkaConsumer

from mcp_gateway.bus.bus import Envelope, Subscription
from mcp_gateway.bus.cloudevents import decode
from mcp_gateway.bus.events import EventService
from mcp_gateway.bus.open import open_bus
from mcp_gateway.clock import SystemClock
from mcp_gateway.storage.engine import Database, open_database
from mcp_gateway.testing import FakeClock
from mcp_gateway.tests.buses import bus_that_goes_away
from mcp_gateway.tests.catalogues import NOW, opened
from mcp_gateway.tests.kafka_cluster import KafkaCluster, kafka_cluster
from mcp_gateway.tests.offer_replay import Replay, outbox_of, replay, standing_offers
from mcp_gateway_ingestion import plugin

from .killing import KilledAt
from .sync_process import shelf_at
from .sync_world import RememberingSource, SyncWorld

__all__ = ["kafka_cluster"]

pytestmark = pytest.mark.anyio

SECONDS = 60
WRITERS = 8


@asynccontextmanager
async def migrated(url: str) -> AsyncIterator[Database]:
    async with opened(url, ingestion=plugin.register_migrations()) as (db, _):
        yield db


@pytest.mark.parametrize(("hour", "awaits"), [(0, 60), (5, 8), (5, 33), (5, 60)])
async def test_a_process_that_was_killed_leaves_nothing_half_done(database_url: str, hour: int, awaits: int) -> None:
    """By SIGKILL: no cleaning up, no rollback, no farewell to the database."""
    async with migrated(database_url) as db:
        if hour:
            before = shelf_at(0)
            assert (await SyncWorld(db, before.clock, before).run()).outcome == "done"
        assert await anyio.to_thread.run_sync(_run_process, database_url, hour, awaits) == -signal.SIGKILL
        source = shelf_at(hour)
        source.clock.advance(600)
        world = SyncWorld(db, source.clock, source)
        assert (await world.run()).outcome == "done"
        assert await world.is_right()


def _run_process(url: str, hour: int, awaits: int) -> int:
    command = [sys.executable, "-m", "mcp_gateway_ingestion.tests.sync_process", url, str(hour), str(awaits)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode < 0, done.stderr
    return done.returncode


class Writer:
    """One of several processes, each with connections and a source of its own, of the same titles."""

    def __init__(self, db: Database, number: int) -> None:
        clock = FakeClock(NOW)
        self.source = RememberingSource(clock, key=f"source-{number}", page_size=4)
        self.source.put(*(f"t{each:02}" for each in range(20)))
        self.world = SyncWorld(db, clock, self.source)
        self._random = random.Random(number)  # noqa: S311 - not for secrets

    async def work(self, rounds: int) -> None:
        """Sync again and again; every other time it dies on the way, and begins anew when its lease is over."""
        for turn in range(rounds):
            clock = self.source.clock
            clock.advance(3600)
            for key in self._random.sample(sorted(self.source.shelf), 3):
                self.source.put(key, prices={"HD": self._random.randrange(1, 900)})
            if turn % 2:
                run = self.world.sync.listing_run(self.world.sync.targets[0])
                with anyio.CancelScope() as scope:
                    await KilledAt(run.run(), self._random.randrange(5, 60), kill=scope.cancel).run()
            clock.advance(600)
            assert (await self.world.run()).outcome == "done"
            await self.world.sync.expire()


async def test_eight_writers_at_once_lose_nothing_and_tell_everything_in_order(postgres_url: str) -> None:
    async with migrated(postgres_url) as db, anyio.create_task_group() as processes:
        for number in range(WRITERS):
            processes.start_soon(_write, postgres_url, number)
    async with open_database(postgres_url) as db:
        events = await outbox_of(db)
        offers = await standing_offers(db)
        assert replay(events) == offers
    assert len(offers) >= WRITERS * 20
    assert len({event.id for event in events}) == len(events)


async def _write(url: str, number: int) -> None:
    async with open_database(url, pool_size=2) as db:
        await Writer(db, number).work(rounds=4)


Away = Callable[[], Any]


@pytest.fixture(params=["redis", "kafka"])
def bus(request: pytest.FixtureRequest) -> tuple[str, Away]:
    """The URL of a bus, and what takes it away for a while."""
    return bus_that_goes_away(request.param, "availability-away", request)


async def test_events_of_a_sync_outlast_a_bus_that_is_away(sqlite_url: str, bus: tuple[str, Away]) -> None:
    """A group of subscribers hears all of them, in the order of each title: replayed, they make the table."""
    url, away = bus
    heard: list[Envelope] = []
    async with (
        migrated(sqlite_url) as db,
        _events(db, url) as events,
        open_bus(url, clock=SystemClock(), lease_seconds=0.6) as others,
        others.subscribe([], group="g") as group,
        anyio.create_task_group() as tasks,
    ):
        world = Writer(db, 1).world
        tasks.start_soon(_listen, group, heard)
        await world.run()

        async with away():
            for _ in range(3):
                await _an_hour_later(world)
            with anyio.fail_after(SECONDS):
                while (health := await events.health()).bus_answers:  # noqa: ASYNC110 - health is polled
                    await anyio.sleep(0.01)
            assert health.waiting > 0
            assert not health.is_well

        await _an_hour_later(world)
        await _until_all_is_heard(heard, await outbox_of(db))
        tasks.cancel_scope.cancel()
        assert replay(heard) == await standing_offers(db)


async def test_a_kafka_consumer_group_reads_the_events_in_order_per_title(
    sqlite_url: str, kafka_cluster: KafkaCluster
) -> None:
    """Another system's consumers, which know nothing of us but the topic."""
    topic = "availability-order"
    async with migrated(sqlite_url) as db, _events(db, f"kafka://{kafka_cluster.brokers}/{topic}"):
        world = Writer(db, 2).world
        await world.run()
        for _ in range(4):
            await _an_hour_later(world)
        published = await outbox_of(db)
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=kafka_cluster.brokers, group_id="others", auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            with anyio.fail_after(SECONDS):
                heard: list[Envelope] = []
                by_title = Replay()
                while {event.id for event in published} - {event.id for event in heard}:
                    message = await consumer.getone()
                    envelope = decode(message.value)
                    assert message.key == envelope.subject.encode()
                    heard.append(envelope)
                    by_title.hear([envelope])
        finally:
            await consumer.stop()
        assert by_title.standing == await standing_offers(db)


@asynccontextmanager
async def _events(db: Database, url: str) -> AsyncIterator[EventService]:
    async with (
        open_bus(url, clock=SystemClock(), lease_seconds=0.6) as bus,
        EventService(db, bus, SystemClock(), poll_seconds=0.02, lease_seconds=0.5) as events,
    ):
        yield events


async def _listen(group: Subscription, heard: list[Envelope]) -> None:
    while True:
        heard.extend(await group.receive())
        await group.acknowledge()


async def _an_hour_later(world: SyncWorld) -> None:
    source = world.source
    source.clock.advance(3600)
    for key in ("t01", "t02", "t03"):
        source.put(key, prices={"HD": source.clock.now().hour + 1})
    assert (await world.run()).outcome == "done"


async def _until_all_is_heard(heard: list[Envelope], published: list[Envelope]) -> None:
    with anyio.fail_after(SECONDS):
        while {event.id for event in published} - {event.id for event in heard}:  # noqa: ASYNC110 - as it is heard
            await anyio.sleep(0.01)
