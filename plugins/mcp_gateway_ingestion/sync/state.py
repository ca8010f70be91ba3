"""What is known of a listing between runs, and what follows from it: what to ask for next, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field

from .shape import Drift, Profile

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
FAILURES_THAT_OPEN = 3
"""So many failures of a platform in a row, whatever the region, and it is left alone for a while."""


class Target(NamedTuple):
    """What is kept up to date: what a source says of a platform in a region."""

    source: str
    platform: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When and how far back is asked.

    Attributes:
        interval: Between runs.
        overlap: So much of what the last run has covered is asked for again: sources tell of changes late.
        page_seconds: How long a source may take for a page.
        lease: How long a run holds its listing without a sign of life.
        hold_above: The part of the offers, 0 to 1, that may go in one run without being confirmed.
    """

    interval: timedelta = timedelta(hours=1)
    overlap: timedelta = timedelta(hours=2)
    page_seconds: float = 60
    lease: timedelta = timedelta(minutes=3)
    hold_above: float = 0.2


class _Kept(BaseModel):
    model_config = ConfigDict(extra="ignore", validate_assignment=False, defer_build=True)

    @classmethod
    def of(cls, json: str) -> Self:
        """Read back."""
        return cls.model_validate_json(json)


class Run(_Kept):
    """A listing that is being read, so that another process can go on with it.

    Attributes:
        since: What is asked for; None: all that is offered.
        started_at: The source's time of the first page; None before that.
        cursor: Of the page to ask for next.
        is_listed: Whether all pages are in.
        is_decided: Whether the offers that were missed are to end.
        added: Offers that came with it.
    """

    since: datetime | None = None
    started_at: datetime | None = None
    cursor: str | None = None
    is_listed: bool = False
    is_decided: bool = False
    added: int = 0
    pages: int = 0
    payloads: int = 0
    rejected: int = 0
    profile: Profile = Field(default_factory=Profile)

    @property
    def is_full(self) -> bool:
        """Whether the listing names all that is offered."""
        return self.since is None


class Held(_Kept):
    """Removals that wait to be confirmed: so many of so many offers."""

    missed: int
    standing: int
    at: datetime


class SyncState(_Kept):
    """A listing.

    Attributes:
        watermark: The source's time up to which its changes are in; None before the first run ended.
        run: The run in progress or broken off.
        tried_at, succeeded_at: When the last run began; when the last one ended well.
        failures: In a row.
        retry_at: Not before then, after a failure.
        error: Of the last failure, for people; None since the last success.
        usual: How often payloads have which fields.
        drift: Fields that the last run had more or less often than usual.
    """

    watermark: datetime | None = None
    run: Run | None = None
    tried_at: datetime | None = None
    succeeded_at: datetime | None = None
    failures: int = 0
    retry_at: datetime | None = None
    error: str | None = None
    error_at: datetime | None = None
    held: Held | None = None
    usual: Profile = Field(default_factory=Profile)
    drift: list[Drift] = Field(default_factory=list)

    def is_due(self, now: datetime, interval: timedelta) -> bool:
        """Whether it is time for a run."""
        if self.retry_at is not None:
            return self.retry_at <= now
        return self.tried_at is None or self.run is not None or self.tried_at + interval <= now

    def begin(self, now: datetime, *, window: timedelta | None, overlap: timedelta) -> Run:
        """The run to go on with, or a new one.

        What changed since the watermark, and a little before, is enough as long as the source remembers that far
        back; else all that is offered is listed again. A run that was broken off is gone on with only while what it
        asks for is still remembered: the cursor is worth nothing without it.
        """
        self.tried_at = now
        if self.run is None or (self.run.since is not None and not _remembers(self.run.since, now, window)):
            since = self.watermark - overlap if self.watermark else None
            self.run = Run(since=since if since and _remembers(since, now, window) else None)
        return self.run

    def fail(self, now: datetime, message: str, retry_after_seconds: float | None) -> None:
        """Note a failure; the run is gone on with after a pause, as long as the source asked for at least.

        After some failures it begins anew: perhaps it is the cursor that is to blame.
        """
        self.failures += 1
        if self.failures % FAILURES_THAT_OPEN == 0 and self.run is not None and not self.run.is_listed:
            self.run = None
        self.retry_at = now + pause_after(self.failures, retry_after_seconds)
        self.error, self.error_at = message, now

    def succeed(self, now: datetime) -> None:
        """Note that the run has ended, and forget it."""
        if self.run is not None:
            self.watermark = self.run.started_at
        self.run, self.succeeded_at = None, now
        self.failures, self.retry_at, self.error, self.error_at = 0, None, None, None


class Circuit(_Kept):
    """How a source fares with a platform: after some failures in a row, or when it asks for that, it is left alone.

    Attributes:
        failures: In a row, of any region.
        open_until: Not before then; the first that asks afterwards decides how it goes on.
    """

    failures: int = 0
    open_until: datetime | None = None
    error: str | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether it is left alone."""
        return self.open_until is not None and now < self.open_until

    def fail(self, now: datetime, message: str, retry_after_seconds: float | None) -> None:
        """Note a failure."""
        self.failures += 1
        self.error = message
        if retry_after_seconds is not None or self.failures >= FAILURES_THAT_OPEN:
            beyond = max(1, self.failures - FAILURES_THAT_OPEN + 1)
            self.open_until = now + pause_after(beyond, retry_after_seconds)


def pause_after(failures: int, retry_after_seconds: float | None) -> timedelta:
    """How long to wait: longer with each failure, and as long as was asked for, at most a day."""
    pause = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 20), LONGEST_PAUSE)
    return max(pause, min(timedelta(seconds=retry_after_seconds or 0), timedelta(days=1)))


def _remembers(since: datetime, now: datetime, window: timedelta | None) -> bool:
    return window is not None and now - since < window
