"""What is particular to each event bus: limits, restarts, take-overs. test_bus.py has what they share."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import anyio
import pytest

from mcp_gateway.bus.cloudevents import encode
from mcp_gateway.bus.memory import MemoryBus
from mcp_gateway.bus.open import open_bus
from mcp_gateway.bus.redis_streams import RedisBus, _Member, connect
from mcp_gateway.clock import SystemClock
from mcp_gateway.errors import Unavailable
from mcp_gateway.tests.kafka_cluster import KafkaCluster, kafka_cluster
from mcp_gateway.tests.servers import RedisServer
from mcp_gateway.tests.test_bus import SECONDS, event, take

__all__ = ["kafka_cluster"]

pytestmark = pytest.mark.anyio

topics = itertools.count()


# --- In memory


async def test_publishing_in_memory_waits_for_a_subscriber_that_is_behind() -> None:
    bus = MemoryBus(capacity=3)
    published: list[int] = []

    async def publish() -> None:
        for number in range(6):
            await bus.publish([event(number)])
            published.append(number)

    async with bus.subscribe([]) as subscription, anyio.create_task_group() as tasks:
        tasks.start_soon(publish)
        await anyio.wait_all_tasks_blocked()
        assert published == [0, 1, 2]

        assert await take(subscription, 6) == [0, 1, 2, 3, 4, 5]


async def test_a_subscriber_that_leaves_frees_a_publisher_that_waits_for_it() -> None:
    bus = MemoryBus(capacity=1)

    with anyio.fail_after(SECONDS):
        async with anyio.create_task_group() as tasks, bus.subscribe([]):
            tasks.start_soon(bus.publish, [event(1), event(2), event(3)])
            await anyio.wait_all_tasks_blocked()


async def test_a_group_in_memory_without_subscribers_keeps_the_newest_events() -> None:
    bus = MemoryBus(capacity=2)
    async with bus.subscribe([], group="g"):
        pass

    await bus.publish([event(n) for n in range(5)])

    async with bus.subscribe([], group="g") as member:
        assert await take(member, 2) == [3, 4]


# --- Kafka


@pytest.mark.parametrize("group", [None, "g"])
async def test_a_subscriber_goes_on_when_kafka_is_back(kafka_cluster: KafkaCluster, group: str | None) -> None:
    url = f"kafka://{kafka_cluster.brokers}/backends-{next(topics)}"
    async with open_bus(url, clock=SystemClock()) as bus, bus.subscribe([], group=group) as subscription:
        await bus.publish([event(1)])
        assert await take(subscription, 1) == [1]

        with kafka_cluster.away(), anyio.move_on_after(0.2):
            await bus.publish([event(2)])
        await bus.publish([event(2), event(3)])

        seen = await take(subscription, 2)
        while seen[-1] != 3:
            seen += await take(subscription, 1)
        assert seen in ([2, 3], [2, 2, 3])


async def test_an_event_that_kafka_will_never_take_does_not_hold_up_the_others(
    kafka_cluster: KafkaCluster, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"kafka://{kafka_cluster.brokers}/backends-{next(topics)}"
    huge = replace(event(1), data={"number": 1, "text": "x" * 2_000_000})
    async with open_bus(url, clock=SystemClock()) as bus, bus.subscribe([]) as subscription:
        await bus.publish([huge, event(2)])

        assert await take(subscription, 1) == [2]
    assert "too large" in caplog.text


# --- Redis


@pytest.fixture
async def redis_pair(own_redis_server: RedisServer) -> AsyncIterator[tuple[RedisServer, RedisBus]]:
    async with connect(own_redis_server.url) as client:
        yield own_redis_server, RedisBus(client, SystemClock(), lease_seconds=0.3)


@pytest.mark.parametrize("group", [None, "g"])
async def test_a_subscriber_goes_on_after_a_restart_of_redis(
    redis_pair: tuple[RedisServer, RedisBus], group: str | None
) -> None:
    server, bus = redis_pair
    async with bus.subscribe([], group=group) as subscription:
        await bus.publish([event(1)])
        assert await take(subscription, 1) == [1]

        server.stop()
        with pytest.raises(Unavailable):
            await bus.publish([event(2)])
        server.start()
        await bus.publish([event(2)])

        assert await take(subscription, 1) == [2]


async def test_a_group_is_made_again_when_redis_has_lost_it(redis_pair: tuple[RedisServer, RedisBus]) -> None:
    _, bus = redis_pair
    async with bus.subscribe([], group="g") as member:
        await bus.publish([event(1)])
        assert await take(member, 1) == [1]

        await bus.client.flushall()
        await bus.publish([event(2)])

        assert await take(member, 1) == [2]


async def test_a_member_takes_over_from_one_that_died_when_its_lease_ends(
    redis_pair: tuple[RedisServer, RedisBus],
) -> None:
    server, bus = redis_pair
    async with connect(server.url) as dead_client, bus.subscribe([], group="g") as survivor:
        dead = RedisBus(dead_client, SystemClock(), lease_seconds=0.3)
        await bus.publish([event(1), event(2)])
        # As a killed process does: it has received, and then neither acknowledges nor renews nor releases.
        assert [each.data["number"] for each in await _Member(dead, frozenset(), "g").receive()] == [1, 2]
        assert await take(survivor, 2) == [1, 2]


async def test_a_member_that_lost_its_lease_acknowledges_nothing_of_its_successor(
    redis_pair: tuple[RedisServer, RedisBus],
) -> None:
    _, bus = redis_pair
    await bus.publish([event(1)])
    async with bus.subscribe([], group="g") as suspended:
        with anyio.fail_after(SECONDS):
            await suspended.receive()
        await bus.client.set(f"{bus.stream}:g:holder", "somebody else", px=60_000)
        await suspended.acknowledge()
        await bus.client.delete(f"{bus.stream}:g:holder")

    async with bus.subscribe([], group="g") as successor:
        assert await take(successor, 1) == [1]


async def test_redis_forgets_old_events_and_what_is_not_an_event_is_skipped(redis_url: str) -> None:
    async with connect(redis_url) as client:
        bus = RedisBus(client, SystemClock(), retention_hours=1)
        two_hours_ago = int((datetime.now(UTC).timestamp() - 7200) * 1000)
        async with client.pipeline() as pipeline:  # more than one node of the stream: it is trimmed by nodes
            for number in range(1000):
                pipeline.xadd(bus.stream, {"event": encode(event(number))}, id=f"{two_hours_ago}-{number + 1}")
            await pipeline.execute()
        await client.xadd(bus.stream, {"event": b"rubbish"})
        await bus.publish([event(1000)])

        async with bus.subscribe([], group="g") as member:
            seen = await take(member, 1)
            while seen[-1] != 1000:
                seen += await take(member, 1)

        assert len(seen) < 200
