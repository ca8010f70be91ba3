"""Which fields payloads have, and how often: when a source changes its format, this moves before anything breaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MOVED_POINTS = 5.0
ENOUGH_PAYLOADS = 50
"""Fewer say little of how often a field is there."""

SAMPLE = 200
"""So many payloads of a page are looked at, evenly spread."""

_DEPTH = 3
_MAX_FIELDS = 300
_LIST_ITEMS = 5


class Profile(BaseModel):
    """How often fields were present: `fields` counts them by path, of `payloads`."""

    model_config = ConfigDict(extra="ignore", defer_build=True)

    payloads: int = 0
    fields: dict[str, int] = Field(default_factory=dict)

    def add(self, payloads: Sequence[Any]) -> Profile:
        """This profile with more payloads in it."""
        seen = payloads[:: max(1, len(payloads) // SAMPLE)]
        fields = dict(self.fields)
        for payload in seen:
            for path in set(_paths(payload, "", _DEPTH)):
                if path in fields or len(fields) < _MAX_FIELDS:
                    fields[path] = fields.get(path, 0) + 1
        return Profile(payloads=self.payloads + len(seen), fields=fields)

    def percent(self, path: str) -> float:
        """How many percent of the payloads have the field."""
        return 100.0 * self.fields.get(path, 0) / self.payloads if self.payloads else 0.0


class Drift(BaseModel):
    """A field that is there more or less often than it used to be, in percent of payloads."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    field: str
    usual_percent: float
    now_percent: float


def drift_between(usual: Profile, now: Profile, *, at_most: int = 20) -> list[Drift]:
    """The fields that moved by more than five points, the furthest first; none while too few payloads tell."""
    if min(usual.payloads, now.payloads) < ENOUGH_PAYLOADS:
        return []
    moved = [
        Drift(field=path, usual_percent=round(usual.percent(path), 1), now_percent=round(now.percent(path), 1))
        for path in sorted(usual.fields.keys() | now.fields.keys())
        if abs(usual.percent(path) - now.percent(path)) > MOVED_POINTS
    ]
    return sorted(moved, key=lambda drift: -abs(drift.usual_percent - drift.now_percent))[:at_most]


def _paths(value: Any, path: str, depth: int) -> Iterator[str]:
    """The fields of a payload, e.g. `show.streamingOptions[].type`; null is the same as absent."""
    if isinstance(value, dict) and depth:
        for key, inner in list(value.items())[:_MAX_FIELDS]:
            if inner is not None:
                below = f"{path}.{str(key)[:60]}" if path else str(key)[:60]
                yield below
                yield from _paths(inner, below, depth - 1)
    elif isinstance(value, list):
        for inner in value[:_LIST_ITEMS]:
            yield from _paths(inner, f"{path}[]", depth)
