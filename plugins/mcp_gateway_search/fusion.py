"""Puts several rankings of titles together, for descriptions that words alone find badly."""

from __future__ import annotations

from collections.abc import Sequence

from mcp_gateway.catalog.models import TitleId


def fuse(
    rankings: Sequence[Sequence[TitleId]], *, weights: Sequence[float] | None = None, k: int = 60
) -> list[TitleId]:
    """Merge several rankings into one, best first.

    Args:
        rankings: Each best first; a title may be missing from some. Empty rankings count for nothing.
        weights: How much each counts; all the same without.
        k: Damping; larger values let lower ranks matter more.

    Returns:
        Every title of every ranking once. Ties keep the order of the first ranking.

    Source: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion", SIGIR 2009.
    """
    scores: dict[TitleId, float] = {}
    for ranking, weight in zip(rankings, weights or [1.0] * len(rankings), strict=True):
        for rank, title_id in enumerate(dict.fromkeys(ranking)):
            scores[title_id] = scores.get(title_id, 0.0) + weight / (k + rank + 1)
    return sorted(scores, key=lambda title_id: -scores[title_id])
