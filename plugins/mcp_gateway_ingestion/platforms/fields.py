"""Readers of single values that never fail: what is not understood is noted, and read as unknown."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final

from mcp_gateway.catalog.platforms import Unknown

MAX_NAME: Final = 1000
MAX_OVERVIEW: Final = 20_000
MAX_ITEMS: Final = 1000
"""Of a longer list the first are read."""

_MAX_NOTES = 50
_MAX_SHOWN = 200
_EARLIEST_YEAR, _LATEST_YEAR = 1870, 2200
_MILLISECONDS_FROM = 100_000_000_000  # in seconds that would be the year 5138
_NUMBER = re.compile(r"[+-]?\d{1,15}(?:,\d{3})*(?:\.\d{1,15})?")
_YEAR_IN_DATE = re.compile(r"(\d{4})-\d{2}-\d{2}")
_MONTHS = {
    "january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6, "july": 7, "august": 8, "september": 9,
    "october": 10, "november": 11, "december": 12,
}  # fmt: skip
_MONTHS |= {name[:3]: number for name, number in _MONTHS.items()}
_ENGLISH_DATE = re.compile(r"([A-Za-z]+)\.? (\d{1,2}), (\d{4})")


class Notes:
    """What was not understood while one payload was read."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: set[Unknown] = set()

    def add(self, field: str, value: object) -> None:
        """Note a value as it came. Of a list or an object only the kind is noted: its order must not matter."""
        self._seen.add(Unknown(field, shown(value)))

    def listed(self) -> tuple[Unknown, ...]:
        """All notes, sorted, at most 50."""
        return tuple(sorted(self._seen)[:_MAX_NOTES]) if self._seen else ()


def shown(value: object) -> str:
    """A value in at most 200 characters that can be shown and kept anywhere."""
    if isinstance(value, str):
        return _CONTROL.sub("\ufffd", value[:_MAX_SHOWN])
    if isinstance(value, dict):
        return f"an object with {len(value)} fields"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**30:
        return "a number of more than 30 digits"
    return json.dumps(value, default=lambda _: "?")[:_MAX_SHOWN]


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# Zero-width characters, marks of direction, soft hyphens: they look like nothing and make names differ.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ud800-\udfff]")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def cleaned(value: str) -> str:
    """The text without what cannot be seen, and with single spaces for white space of every sort."""
    if not value.isprintable():
        value = _SPACE.sub(" ", _INVISIBLE.sub("", value))
    return value.strip()


def text(values: Mapping[Any, Any], field: str, notes: Notes, limit: int = MAX_NAME) -> str | None:
    """The text of a field; None when it is absent, empty, too long or no text. U+FFFD stays, and is noted."""
    value = values.get(field)
    if value.__class__ is str and value.isprintable() and len(value) <= limit and "\ufffd" not in value:
        return value.strip() or None  # nearly all of them
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > limit:
        notes.add(field, value)
        return None
    if "\ufffd" in value:
        notes.add(field, value)
    return cleaned(value) or None


def identifier(value: object) -> str | None:
    """An id, given as text or number: up to 200 visible characters without a space at its ends."""
    if isinstance(value, str):
        made = cleaned(value) if len(value) <= _MAX_SHOWN else ""
    elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18:
        made = str(value)
    else:
        return None
    return made or None


def number(values: Mapping[Any, Any], field: str, notes: Notes, low: float, high: float) -> float | None:
    """The number of a field, given as number or text (`8.8`, `1,234`), between two bounds, both included."""
    value = values.get(field)
    if value is None or value == "":
        return None
    made = as_number(value)
    if made is None or not low <= made <= high:
        notes.add(field, value)
        return None
    return made


def whole(values: Mapping[Any, Any], field: str, notes: Notes, low: int = 0, high: int = 100_000) -> int | None:
    """The whole number of a field; `3.0` counts as one."""
    value = values.get(field)
    if value.__class__ is str and value.isdecimal() and len(value) < 10:  # nearly all of them
        made = float(value)
    elif value is None or value == "":
        return None
    else:
        read = as_number(value)
        if read is None:
            notes.add(field, value)
            return None
        made = read
    if not low <= made <= high or made != int(made):
        notes.add(field, value)
        return None
    return int(made)


def as_number(value: object) -> float | None:
    """A finite number, given as number or text; None for anything else."""
    if isinstance(value, str):
        if len(value) < 16 and value.isascii() and value.replace(".", "", 1).isdecimal():
            return float(value)  # nearly all of them
        stripped = value.strip() if len(value) < 64 else ""
        return float(stripped.replace(",", "")) if _NUMBER.fullmatch(stripped) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int) and abs(value) > 10**18:
        return None
    return float(value) if math.isfinite(value) else None


def year(values: Mapping[Any, Any], field: str, notes: Notes) -> int | None:
    """A year from 1870 to 2200; 0 means unknown."""
    if values.get(field) in (0, "0"):
        return None
    return whole(values, field, notes, _EARLIEST_YEAR, _LATEST_YEAR)


def names(values: Mapping[Any, Any], field: str, notes: Notes) -> list[str]:
    """The texts of a list; an element that is none, or longer than 300 characters, is noted and left out."""
    found: list[str] = []
    for item in items(values, field, notes):
        name = cleaned(item) if isinstance(item, str) and len(item) <= 300 else ""
        if name:
            found.append(name)
        elif item is not None and item != "":
            notes.add(field, item)
    return found


def items(values: Mapping[Any, Any], field: str, notes: Notes) -> list[Any]:
    """A field's list; empty when it is absent or something else."""
    value = values.get(field)
    if isinstance(value, list):
        return value[:MAX_ITEMS]
    if value is not None and value != "":
        notes.add(field, value)
    return []


def objects(values: Mapping[Any, Any], field: str, notes: Notes) -> list[dict[Any, Any]]:
    """The objects of a field's list; other elements are noted and left out."""
    listed = values.get(field)
    if listed.__class__ is list and len(listed) == 1 and listed[0].__class__ is dict:
        return [listed[0]]  # nearly all of them
    found = []
    for item in items(values, field, notes):
        if isinstance(item, dict):
            found.append(item)
        elif item is not None:
            notes.add(field, item)
    return found


def mapping(values: Mapping[Any, Any], field: str) -> dict[Any, Any]:
    """A field's object; empty when it is absent or something else."""
    value = values.get(field)
    return value if isinstance(value, dict) else {}


def first(values: Mapping[Any, Any], fields: Sequence[str]) -> str:
    """The first of several names of a field under which the object says something; else the first of all."""
    for name in fields:
        if values.get(name) not in (None, ""):
            return name
    return fields[0]


def moment(value: object) -> datetime | None:
    """A point in time, UTC: Unix seconds or milliseconds as number or text, or ISO 8601 with a zone. 0 is none."""
    stamp = as_number(value)
    if stamp is not None:
        seconds = stamp / 1000 if stamp >= _MILLISECONDS_FROM else stamp
        return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < 250_000_000_000 else None
    if not isinstance(value, str) or not 16 <= len(value) <= 40:
        return None
    try:
        made = datetime.fromisoformat(value.strip())
        return made.astimezone(UTC) if made.tzinfo else None
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=4096)
def day(value: str) -> date | None:
    """A date, written `2021-09-25`, `September 25, 2021` or `Sep 25, 2021`."""
    stripped = value.strip()
    try:
        if _YEAR_IN_DATE.fullmatch(stripped):
            return date.fromisoformat(stripped)
        match = _ENGLISH_DATE.fullmatch(stripped)
        month = _MONTHS.get(match[1].lower()) if match else None
        return date(int(match[3]), month, int(match[2])) if match and month else None
    except ValueError:
        return None


def release_day(values: Mapping[Any, Any], field: str, notes: Notes) -> date | None:
    """The day of a field that holds a date, or a point in time of which the date counts."""
    value = values.get(field)
    if value is None or value == "":
        return None
    made = day(value[:10] if value[10:11] == "T" else value) if isinstance(value, str) and len(value) <= 40 else None
    if made is None or not _EARLIEST_YEAR <= made.year <= _LATEST_YEAR:
        notes.add(field, value)
        return None
    return made
