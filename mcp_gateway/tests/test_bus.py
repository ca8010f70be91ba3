"""The contract of every event bus, on each backend, and what is particular to one of them."""

from __future__ import annotations

import builtins
import itertools
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from anyio.abc import TaskStatus

from mcp_gateway.bus.bus import Bus, Envelope, Subscription
from mcp_gateway.bus.open import open_bus
from mcp_gateway.clock import SystemClock
from mcp_gateway.errors import SettingsError, Unavailable
from mcp_gateway.tests.kafka_cluster import kafka_cluster

__all__ = ["kafka_cluster"]

pytestmark = pytest.mark.anyio

FILM, OFFER = "media.title.changed", "media.availability.changed"
SECONDS = 20


def event(number: int, *, type: str = FILM, subject: str = "tt1") -> Envelope:  # noqa: A002 - as in CloudEvents
    return Envelope(
        id=f"{subject}:{number}",
        type=type,
        source="urn:test",
        subject=subject,
        time=datetime(2026, 1, 1, tzinfo=UTC),
        data={"number": number},
    )


async def take(subscription: Subscription, count: int) -> list[int]:
    """Receive so many events, acknowledging each batch; their numbers."""
    numbers: list[int] = []
    with anyio.fail_after(SECONDS):
        while len(numbers) < count:
            numbers += [each.data["number"] for each in await subscription.receive()]
            await subscription.acknowledge()
    return numbers


topics = itertools.count()


@pytest.fixture(params=["memory", "redis", "kafka"])
def bus_url(request: pytest.FixtureRequest) -> str:
    match request.param:
        case "redis":
            return str(request.getfixturevalue("redis_url"))
        case "kafka":
            return f"kafka://{request.getfixturevalue('kafka_cluster').brokers}/events-{next(topics)}"
        case _:
            return "memory://"


@pytest.fixture
async def bus(bus_url: str) -> AsyncIterator[Bus]:
    async with open_bus(bus_url, clock=SystemClock(), lease_seconds=0.6) as bus:
        yield bus


async def test_every_subscriber_gets_every_event_published_after_it_subscribed(bus: Bus) -> None:
    await bus.publish([event(0)])

    async with bus.subscribe([]) as one, bus.subscribe([]) as other:
        await bus.publish([event(1), event(2)])
        await bus.publish([event(3)])

        assert await take(one, 3) == [1, 2, 3]
        assert await take(other, 3) == [1, 2, 3]


async def test_an_event_arrives_as_it_was_published(bus: Bus) -> None:
    sent = Envelope("1", FILM, "urn:test", "tt1/Amélie", datetime.now(UTC), {"née": [1, None, {"a": 0.5}]})

    async with bus.subscribe([FILM]) as subscription:
        await bus.publish([sent])

        with anyio.fail_after(SECONDS):
            assert list(await subscription.receive()) == [sent]


async def test_a_subscriber_hears_only_the_types_it_asked_for(bus: Bus) -> None:
    async with bus.subscribe([OFFER]) as subscription, bus.subscribe([OFFER], group="g") as member:
        await bus.publish([event(1), event(2, type=OFFER), event(3), event(4, type=OFFER)])

        assert await take(subscription, 2) == [2, 4]
        assert await take(member, 2) == [2, 4]


async def test_events_of_one_subject_keep_their_order(bus: Bus) -> None:
    subjects = [f"tt{number}" for number in range(5)]
    async with bus.subscribe([]) as subscription, bus.subscribe([], group="g") as member:
        for start in range(0, 200, 40):
            await bus.publish([event(n, subject=subjects[n % 5]) for n in range(start, start + 40)])

        for numbers in (await take(subscription, 200), await take(member, 200)):
            assert sorted(numbers) == list(range(200))
            for rest in range(5):
                of_one = [number for number in numbers if number % 5 == rest]
                assert of_one == sorted(of_one)


async def test_receive_returns_no_more_than_it_was_asked_for(bus: Bus) -> None:
    async with bus.subscribe([]) as subscription:
        await bus.publish([event(n) for n in range(5)])

        with anyio.fail_after(SECONDS):
            assert len(await subscription.receive(2)) <= 2


async def test_a_group_gets_each_event_once_and_those_of_a_subject_one_after_the_other(bus: Bus) -> None:
    heard: list[int] = []
    busy: set[str] = set()
    done = anyio.Event()

    async def listen(*, task_status: TaskStatus[None]) -> None:
        async with bus.subscribe([], group="g") as member:
            task_status.started()
            while True:
                events = await member.receive(4)
                subjects = {each.subject for each in events}
                assert not busy & subjects, "two members are at work on one subject"
                busy.update(subjects)
                await anyio.sleep(0.01)
                busy.difference_update(subjects)
                heard.extend(each.data["number"] for each in events)
                await member.acknowledge()
                if len(heard) >= 60:
                    done.set()

    with anyio.fail_after(SECONDS):
        async with anyio.create_task_group() as tasks:
            await tasks.start(listen)
            await tasks.start(listen)
            await bus.publish([event(n, subject=f"tt{n % 3}") for n in range(60)])
            await done.wait()
            tasks.cancel_scope.cancel()

    assert sorted(heard) == list(range(60))


async def test_what_a_member_did_not_acknowledge_comes_again_to_the_next(bus: Bus) -> None:
    async with bus.subscribe([], group="g") as first:
        await bus.publish([event(1), event(2)])
        assert await take(first, 2) == [1, 2]
        await bus.publish([event(3), event(4)])
        with anyio.fail_after(SECONDS):
            await first.receive()

    async with bus.subscribe([], group="g") as second:
        assert await take(second, 2) == [3, 4]


async def test_a_group_finds_what_was_published_while_nobody_of_it_was_there(bus: Bus) -> None:
    async with bus.subscribe([], group="g") as member:
        await bus.publish([event(1)])
        assert await take(member, 1) == [1]

    await bus.publish([event(2)])

    async with bus.subscribe([], group="g") as member:
        assert await take(member, 1) == [2]


async def test_groups_do_not_take_events_from_one_another(bus: Bus) -> None:
    async with bus.subscribe([], group="a") as one, bus.subscribe([], group="b") as other:
        await bus.publish([event(1)])

        assert await take(one, 1) == [1]
        assert await take(other, 1) == [1]


async def test_receiving_can_be_cancelled_and_goes_on_afterwards(bus: Bus) -> None:
    async with bus.subscribe([]) as subscription:
        with anyio.move_on_after(0.05):
            await subscription.receive()
        await bus.publish([event(1)])

        assert await take(subscription, 1) == [1]


async def test_a_bus_that_is_there_answers(bus: Bus) -> None:
    await bus.ping()


async def test_publishing_nothing_is_fine(bus: Bus) -> None:
    await bus.publish([])


# --- Opening


@pytest.mark.parametrize(
    "url",
    ["", "amqp://guest:s3cret@host", "redis", "kafka://", "redis://:s3cret@host:port", "http://[", "kafka://u:s3cret@"],
)
async def test_an_unusable_url_is_refused_with_what_is_allowed_and_without_its_secrets(url: str) -> None:
    with pytest.raises(SettingsError, match=r"events\.url.*kafka://") as refused:
        async with open_bus(url, clock=SystemClock()):
            pass

    assert "s3cret" not in str(refused.value)


async def test_without_its_driver_kafka_is_refused_with_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_aiokafka(name: str, *rest: Any) -> Any:
        if name.startswith("aiokafka"):
            raise ImportError(name)
        return real_import(name, *rest)

    monkeypatch.delitem(sys.modules, "mcp_gateway.bus.kafka", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_aiokafka)

    with pytest.raises(SettingsError, match=r"media-gateway\[kafka\]"):
        async with open_bus("kafka://host:9092", clock=SystemClock()):
            pass


@pytest.mark.parametrize("scheme", ["redis", "kafka"])
async def test_a_backend_that_is_away_is_reported_without_the_urls_secrets(scheme: str, free_tcp_port: int) -> None:
    account = ":s3cret@" if scheme == "redis" else ""
    async with open_bus(f"{scheme}://{account}127.0.0.1:{free_tcp_port}", clock=SystemClock()) as bus:
        for attempt in (bus.publish([event(1)]), bus.ping(), _enter(bus)):
            with pytest.raises(Unavailable) as failed:
                await attempt
            assert "s3cret" not in str(failed.value)


async def _enter(bus: Bus) -> None:
    async with bus.subscribe([]):
        pass
