"""What age ratings mean: a US rating, or the age that other systems name."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_US = {
    "G": "G", "PG": "PG", "PG-13": "PG-13", "R": "R", "NC-17": "NC-17", "TV-Y": "TV-Y", "TV-Y7": "TV-Y7",
    "TV-Y7-FV": "TV-Y7-FV", "TV-G": "TV-G", "TV-PG": "TV-PG", "TV-14": "TV-14", "TV-MA": "TV-MA",
    "NR": "NR", "NOT RATED": "NR", "NOT_RATE": "NR", "TV-NR": "NR", "UR": "UR", "UNRATED": "UR",
}  # fmt: skip
_AGES = {"ALL": "all ages", "ALL_AGES": "all ages", "U": "all ages", "A": "ages 18+"}
_AGE = re.compile(r"(?:AGES_|U/A )?(\d{1,2})[+_]?")
_LENGTH = re.compile(r"(\d{1,4}) (min|seasons?)", re.IGNORECASE)


class AgeRating(NamedTuple):
    """What an age rating says.

    Attributes:
        certification: The US rating.
        keyword: What a system other than the US ones says, e.g. `ages 13+`: none of them is a US rating.
    """

    certification: str | None = None
    keyword: str | None = None


class Length(NamedTuple):
    """How long a title is: `90 min` or `2 Seasons`."""

    minutes: int | None = None
    seasons: int | None = None


@lru_cache(maxsize=1024)
def rating_of(value: str) -> AgeRating | None:
    """What an age rating says; None when it is not understood."""
    written = value.strip().upper()
    if written in _US:
        return AgeRating(_US[written])
    if written in _AGES:
        return AgeRating(keyword=_AGES[written])
    age = _AGE.fullmatch(written)
    return AgeRating(keyword=f"ages {int(age[1])}+") if age else None


@lru_cache(maxsize=1024)
def length_of(value: str) -> Length | None:
    """What a length says; None when it is not understood. 0 is unknown."""
    match = _LENGTH.fullmatch(value.strip())
    if match is None:
        return None
    count = int(match[1]) or None
    return Length(minutes=count) if match[2].lower() == "min" else Length(seasons=count)
