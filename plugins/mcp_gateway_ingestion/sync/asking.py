"""Asks a source for pages, and believes nothing of what it answers."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import anyio

from mcp_gateway.api import Clock

from .source import AvailabilitySource, SourceDown, SourceError, SourceGarbled, SourcePage
from .state import Run, Target

log = logging.getLogger(__name__)

EMPTY_PAGES_IN_A_ROW = 50
"""A source that gives more of them is going round in circles."""

CLOCK_TOLERANCE = timedelta(hours=1)
"""What is observed later than that by our clock would hold back all that comes until then."""


class PageReader:
    """Reads the pages of a run from its source.

    Args:
        seconds: How long the source may take for a page.
    """

    def __init__(self, source: AvailabilitySource, target: Target, *, seconds: float, clock: Clock) -> None:
        self._source = source
        self._target = target
        self._seconds = seconds
        self._clock = clock
        self._cursors: set[str | None] = set()
        self._empty_pages = 0

    async def next(self, run: Run) -> SourcePage:
        """The page at the run's cursor.

        Raises:
            SourceError: There is none to be had, or what came is no page.
        """
        try:
            with anyio.fail_after(self._seconds):
                page = await self._source.page(
                    self._target.platform, self._target.region, since=run.since, cursor=run.cursor
                )
        except TimeoutError:
            raise SourceDown(f"The source gave no page within {self._seconds:g} seconds.") from None
        except SourceError:
            raise
        except Exception as error:
            log.exception("source of availability has a fault", extra=self._target._asdict())
            raise SourceGarbled(f"What the source answered could not be read: {type(error).__name__}.") from error
        _check(page, self._clock.now())
        self._refuse_circles(run, page)
        return page

    def _refuse_circles(self, run: Run, page: SourcePage) -> None:
        self._cursors.add(run.cursor)
        self._empty_pages = 0 if page.payloads or page.gone else self._empty_pages + 1
        if page.next_cursor is None:
            return
        if page.next_cursor in self._cursors or self._empty_pages > EMPTY_PAGES_IN_A_ROW:
            raise SourceGarbled("The source goes round in circles: its next page is one that was read already.")


def _check(page: SourcePage, now: datetime) -> None:
    if not isinstance(page, SourcePage) or not isinstance(page.next_cursor, str | None):
        raise SourceGarbled("What the source answered is no page.")
    if page.observed_at.tzinfo is None:
        raise SourceGarbled("The source's time has no zone.")
    if page.observed_at > now + CLOCK_TOLERANCE:
        raise SourceGarbled("The source's clock is ahead of ours by more than an hour.")
