"""Supervised background jobs: what fails is logged and started again, and health shows how each one does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Literal, Self

import anyio
from anyio.abc import TaskGroup

from mcp_gateway.clock import Clock

log = logging.getLogger(__name__)

Job = Callable[[], Awaitable[None]]
Sleep = Callable[[float], Awaitable[None]]
JobState = Literal["running", "waiting", "retrying", "done", "stopping"]

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
ENDED_JOBS_SHOWN = 20


def pause_seconds(failures: int, *, first: float, longest: float) -> float:
    """How long to wait before the next try: `first` after one failure, twice as long after each more."""
    return min(first * 2.0 ** min(failures - 1, 30), longest)


@dataclass(frozen=True, slots=True)
class JobHealth:
    """How a job does.

    Attributes:
        name: `plugin/job`.
        state: `waiting` is for its next turn, `retrying` after a failure, `stopping` although it should be over.
        last_success_at: When it last ended well; None before that.
        failures: Failures since it last ended well, or ran for as long as the longest pause.
        last_error: The class of the last failure; its text may quote secrets and is only in the log.
    """

    name: str
    state: JobState
    last_success_at: datetime | None
    failures: int
    last_error: str | None

    @property
    def is_well(self) -> bool:
        """Whether it neither keeps failing nor refuses to end."""
        return self.failures == 0 and self.state != "stopping"


class BackgroundJobs:
    """Runs the jobs of all plugins while its context is open.

    Leaving cancels them and waits at most `stop_seconds`: a job that ignores cancellation is named in the log and
    left behind.
    """

    def __init__(self, clock: Clock, *, sleep: Sleep = anyio.sleep, stop_seconds: float = 5) -> None:
        self.clock = clock
        self.sleep = sleep
        self.stop_seconds = stop_seconds
        self._plugins: list[PluginJobs] = []
        self._tasks: TaskGroup | None = None
        self._host: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        # A task group waits for its tasks however long that takes, and nothing in anyio can leave one behind. So the
        # group lives in a task of its own, and leaving waits for that one with a limit.
        started = anyio.Event()
        self._host = asyncio.get_running_loop().create_task(self._run(started), name="background jobs")
        await started.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for plugin in self._plugins:
            plugin.cancel()
        if self._tasks is not None and self._host is not None:
            self._tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait({self._host}, timeout=self.stop_seconds)
        for plugin in self._plugins:
            plugin.report_stuck()

    def for_plugin(self, name: str) -> PluginJobs:
        """The jobs of one plugin."""
        if self._tasks is None:
            raise RuntimeError("enter the context first")
        jobs = PluginJobs(name, self, self._tasks)
        self._plugins.append(jobs)
        return jobs

    def forget(self, jobs: PluginJobs) -> None:
        """The plugin is over: show its jobs no longer."""
        if jobs in self._plugins:
            self._plugins.remove(jobs)

    def health(self) -> list[JobHealth]:
        """Every job of every plugin, by name."""
        return sorted((health for plugin in self._plugins for health in plugin.health()), key=lambda job: job.name)

    async def _run(self, started: anyio.Event) -> None:
        async with anyio.create_task_group() as self._tasks:
            started.set()
            await anyio.sleep_forever()


class PluginJobs:
    """One plugin's jobs; implements `services.Background`. They end when its context is left or `close()` is called."""

    def __init__(self, plugin: str, background: BackgroundJobs, tasks: TaskGroup) -> None:
        self._plugin = plugin
        self._background = background
        self._tasks = tasks
        self._jobs: list[_Supervised] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def start(self, job: Job, *, name: str) -> None:
        """Run a job until it returns or the plugin stops. Started again when it raises."""
        self._add(_Supervised(f"{self._plugin}/{name}", job, self._background, every_seconds=None))

    def every(self, seconds: float, job: Job, *, name: str) -> None:
        """Run a job now and then: `seconds` after it last ended."""
        self._add(_Supervised(f"{self._plugin}/{name}", job, self._background, every_seconds=seconds))

    def cancel(self) -> None:
        """Tell the jobs to end, without waiting."""
        for job in self._jobs:
            job.stop()

    async def close(self) -> None:
        """End the jobs; waits for their clean-up, `stop_seconds` at most."""
        self.cancel()
        with anyio.move_on_after(self._background.stop_seconds, shield=True):
            for job in self._jobs:
                await job.ended.wait()
        self.report_stuck()
        self._background.forget(self)

    def report_stuck(self) -> None:
        """Name the jobs in the log that did not end."""
        for job in self._jobs:
            if not job.ended.is_set():
                log.error("background job ignores that it was cancelled, left behind", extra={"job": job.name})

    def health(self) -> list[JobHealth]:
        """Each job that has not ended, and the latest that have."""
        return [job.health() for job in self._jobs]

    def _add(self, job: _Supervised) -> None:
        if any(other.name == job.name and not other.ended.is_set() for other in self._jobs):
            raise ValueError(f"a background job {job.name!r} is running already")
        ended = [other for other in self._jobs if other.ended.is_set() and other.name != job.name]
        running = [other for other in self._jobs if not other.ended.is_set()]
        self._jobs = [*ended[-ENDED_JOBS_SHOWN:], *running, job]
        self._tasks.start_soon(job.run, name=job.name)


@dataclass(slots=True)
class _Supervised:
    name: str
    job: Job
    background: BackgroundJobs
    every_seconds: float | None
    state: JobState = "running"
    last_success_at: datetime | None = None
    failures: int = 0
    last_error: str | None = None
    begun: float = 0
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> None:
        try:
            with self.scope:
                await self._supervise()
        finally:
            self.state = "done"
            self.ended.set()

    def stop(self) -> None:
        if not self.ended.is_set():
            self.state = "stopping"
            self.scope.cancel()

    def health(self) -> JobHealth:
        failures = 0 if self.state == "running" and self._ran_long() else self.failures
        return JobHealth(self.name, self.state, self.last_success_at, failures, self.last_error)

    async def _supervise(self) -> None:
        while True:
            if not await self._succeeds():
                pause = pause_seconds(self.failures, first=FIRST_PAUSE_SECONDS, longest=LONGEST_PAUSE_SECONDS)
                await self._pause("retrying", pause)
            elif self.every_seconds is not None:
                await self._pause("waiting", self.every_seconds)
            else:
                return

    async def _succeeds(self) -> bool:
        self.state, self.begun = "running", self.background.clock.monotonic()
        try:
            await self.job()
        except Exception as error:
            self._note(error)
            return False
        except asyncio.CancelledError as error:
            if self.scope.cancel_called:
                raise
            self._note(error)  # it comes from something the job waited for; nobody meant to end the job
            return False
        self.failures, self.last_error = 0, None
        self.last_success_at = self.background.clock.now()
        return True

    def _note(self, error: BaseException) -> None:
        self.failures = 1 if self._ran_long() else self.failures + 1
        kind = type(error).__name__
        facts = {"job": self.name, "failures": self.failures, "error": kind}
        if kind == self.last_error:
            log.warning("background job failed again", extra=facts)
        else:
            log.error("background job failed, it is started again", extra=facts, exc_info=error)
        self.last_error = kind

    def _ran_long(self) -> bool:
        return self.background.clock.monotonic() - self.begun >= LONGEST_PAUSE_SECONDS

    async def _pause(self, state: JobState, seconds: float) -> None:
        self.state = state
        await self.background.sleep(seconds)
