"""What a query says: its words, and the year that may stand before or behind them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from mcp_gateway.catalog.models import normalise_name

# More words narrow nothing down, and each costs time.
MAX_WORDS = 32
MAX_WORD_CHARS = 200

# Words that say nothing when a title needs to have only most of a query's words.
STOP_WORDS = frozenset((
    "a", "about", "an", "and", "any", "are", "as", "at", "be", "but", "by", "can", "do", "for", "from", "give", "has",
    "have", "i", "in", "is", "it", "me", "movie", "movies", "film", "films", "of", "on", "one", "or", "show", "shows",
    "some", "that", "the", "there", "this", "to", "was", "what", "where", "which", "who", "with", "you",
))  # fmt: skip

_YEAR = re.compile(r"(18[89]|19\d|20\d)\d")
_BEFORE_YEAR = frozenset(("from", "of", "in"))


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to take a query: words to find, and the year the title is of."""

    words: tuple[str, ...]
    year: int | None = None

    @property
    def name(self) -> str:
        """The words as the name of a title."""
        return " ".join(self.words)


@lru_cache(maxsize=64)
def words_of(query: str) -> tuple[tuple[str, ...], int]:
    """The folded words of a query, and how many more there were that are not used."""
    words = [word[:MAX_WORD_CHARS] for word in normalise_name(query).split()]
    return tuple(words[:MAX_WORDS]), max(0, len(words) - MAX_WORDS)


def readings_of(words: tuple[str, ...]) -> list[Reading]:
    """All words as they stand; and, where the first or last is a year, the others as a title of that year."""
    readings = [Reading(words)]
    if len(words) > 1 and _YEAR.fullmatch(words[-1]):
        rest = words[:-2] if len(words) > 2 and words[-2] in _BEFORE_YEAR else words[:-1]
        readings.append(Reading(rest, int(words[-1])))
    if len(words) > 1 and _YEAR.fullmatch(words[0]):
        readings.append(Reading(words[1:], int(words[0])))
    return readings


def content_words(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words that say something, each once; all of them when none does."""
    telling = tuple(dict.fromkeys(word for word in words if word not in STOP_WORDS))
    return telling or tuple(dict.fromkeys(words))
