"""What it means that a string is near another, and the nearest among few strings.

Here nothing but rapidfuzz is needed; `trigrams.py` finds candidates among hundreds of thousands.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

TITLE, ALTERNATIVE, PERSON, WORD = 1, 2, 4, 8
ANY_KIND = 255

# What makes one string likelier than another at equal distance, in edits.
_POPULARITY_EDITS = 0.9
_FIRST_LETTER_EDITS = 0.3
# What hardly anybody knows is seldom meant: below this popularity up to so many edits are added.
_OBSCURE_BELOW = 0.25
_OBSCURE_EDITS = 0.6
# Titles are asked for more often than people of nearly the same name.
_PERSON_EDITS = 0.25
# What sounds the same is a likelier misspelling.
_SOUND_EDITS = 0.3
# A digit is seldom mistyped: "part 2" and "part 3" are two titles.
_DIGIT_EDITS = 1.5

_SOUNDS = (("ph", "f"), ("ck", "k"), ("gh", "g"), ("kn", "n"), ("wr", "r"), ("sc", "s"), ("qu", "kw"), ("x", "ks"))
_LETTERS = str.maketrans("eiouyczqj", "aaaaaksk" + "g")
_REPEATED = re.compile(r"(.)\1+")

Known = Mapping[str, tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Near:
    """A string like the one asked for.

    Attributes:
        kinds: What it is, as the bits it was put in with.
        popularity: From 0 to 1.
        distance: Letters inserted, left out, replaced or swapped.
        cost: Distance, made less by popularity: the smaller the likelier.
    """

    text: str
    kinds: int
    popularity: float
    distance: int
    cost: float


class Likeness(Protocol):
    """Strings that can be found by likeness."""

    def nearest(self, wanted: str, *, most_edits: int, kinds: int = ANY_KIND, limit: int = 5) -> Sequence[Near]:
        """The strings of these kinds within so many edits, likeliest first."""
        ...


def within(wanted: str, texts: Collection[str], most_edits: int) -> list[tuple[str, int, int]]:
    """Those of the texts within so many edits: each with its distance and its place."""
    from rapidfuzz import process  # here: many a client never misspells, and it takes 3 MB
    from rapidfuzz.distance import OSA

    near = process.extract(wanted, texts, scorer=OSA.distance, processor=None, score_cutoff=most_edits, limit=None)
    return [(text, int(distance), place) for text, distance, place in near]


def near_of(wanted: str, text: str, distance: int, known: tuple[int, float]) -> Near:
    """How likely a string of this distance is meant."""
    kinds, popularity = known
    cost = distance - _POPULARITY_EDITS * popularity - _FIRST_LETTER_EDITS * (text[:1] == wanted[:1])
    cost += _OBSCURE_EDITS * max(0.0, _OBSCURE_BELOW - popularity) / _OBSCURE_BELOW
    if kinds == PERSON:
        cost += _PERSON_EDITS
    if distance and _digits(text) != _digits(wanted):
        cost += _DIGIT_EDITS
    return Near(text, kinds, popularity, distance, cost)


def likeliest(found: Iterable[Near], wanted: str, limit: int) -> list[Near]:
    """The best of them."""
    best = sorted(found, key=lambda near: near.cost)[: limit + 3]
    if len(best) < 2:
        return best
    sound = sound_of(wanted)
    costs = {near.text: near.cost - _SOUND_EDITS * (sound_of(near.text) == sound) for near in best}
    return sorted(best, key=lambda near: costs[near.text])[:limit]


def sound_of(text: str) -> str:
    """A rough key of how Latin text sounds: vowels are one, letters for one sound are one, doubled ones count once."""
    simple = text
    for written, heard in _SOUNDS:
        simple = simple.replace(written, heard)
    return _REPEATED.sub(r"\1", simple.translate(_LETTERS))


class FewStrings:
    """Looks at every string of about the right length: for a few thousand."""

    def __init__(self, strings: Known) -> None:
        self._by_length: dict[int, dict[str, tuple[int, float]]] = {}
        for text, known in strings.items():
            self._by_length.setdefault(len(text), {})[text] = known

    def nearest(self, wanted: str, *, most_edits: int, kinds: int = ANY_KIND, limit: int = 5) -> Sequence[Near]:
        """The strings of these kinds within so many edits, likeliest first."""
        found = []
        for length in range(len(wanted) - most_edits, len(wanted) + most_edits + 1):
            strings = self._by_length.get(length, {})
            near = within(wanted, list(strings), most_edits)
            found += [near_of(wanted, text, distance, strings[text]) for text, distance, _ in near]
        found = [near for near in found if near.kinds & kinds]
        return likeliest(found, wanted, limit)


class Both:
    """Strings of two places; one that is in both counts as the second has it."""

    def __init__(self, first: Likeness, second: Likeness) -> None:
        self._places = (first, second)

    def nearest(self, wanted: str, *, most_edits: int, kinds: int = ANY_KIND, limit: int = 5) -> Sequence[Near]:
        """The strings of these kinds within so many edits, likeliest first."""
        found = {
            near.text: near
            for place in self._places
            for near in place.nearest(wanted, most_edits=most_edits, kinds=kinds, limit=limit)
        }
        return likeliest(found.values(), wanted, limit)


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))
