"""No event is lost when a backend is away or a process is killed."""

from __future__ import annotations

import signal

import anyio
import pytest

from mcp_gateway.tests.buses import bus_that_goes_away
from mcp_gateway.tests.kafka_cluster import kafka_cluster
from mcp_gateway.tests.test_events import PROGRAM, SECONDS, Heard, bus_url, run, running
from mcp_gateway.tests.test_outbox import Noted

__all__ = ["bus_url", "kafka_cluster"]

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("backend", ["redis", "kafka"])
async def test_events_published_while_the_backend_is_away_are_delivered_when_it_is_back(
    sqlite_url: str, backend: str, request: pytest.FixtureRequest
) -> None:
    url, away = bus_that_goes_away(backend, "events-away", request)
    heard = Heard()
    async with running(sqlite_url, url) as instance:
        instance.plugin.subscribe(Noted, heard, group="g")
        await instance.plugin.ready()
        await instance.publish(1)
        await heard.wait_for(1)

        async with away():
            await instance.publish(2, 3)
            with anyio.fail_after(SECONDS):
                while (health := await instance.service.health()).bus_answers:  # noqa: ASYNC110 - health is polled
                    await anyio.sleep(0.01)
            assert health.waiting == 2
            assert not health.is_well

        numbers = await heard.wait_for(3)
        while set(numbers) != {1, 2, 3}:
            numbers = await heard.wait_for(len(numbers) + 1)
        with anyio.fail_after(SECONDS):
            while (health := await instance.service.health()).waiting:  # noqa: ASYNC110 - health is polled
                await anyio.sleep(0.01)
        assert health.bus_answers


async def test_an_event_committed_by_a_process_that_was_killed_before_publishing_is_delivered(
    sqlite_url: str, bus_url: str
) -> None:
    assert await anyio.to_thread.run_sync(run, _COMMITS_AND_DIES, sqlite_url, bus_url) == -signal.SIGKILL

    heard = Heard()
    async with running(sqlite_url, bus_url) as instance:
        instance.plugin.subscribe(Noted, heard, group="g")
        assert await heard.wait_for(1) == [7]


async def test_a_group_gets_the_event_again_whose_handlers_process_was_killed(sqlite_url: str, bus_url: str) -> None:
    assert await anyio.to_thread.run_sync(run, _DIES_HANDLING, sqlite_url, bus_url) == -signal.SIGKILL

    heard = Heard()
    async with running(sqlite_url, bus_url) as instance:
        instance.plugin.subscribe(Noted, heard, group="g")
        assert await heard.wait_for(1) == [7]


_DIES_HANDLING = PROGRAM.format(
    body="""
        instance.plugin.subscribe(Noted, die, group="g")
        await instance.publish(7)
        await anyio.sleep_forever()
"""
)
# The relay never runs: the process dies in the moment of the commit.
_COMMITS_AND_DIES = PROGRAM.format(
    body="""
        async with instance.db.transaction() as tx:
            await instance.plugin.publish(Noted(number=7), tx=tx)
            await tx.commit()
            await die()
"""
)
