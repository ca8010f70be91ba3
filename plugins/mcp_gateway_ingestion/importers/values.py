"""Picks values out of JSON of which nothing is certain: what is not as expected is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

MAX_TEXT = 1000
MAX_OVERVIEW = 20_000
_NOTHING: Mapping[str, Any] = {}


def text(value: Any, at_most: int = MAX_TEXT) -> str | None:
    """A text that is not empty."""
    found = value.strip() if isinstance(value, str) else ""
    return found if 0 < len(found) <= at_most else None


def whole(value: Any, least: int = 0, most: int = 100_000) -> int | None:
    """A whole number within bounds, also one that is written as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or value in {1e400, -1e400}:  # noqa: PLR0124 - not a number
        return None
    return int(value) if value == int(value) and least <= value <= most else None


def number(value: Any, least: float, most: float) -> float | None:
    """A number within bounds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if least <= value <= most else None


def obj(value: Any) -> Mapping[str, Any]:
    """A JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else _NOTHING


def objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a list."""
    return (each for each in value if isinstance(each, dict)) if isinstance(value, list) else iter(())


def texts(value: Any, at_most: int = MAX_TEXT) -> Iterator[str]:
    """The texts of a list."""
    listed = value if isinstance(value, list) else ()
    return (found for each in listed if (found := text(each, at_most)))


def day(value: Any) -> date | None:
    """A date like 1994-09-23, or the day of a time."""
    try:
        found = date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found and 1870 <= found.year <= 2200 else None
