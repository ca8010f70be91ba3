"""The plans that a platform sells, by region and date: their names change, so they are data and not code."""

from __future__ import annotations

import json
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

from mcp_gateway.catalog.models import OfferKind


class Plan(NamedTuple):
    """A plan as it was sold.

    Attributes:
        kind: `ads` where viewers see advertisements, else `flatrate`.
        region: ISO 3166-1 alpha-2.
        begins, ends: Half-open; None is open-ended.
        also: Other ways to write its name, lower case.
    """

    name: str
    kind: OfferKind
    region: str
    begins: date | None
    ends: date | None
    also: tuple[str, ...]

    def sold_on(self, day: date) -> bool:
        """Whether it was sold on a day."""
        return (self.begins is None or self.begins <= day) and (self.ends is None or day < self.ends)


class Plans:
    """All plans of a platform that we know of. What they do not know is no error: a name then stays as it came."""

    def __init__(self, plans: tuple[Plan, ...]) -> None:
        self._plans = plans

    def named(self, name: str, region: str | None, at: datetime) -> Plan | None:
        """The plan of a name in a region at a time."""
        written = " ".join(name.lower().split())
        return next((p for p in self._sold(region, at) if written == p.name.lower() or written in p.also), None)

    def with_ads(self, region: str | None, at: datetime) -> Plan | None:
        """The one plan with advertisements of a region at a time; None when there are several, or none."""
        found = [plan for plan in self._sold(region, at) if plan.kind is OfferKind.ADS]
        return found[0] if len(found) == 1 else None

    def _sold(self, region: str | None, at: datetime) -> list[Plan]:
        return [plan for plan in self._plans if plan.region == region and plan.sold_on(at.date())]


@cache
def load_plans(name: str) -> Plans:
    """Read the plans of a file beside this module."""
    raw = json.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))
    return Plans(
        tuple(
            Plan(
                name=plan["name"],
                kind=OfferKind(plan["kind"]),
                region=plan["region"],
                begins=_day(plan["from"]),
                ends=_day(plan["until"]),
                also=tuple(plan["also"]),
            )
            for plan in raw["plans"]
        )
    )


def _day(value: str | None) -> date | None:
    return date.fromisoformat(value) if value else None
