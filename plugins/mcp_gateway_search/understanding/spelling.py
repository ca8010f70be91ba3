"""Corrects single words that no title has, splits and joins compounds. Other scripts and numbers stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .likeness import Likeness, Near

KnowsWord = Callable[[str], bool]

_SHORTEST = 4
# Looking up a word takes a tenth of a millisecond: a long text of nonsense must not take longer than it is worth.
_MOST_WORDS = 5
_LAST_LATIN = "\u024f"


@dataclass(frozen=True, slots=True)
class Respelt:
    """A query with some of its words corrected, and which."""

    words: tuple[str, ...]
    changed: tuple[tuple[str, str], ...]


def allowed_edits(length: int) -> int:
    """How many letters a name or word of this length may be off."""
    return 0 if length < 3 else 1 if length < 5 else 2 if length < 13 else 3


def respell(words: Sequence[str], *, knows: KnowsWord, is_common: KnowsWord, like: Likeness) -> Respelt:
    """Correct the words that are not known. Compounds are split only into common words: rare ones fit anywhere."""
    fixed: list[str] = []
    changed: list[tuple[str, str]] = []
    for word in _joined_where_known(words, knows, changed):
        better = _better(word, knows, is_common, like) if len(changed) < _MOST_WORDS else None
        if better and better != word:
            changed.append((word, better))
        fixed += (better or word).split()
    return Respelt(tuple(fixed), tuple(changed))


def is_correctable(word: str) -> bool:
    """Whether this may be a misspelt word: Latin letters, and enough of them to tell."""
    return len(word) >= _SHORTEST and word.isalpha() and max(word) <= _LAST_LATIN


def _better(word: str, knows: KnowsWord, is_common: KnowsWord, like: Likeness) -> str | None:
    if not is_correctable(word) or knows(word):
        return None
    split = _split(word, is_common)
    near = like.nearest(word, most_edits=1 if len(word) < 6 else 2, limit=1)
    if near and (split is None or near[0].distance == 1):
        return near[0].text
    return split


def _split(word: str, is_common: KnowsWord) -> str | None:
    """The word as two known ones: the cut nearest to the middle."""
    middle = len(word) / 2
    for cut in sorted(range(3, len(word) - 2), key=lambda place: abs(place - middle)):
        if is_common(word[:cut]) and is_common(word[cut:]):
            return f"{word[:cut]} {word[cut:]}"
    return None


def _joined_where_known(words: Sequence[str], knows: KnowsWord, changed: list[tuple[str, str]]) -> list[str]:
    """Words of which one is unknown and that make a known one with the next."""
    out: list[str] = []
    place = 0
    while place < len(words):
        pair = words[place : place + 2]
        together = "".join(pair)
        unknown = len(pair) == 2 and is_correctable(together) and not all(map(knows, pair))
        if unknown and knows(together):
            changed.append((" ".join(pair), together))
            out.append(together)
            place += 2
            continue
        out.append(words[place])
        place += 1
    return out


def why(near: Near) -> str:
    """How far a name is from what was written."""
    return "spacing" if near.distance == 0 else f"{near.distance} letter{'s' if near.distance > 1 else ''} differ{'' if near.distance > 1 else 's'}"  # fmt: skip  # noqa: E501
