"""What a run tells: how far it is, and in the end what it did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from .shape import Drift
from .state import Target

if TYPE_CHECKING:
    from ..intake import IntakeReport

Outcome = Literal["done", "held", "failed", "waiting", "elsewhere", "dry_run"]
Progress = Callable[[Target, int, int | None], Awaitable[None]]


@dataclass(slots=True)
class TargetReport:
    """What a run did.

    Attributes:
        outcome: `held`: all is in but removals, which wait to be confirmed. `waiting`: not before `retry_at`.
            `elsewhere`: another process is at it.
        full: Whether all that is offered was listed, rather than what changed.
        ended: Offers that went; in a dry run and where they are held, those that would go.
        error: Why it failed, for people.
    """

    target: Target
    outcome: Outcome = "done"
    full: bool = False
    pages: int = 0
    payloads: int = 0
    rejected: int = 0
    not_understood: int = 0
    created: int = 0
    updated: int = 0
    offers: int = 0
    changed: int = 0
    ended: int = 0
    error: str | None = None
    retry_at: datetime | None = None
    drift: list[Drift] = field(default_factory=list)

    def add(self, taken: IntakeReport, rejected: int) -> None:
        """Count a page in."""
        self.pages += 1
        self.rejected += rejected
        self.not_understood += taken.unknown.total()
        self.created += taken.created
        self.updated += taken.updated
        self.offers += taken.offers
        self.changed += taken.offers_changed


async def nobody(target: Target, done: int, total: int | None) -> None:
    """Tell nobody of progress."""
