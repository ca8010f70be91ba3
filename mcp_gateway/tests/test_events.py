"""The typed events that plugins publish and hear, from the outbox to the handler, over each bus."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, ClassVar

import anyio
import pytest
from sqlalchemy import text

from mcp_gateway.bus.delivery import TRIES
from mcp_gateway.bus.events import EventService, PluginEvents
from mcp_gateway.bus.open import open_bus
from mcp_gateway.catalog.events import Event
from mcp_gateway.clock import SystemClock
from mcp_gateway.errors import Unavailable
from mcp_gateway.services import Events
from mcp_gateway.storage.engine import Database
from mcp_gateway.tests.kafka_cluster import kafka_cluster
from mcp_gateway.tests.test_outbox import Noted, Other, opened

__all__ = ["kafka_cluster"]

pytestmark = pytest.mark.anyio

SECONDS = 30


class Heard:
    """A handler that notes the numbers it is given, and fails when told to."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.errors: list[Exception] = []
        self._more = anyio.Event()

    async def __call__(self, event: Noted) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.numbers.append(event.number)
        self._more.set()
        self._more = anyio.Event()

    async def wait_for(self, count: int) -> list[int]:
        """The numbers, once there are so many."""
        with anyio.fail_after(SECONDS):
            while len(self.numbers) < count:
                await self._more.wait()
        return self.numbers


class Instance:
    """A gateway's events, as far as these tests need one."""

    def __init__(self, db: Database, service: EventService) -> None:
        self.db = db
        self.service = service
        self.plugin = service.for_plugin("plugin")

    async def publish(self, *numbers: int) -> None:
        for number in numbers:
            await self.plugin.publish(Noted(number=number))


async def no_pause(_: float) -> None:
    await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def running(database_url: str, bus_url: str, **options: Any) -> AsyncIterator[Instance]:
    options = {"poll_seconds": 0.02, "lease_seconds": 0.5} | options
    async with (
        opened(database_url) as db,
        open_bus(bus_url, clock=SystemClock(), lease_seconds=0.6) as bus,
        EventService(db, bus, SystemClock(), **options) as service,
    ):
        yield Instance(db, service)


topics = itertools.count()


@pytest.fixture(params=["memory", "redis", "kafka"])
def bus_url(request: pytest.FixtureRequest) -> str:
    match request.param:
        case "redis":
            return str(request.getfixturevalue("redis_url"))
        case "kafka":
            return (
                f"kafka://{request.getfixturevalue('kafka_cluster').brokers}/{request.node.name.replace('[', '-')[:-1]}"
            )
        case _:
            return "memory://"


@pytest.fixture
async def instance(sqlite_url: str) -> AsyncIterator[Instance]:
    """On SQLite and the bus within the process."""
    async with running(sqlite_url, "memory://", sleep=no_pause) as instance:
        yield instance


async def test_an_event_reaches_every_subscriber_of_its_type(sqlite_url: str, bus_url: str) -> None:
    one, other = Heard(), Heard()
    async with running(sqlite_url, bus_url) as instance:
        instance.plugin.subscribe(Noted, one)
        instance.service.for_plugin("second").subscribe(Noted, other, group="g")
        await instance.plugin.ready()

        await instance.publish(*range(20))

        assert sorted(await one.wait_for(20)) == list(range(20))
        assert sorted(await other.wait_for(20)) == list(range(20))


async def test_within_the_process_all_events_arrive_in_the_order_of_their_commits(database_url: str) -> None:
    heard, grouped = Heard(), Heard()
    async with running(database_url, "memory://") as instance:
        instance.plugin.subscribe(Noted, heard)
        instance.plugin.subscribe(Noted, grouped, group="g")
        await instance.plugin.ready()

        await instance.publish(*range(20))

        assert await heard.wait_for(20) == list(range(20))
        assert await grouped.wait_for(20) == list(range(20))


async def test_a_group_goes_on_where_it_left_off_after_a_restart(sqlite_url: str, bus_url: str) -> None:
    before, after = Heard(), Heard()
    async with running(sqlite_url, bus_url) as instance:
        instance.plugin.subscribe(Noted, before, group="g")
        await instance.publish(1, 2)
        assert sorted(await before.wait_for(2)) == [1, 2]
        with anyio.fail_after(SECONDS):
            while (await instance.service.health()).subscriptions[0].handled < 2:
                await anyio.lowlevel.checkpoint()
    async with running(sqlite_url, bus_url) as instance:
        await instance.publish(3)  # nobody of the group is there
        instance.plugin.subscribe(Noted, after, group="g")
        numbers = await after.wait_for(1)
        while 3 not in numbers:  # a batch that was being acknowledged when its process ended comes again
            numbers = await after.wait_for(len(numbers) + 1)


async def test_two_instances_share_out_a_groups_events_and_each_hears_the_others(
    postgres_url: str, bus_url: str
) -> None:
    everywhere, grouped = [Heard(), Heard()], Heard()
    async with AsyncExitStack() as stack:
        instances = [await stack.enter_async_context(running(postgres_url, bus_url)) for _ in range(2)]
        for each, heard in zip(instances, everywhere, strict=True):
            each.plugin.subscribe(Noted, heard)
            each.plugin.subscribe(Noted, grouped, group="g")
            await each.plugin.ready()

        async with anyio.create_task_group() as tasks:
            for number, each in enumerate(instances):
                tasks.start_soon(each.publish, *range(number * 10, number * 10 + 10))

        for heard in everywhere:
            assert sorted(await heard.wait_for(20)) == list(range(20))
        assert sorted(await grouped.wait_for(20)) == list(range(20))


async def test_an_event_goes_out_if_and_only_if_its_transaction_commits(instance: Instance) -> None:
    heard = Heard()
    instance.plugin.subscribe(Noted, heard)
    await instance.plugin.ready()

    with pytest.raises(RuntimeError, match="changed my mind"):
        async with instance.db.transaction() as tx:
            await instance.plugin.publish(Noted(number=1), tx=tx)
            raise RuntimeError("changed my mind")
    async with instance.db.transaction() as tx:
        await instance.plugin.publish(Noted(number=2), tx=tx)
        await anyio.wait_all_tasks_blocked()
        assert heard.numbers == []

    assert await heard.wait_for(1) == [2]


async def test_what_nobody_hears_is_passed_over_and_later_subscribers_hear_what_comes_then(instance: Instance) -> None:
    await instance.publish(1, 2)
    with anyio.fail_after(SECONDS):
        while (await instance.service.health()).waiting:
            await anyio.lowlevel.checkpoint()

    heard = Heard()
    instance.plugin.subscribe(Noted, heard)
    await instance.plugin.ready()
    await instance.publish(3)

    assert await heard.wait_for(1) == [3]


async def test_a_handler_gets_one_event_at_a_time(instance: Instance) -> None:
    busy = 0
    numbers: list[int] = []
    done = anyio.Event()

    async def handle(event: Noted) -> None:
        nonlocal busy
        busy += 1
        assert busy == 1
        await anyio.lowlevel.checkpoint()
        busy -= 1
        numbers.append(event.number)
        if len(numbers) == 10:
            done.set()

    instance.plugin.subscribe(Noted, handle)
    await instance.plugin.ready()
    await instance.publish(*range(10))

    with anyio.fail_after(SECONDS):
        await done.wait()
    assert numbers == list(range(10))


async def test_an_event_whose_handler_failed_comes_again_before_the_next(
    instance: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    heard.errors = [ValueError("no luck"), ValueError("no luck")]
    instance.plugin.subscribe(Noted, heard)
    await instance.plugin.ready()

    await instance.publish(1, 2)

    assert await heard.wait_for(2) == [1, 2]
    assert sum(bool(record.exc_info) for record in caplog.records) == 1


async def test_an_event_that_always_fails_is_given_up_and_the_next_ones_follow(
    instance: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    heard.errors = [ValueError("poison") for _ in range(TRIES)]
    instance.plugin.subscribe(Noted, heard, group="g")

    await instance.publish(1, 2)

    assert await heard.wait_for(1) == [2]
    health = (await instance.service.health()).subscriptions[0]
    assert (health.failures, health.given_up) == (TRIES, 1)
    assert "given up" in caplog.text


async def test_a_handler_that_needs_something_that_is_away_is_called_until_it_is_back(instance: Instance) -> None:
    heard = Heard()
    heard.errors = [Unavailable("the index is away") for _ in range(TRIES * 3)]
    instance.plugin.subscribe(Noted, heard)
    await instance.plugin.ready()

    await instance.publish(1)

    assert await heard.wait_for(1) == [1]
    assert (await instance.service.health()).subscriptions[0].given_up == 0


async def test_a_handler_that_hangs_is_given_up_too(sqlite_url: str) -> None:
    heard: list[int] = []
    done = anyio.Event()

    async def handle(event: Noted) -> None:
        if event.number == 1:
            await anyio.sleep_forever()
        heard.append(event.number)
        done.set()

    async with running(sqlite_url, "memory://", sleep=no_pause, handler_seconds=0.005) as instance:
        instance.plugin.subscribe(Noted, handle)
        await instance.plugin.ready()
        await instance.publish(1, 2)
        with anyio.fail_after(SECONDS):
            await done.wait()

    assert heard == [2]


async def test_an_older_reader_ignores_fields_it_does_not_know(instance: Instance) -> None:
    class Newer(Noted):
        extra: str = "new"

    heard = Heard()
    instance.plugin.subscribe(Noted, heard)
    await instance.plugin.ready()

    await instance.plugin.publish(Newer(number=1))

    assert await heard.wait_for(1) == [1]


async def test_an_event_that_does_not_fit_its_type_is_skipped_and_counted_without_its_values_in_the_log(
    instance: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Event):
        event_type: ClassVar[str] = Noted.event_type
        number: str

        @property
        def subject(self) -> str:
            return "subject"

        def event_id(self) -> str:
            return "broken"

    heard = Heard()
    instance.plugin.subscribe(Noted, heard)
    await instance.plugin.ready()

    await instance.plugin.publish(Broken(number="s3cret"))
    await instance.publish(2)

    assert await heard.wait_for(1) == [2]
    assert (await instance.service.health()).subscriptions[0].undecodable == 1
    assert "does not fit" in caplog.text
    assert not any("s3cret" in str(record.__dict__) for record in caplog.records)


async def test_a_closed_plugin_hears_nothing_more_and_the_others_do(instance: Instance) -> None:
    closed, staying = Heard(), Heard()
    async with instance.service.for_plugin("closed") as plugin:
        plugin.subscribe(Noted, closed)
        await plugin.ready()
    instance.plugin.subscribe(Noted, staying)
    await instance.plugin.ready()

    await instance.publish(1)

    assert await staying.wait_for(1) == [1]
    assert closed.numbers == []
    assert [each.name for each in (await instance.service.health()).subscriptions] == ["plugin/test.noted/1"]


async def test_one_plugins_group_does_not_take_events_from_anothers_of_that_name(instance: Instance) -> None:
    one, other, typed = Heard(), Heard(), Heard()
    instance.plugin.subscribe(Noted, one, group="index")
    instance.plugin.subscribe(Other, typed, group="index")
    instance.service.for_plugin("second").subscribe(Noted, other, group="index")

    await instance.publish(1)
    await instance.plugin.publish(Other(number=2))

    assert await one.wait_for(1) == await other.wait_for(1) == [1]
    assert await typed.wait_for(1) == [2]


async def test_a_second_subscription_of_one_group_in_one_plugin_is_refused(instance: Instance) -> None:
    instance.plugin.subscribe(Noted, Heard(), group="g")

    with pytest.raises(ValueError, match="subscribed already"):
        instance.plugin.subscribe(Noted, Heard(), group="g")


async def test_a_plugins_events_are_the_service_that_plugins_are_promised(instance: Instance) -> None:
    promised: Events = instance.plugin

    assert isinstance(promised, PluginEvents)


async def test_an_instance_hears_what_another_process_wrote_into_its_file(sqlite_url: str) -> None:
    """The command line ingests beside a running server."""
    heard, grouped = Heard(), Heard()
    async with running(sqlite_url, "memory://") as server:
        server.plugin.subscribe(Noted, heard)
        server.plugin.subscribe(Noted, grouped, group="g")
        await server.plugin.ready()

        assert await anyio.to_thread.run_sync(run, _WRITES, sqlite_url, "memory://") == 0

        assert await heard.wait_for(50) == list(range(50))
        assert await grouped.wait_for(50) == list(range(50))


async def test_trimming_keeps_what_a_group_has_not_seen(sqlite_url: str) -> None:
    async with running(sqlite_url, "memory://", retention_hours=1) as instance:
        heard = Heard()
        instance.plugin.subscribe(Noted, heard, group="g")
        await instance.plugin.ready()
        await instance.plugin.close()
        await instance.publish(1)
        await age(instance.db, timedelta(hours=2))

        await instance.service.trim()
        assert await count(instance.db) == 1

        await age(instance.db, timedelta(days=31))
        await instance.service.trim()
        assert await count(instance.db) == 0


async def age(db: Database, by: timedelta) -> None:
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE outbox SET time_us = time_us - :us"), {"us": by // timedelta(microseconds=1)})


async def count(db: Database) -> int:
    async with db.reading() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM outbox"))).scalar_one())


PROGRAM = """
import os, signal, sys
import anyio
from mcp_gateway.tests.test_events import Noted, running

async def die(event=None):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with running(sys.argv[1], sys.argv[2]) as instance:
{body}

anyio.run(main)
"""

_WRITES = PROGRAM.format(body="        await instance.publish(*range(50))")


def run(program: str, *arguments: str) -> int:
    """Run a Python program; its exit code."""
    return subprocess.run([sys.executable, "-c", program, *arguments], check=False, timeout=60).returncode
