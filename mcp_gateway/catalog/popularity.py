"""How popular a title is where no source says so itself: worked out from how many people voted."""

from __future__ import annotations

import math
from collections.abc import Mapping

from mcp_gateway.catalog.models import Rating

MOST_VOTES: Mapping[str, int] = {"imdb": 3_000_000, "tmdb": 40_000, "movielens": 130_000}
"""What the most popular titles have; they are at 100."""


def popularity_of(ratings: Mapping[str, Rating]) -> float:
    """From 0 to 100, on a logarithmic scale; of several sources the one that makes the title most popular."""
    found = (
        100 * math.log1p(ratings[source].votes or 0) / math.log1p(most)
        for source, most in MOST_VOTES.items()
        if source in ratings
    )
    return round(min(100.0, max(found, default=0.0)), 2)
