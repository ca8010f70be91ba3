"""From what matches to what is shown: how matches are weighed, and how many places each kind has."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

from .segment import Segment
from .segment_file import ITEM_MASK, Match

# Of so many places in a row …
GROUP = 5
# … so many are kept for titles that begin with what was typed, and the others for one of each other match.
WHOLE_PLACES = 3

# A match at a later word must be of something this much more popular to come before one at the beginning. There are few
# genres: who types one means it, unless it begins a title that everybody knows.
_WEIGHTS = (1.0, 0.8, 0.8)
_NAME_WEIGHT = 1.25
# What begins with all but the last letter is more often something else than what has an error before it.
_SHORTENED_WEIGHT = 0.6
_GENRE_WORTH = 0.85

_ORDER = attrgetter("order")


class Found(NamedTuple):
    """An entry, and how it matched.

    Attributes:
        is_name: What was typed is the whole name: then it is among the first five, whatever its popularity.
        order: Sorts the better one first: an exact match before a mended one, then by match and popularity.
    """

    segment: Segment
    entry: int
    match: Match
    is_name: bool
    order: tuple[int, float]


def found(segment: Segment, entry: int, match: Match, *, is_name: bool = False, errors: int = 0) -> Found:
    """Weigh a match.

    Args:
        segment: Where the entry is.
        entry: What matched.
        match: As what it counts.
        is_name: As `Found` has it.
        errors: 1 if an error had to be mended, 2 if all but the last letter matches.
    """
    worth = _GENRE_WORTH if match == Match.GENRE else segment.popularity(entry) * _WEIGHTS[match]
    if errors > 1:
        worth *= _SHORTENED_WEIGHT
    return Found(segment, entry, match, is_name, (min(errors, 1), -worth * (_NAME_WEIGHT if is_name else 1.0)))


def blend(matches: Iterable[Found], limit: int) -> list[Found]:
    """Choose and order what is shown; each item of a segment once."""
    waiting = _by_match(matches)
    chosen: list[Found] = []
    while len(chosen) < limit and any(waiting.values()):
        chosen += sorted(_group(waiting), key=_ORDER)
    return chosen[:limit]


def _by_match(matches: Iterable[Found]) -> dict[Match, list[Found]]:
    waiting: dict[Match, list[Found]] = {match: [] for match in Match}
    seen: set[tuple[Segment, int]] = set()
    for one in sorted(matches, key=lambda one: (not one.is_name, one.order)):
        if (key := (one.segment, one.entry & ITEM_MASK)) not in seen:
            seen.add(key)
            waiting[one.match].append(one)
    return waiting


def _group(waiting: dict[Match, list[Found]]) -> list[Found]:
    """Take the next five: places that one match cannot fill go to the best of the others."""
    whole = waiting[Match.WHOLE]
    group = _take(whole, WHOLE_PLACES + bool(whole and whole[0].is_name))
    free = GROUP - max(len(group), WHOLE_PLACES)
    others = [waiting[match][0] for match in (Match.WORD, Match.PERSON) if waiting[match]]
    best = [*waiting[Match.GENRE][:1], *sorted(others, key=_ORDER)][:free]
    for one in best:
        waiting[one.match].remove(one)
    group += best
    while len(group) < GROUP and any(waiting.values()):
        next_best = min((those for those in waiting.values() if those), key=lambda those: those[0].order)
        group.append(next_best.pop(0))
    return group


def _take(those: list[Found], count: int) -> list[Found]:
    taken = those[:count]
    del those[:count]
    return taken
