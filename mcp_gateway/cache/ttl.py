"""The life of a cache entry, the same rule on every backend."""

from __future__ import annotations

LONGEST_SECONDS = 366 * 24 * 3600


def check_ttl(ttl_seconds: float) -> float:
    """The life as given. ValueError unless it is between a millisecond and a year."""
    if not 0.001 <= ttl_seconds <= LONGEST_SECONDS:
        raise ValueError(f"ttl_seconds must be between 0.001 and {LONGEST_SECONDS}, not {ttl_seconds}")
    return ttl_seconds
