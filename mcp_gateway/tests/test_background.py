"""Supervised background jobs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from mcp_gateway.background import LONGEST_PAUSE_SECONDS, BackgroundJobs, JobHealth, pause_seconds

pytestmark = pytest.mark.anyio

SECONDS = 10


class Time:
    """A clock that goes on only when somebody sleeps, and remembers the pauses."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds
        await anyio.lowlevel.checkpoint()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def background(time: Time) -> AsyncIterator[BackgroundJobs]:
    with anyio.fail_after(SECONDS):
        async with BackgroundJobs(time, sleep=time.sleep, stop_seconds=0.2) as background:
            yield background


def health_of(background: BackgroundJobs, name: str) -> JobHealth:
    return next(job for job in background.health() if job.name == name)


class Fails:
    """A job that fails so many times, then runs on."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.runs = anyio.Event()

    async def __call__(self) -> None:
        if self.left:
            self.left -= 1
            raise ValueError("no luck")
        self.runs.set()
        await anyio.sleep_forever()


async def test_a_job_runs_until_it_returns(background: BackgroundJobs, time: Time) -> None:
    ran = anyio.Event()

    async def job() -> None:
        ran.set()

    background.for_plugin("p").start(job, name="once")
    await ran.wait()
    await anyio.wait_all_tasks_blocked()

    assert health_of(background, "p/once") == JobHealth("p/once", "done", time.now(), 0, None)


async def test_a_failing_job_is_started_again_after_pauses_that_double_up_to_a_minute(
    background: BackgroundJobs, time: Time
) -> None:
    job = Fails(9)

    background.for_plugin("p").start(job, name="shaky")
    await job.runs.wait()

    assert time.pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_a_repeated_failure_is_logged_with_its_traceback_once(
    background: BackgroundJobs, caplog: pytest.LogCaptureFixture
) -> None:
    job = Fails(3)

    background.for_plugin("p").start(job, name="shaky")
    await job.runs.wait()

    assert [(record.levelname, bool(record.exc_info)) for record in caplog.records] == [
        ("ERROR", True),
        ("WARNING", False),
        ("WARNING", False),
    ]
    assert "no luck" in caplog.text


async def test_health_shows_failures_without_their_text_and_forgives_a_job_that_runs_again(
    background: BackgroundJobs, time: Time
) -> None:
    job = Fails(2)

    background.for_plugin("p").start(job, name="shaky")
    await job.runs.wait()

    health = health_of(background, "p/shaky")
    assert (health.state, health.failures, health.last_error, health.is_well) == ("running", 2, "ValueError", False)
    time.seconds += LONGEST_PAUSE_SECONDS
    assert health_of(background, "p/shaky").is_well


async def test_pauses_begin_anew_for_a_job_that_had_run_for_long(background: BackgroundJobs, time: Time) -> None:
    runs = 0
    enough = anyio.Event()

    async def job() -> None:
        nonlocal runs
        runs += 1
        if runs == 4:
            enough.set()
            await anyio.sleep_forever()
        time.seconds += 3600 if runs == 3 else 0
        raise ValueError

    background.for_plugin("p").start(job, name="long")
    await enough.wait()

    assert time.pauses == [1, 2, 1]


async def test_a_periodic_job_runs_again_so_many_seconds_after_it_ended(background: BackgroundJobs, time: Time) -> None:
    begun: list[float] = []
    enough = anyio.Event()

    async def job() -> None:
        begun.append(time.seconds)
        time.seconds += 5
        if len(begun) == 3:
            enough.set()
            await anyio.sleep_forever()

    background.for_plugin("p").every(60, job, name="tick")
    await enough.wait()

    assert begun == [0, 65, 130]


async def test_a_periodic_job_that_failed_is_tried_again_sooner(background: BackgroundJobs, time: Time) -> None:
    turns = 0
    enough = anyio.Event()

    async def job() -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            raise ValueError
        if turns == 3:
            enough.set()
            await anyio.sleep_forever()

    background.for_plugin("p").every(3600, job, name="tick")
    await enough.wait()

    assert time.pauses == [1, 3600]


async def test_a_cancellation_that_nobody_ordered_counts_as_a_failure(background: BackgroundJobs) -> None:
    """A job that awaits something which was cancelled elsewhere is not over by that."""
    turns = 0
    again = anyio.Event()

    async def job() -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            raise asyncio.CancelledError
        again.set()
        await anyio.sleep_forever()

    background.for_plugin("p").start(job, name="odd")
    await again.wait()

    assert health_of(background, "p/odd").last_error == "CancelledError"


async def test_a_failing_job_does_not_touch_the_others(background: BackgroundJobs) -> None:
    steady, shaky = Fails(0), Fails(5)
    jobs = background.for_plugin("p")
    jobs.start(steady, name="steady")
    jobs.start(shaky, name="shaky")

    await shaky.runs.wait()

    assert health_of(background, "p/steady").is_well


async def test_closing_a_plugin_ends_its_jobs_after_their_clean_up_and_no_others(background: BackgroundJobs) -> None:
    cleaned_up: list[str] = []

    async def job() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
                cleaned_up.append("one")

    other = Fails(0)
    background.for_plugin("two").start(other, name="other")
    async with background.for_plugin("one") as one:
        one.start(job, name="job")
        await anyio.wait_all_tasks_blocked()

    assert cleaned_up == ["one"]
    assert [job.name for job in background.health()] == ["two/other"]
    assert health_of(background, "two/other").state == "running"


async def test_leaving_ends_all_jobs(time: Time) -> None:
    ended = anyio.Event()

    async def job() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async with BackgroundJobs(time, sleep=time.sleep) as background:
        background.for_plugin("p").start(job, name="job")
        await anyio.wait_all_tasks_blocked()

    assert ended.is_set()


async def test_a_job_that_ignores_cancellation_is_named_and_left_behind(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    release = anyio.Event()
    gone = anyio.Event()

    async def job() -> None:
        with anyio.CancelScope(shield=True):
            await release.wait()
        gone.set()

    with anyio.fail_after(SECONDS):
        async with BackgroundJobs(time, sleep=time.sleep, stop_seconds=0.05) as background:
            async with background.for_plugin("p") as jobs:
                jobs.start(job, name="deaf")
                await anyio.wait_all_tasks_blocked()
            assert not gone.is_set()

        assert [(r.levelno, r.__dict__["job"]) for r in caplog.records] == [(logging.ERROR, "p/deaf")]
        release.set()
        await gone.wait()


async def test_two_jobs_of_one_name_are_refused(background: BackgroundJobs) -> None:
    jobs = background.for_plugin("p")
    jobs.start(anyio.sleep_forever, name="job")

    with pytest.raises(ValueError, match="p/job"):
        jobs.start(anyio.sleep_forever, name="job")


async def test_many_jobs_that_have_ended_are_not_remembered_for_ever(background: BackgroundJobs) -> None:
    async def job() -> None: ...

    jobs = background.for_plugin("p")
    for number in range(200):
        jobs.start(job, name=str(number))
        await anyio.wait_all_tasks_blocked()

    assert len(background.health()) < 30


@pytest.mark.parametrize(("failures", "seconds"), [(1, 1), (2, 2), (6, 32), (7, 60), (10_000, 60)])
def test_pauses_double_and_stay_below_the_longest(failures: int, seconds: float) -> None:
    assert pause_seconds(failures, first=1, longest=60) == seconds
