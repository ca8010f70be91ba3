"""Keeps answers short enough for a model to read, whatever was asked for."""

from __future__ import annotations

from collections.abc import Sequence

from .cards import json_bytes
from .models import Identified

# Clients refuse answers above 25,000 tokens. A token has at least 2.4 bytes in the languages of titles, so 60 kB
# are safe; the frame around the items takes up to 3 kB of them.
ITEMS_BYTES = 57_000


def fitting(items: Sequence[Identified], budget_bytes: int = ITEMS_BYTES) -> int:
    """How many of the items, from the first, fit into the budget. The first always does."""
    used = 0
    for count, item in enumerate(items):
        used += json_bytes(item) + 1
        if used > budget_bytes and count:
            return count
    return len(items)
