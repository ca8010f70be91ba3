"""What a source of availability is: something that is asked, page by page, what a platform offers in a region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol


class SourceError(Exception):
    """A source cannot be asked, or not now. The message is for people, and holds no secret.

    Args:
        message: What is wrong, in a sentence.
        retry_after_seconds: When the source said how long to stay away.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class SourceBusy(SourceError):
    """The source takes no more requests for a while, e.g. HTTP 429."""


class SourceDown(SourceError):
    """The source does not answer, answers late, or fails, e.g. HTTP 500."""


class SourceRefuses(SourceError):
    """The source does not know us, e.g. HTTP 401: asking again does not help before the settings change."""


class SourceGarbled(SourceError):
    """The answer is not what this source answers: no JSON, half a page, a field of another type."""


class CursorRejected(SourceError):
    """The source does not accept the page cursor any more: the listing has to begin again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePage:
    """One page of a listing.

    Attributes:
        payloads: As the platform's normalizer takes them.
        observed_at: The time by the source's clock at which it gave the page; aware, UTC.
        next_cursor: Asks for the next page; None when this is the last.
        gone: Keys (`PlatformTitle.key`) of titles that the platform no longer offers in the region.
        states_all: Whether a payload names every offer that its titles have on the platform in the region, so that
            those it does not name have ended.
        total: How many payloads the whole listing has, where the source says so.
    """

    payloads: Sequence[Any]
    observed_at: datetime
    next_cursor: str | None = None
    gone: Sequence[str] = ()
    states_all: bool = True
    total: int | None = None


class AvailabilitySource(Protocol):
    """Says what platforms offer in regions. Asked by one process at a time for a platform and region.

    Attributes:
        key: Stands in offers as their source, e.g. `streaming-availability`.
        covers: The regions (ISO 3166-1 alpha-2) of each platform, by the platform's key.
        window: How far back `since` may lie: before that the source has forgotten changes and the listing has to be
            whole. None: it tells no changes at all, every listing is whole.
    """

    key: str
    covers: Mapping[str, Set[str]]
    window: timedelta | None

    async def page(self, platform: str, region: str, *, since: datetime | None, cursor: str | None) -> SourcePage:
        """Ask for a page.

        Args:
            platform: One of `covers`.
            region: One of its regions.
            since: Only what changed at or after that time; None: all that is offered now.
            cursor: From the page before; None asks for the first.

        Raises:
            SourceError: One of its kinds; anything else counts as a fault of the source's code.
        """
        ...
