"""A query as text from which meanings are taken one by one: what is taken leaves a barrier that no phrase crosses."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator
from itertools import takewhile
from typing import NamedTuple

from mcp_gateway.catalog.models import normalise_name

# A question is not longer; the rest says little and costs time.
MAX_CHARS = 400

# Folding takes points and signs away: "7.5" must not become two numbers, and "8+" means at least 8.
_DECIMAL = re.compile(r"(?<=\d)[.,](?=\d)")
_PLUS = re.compile(r"(?<=\d)\+")
_LETTER_PLUS = re.compile(r"(?<=[^\W\d_])\+")
_POSSESSIVE = re.compile(r"['\u2019]s\b")
POINT = "point"

_BARRIER = "|"
_TOKEN = re.compile(r"[^\s|]+|\|+")

# Words that hold a question together, and say nothing of what is looked for.
FILLERS = frozenset((
    "a", "about", "above", "also", "am", "an", "and", "any", "are", "as", "at", "available", "be", "been", "best",
    "both", "but", "by", "called", "can", "classic", "could", "did", "do", "does", "find", "for", "from", "get",
    "give", "good", "got", "great", "greatest", "had", "has", "have", "i", "id", "if", "im", "in", "is", "it", "its",
    "kind", "like", "list", "looking", "m", "made", "me", "my", "name", "of", "on", "one", "ones", "or", "please",
    "produced", "recommend", "released", "s", "search", "see", "set", "show", "so", "some", "something", "sort",
    "starring", "stars", "suggest", "tell", "that", "the", "there", "these", "they", "thing", "things", "thinking",
    "this", "titles", "to", "top", "type", "ve", "want", "was", "watch", "were", "what", "whats", "when", "where",
    "which", "who", "whose", "with", "would", "you", "your",
))  # fmt: skip


class Token(NamedTuple):
    """A word and where it stands."""

    word: str
    start: int
    end: int

    @property
    def barrier(self) -> bool:
        """Whether this is a gap, from which something has been taken, and no word."""
        return self.word[0] == _BARRIER


class QueryText:
    """A folded query. `take` removes what was understood."""

    def __init__(self, query: str) -> None:
        self.query = query
        self.folded = fold(query)
        self.left = self.folded
        self._words = frozenset(self.folded.split())
        self._tokens: list[Token] = []
        self._tokens_of: str | None = None

    def take(self, pattern: re.Pattern[str], use: Callable[[re.Match[str]], bool]) -> None:
        """Hand each match to `use`, and remove those that it accepts."""
        found = pattern.search(self.left)
        while found:
            accepted = use(found)
            if accepted:
                self.remove(found.start(), found.end())
            found = pattern.search(self.left, found.end())

    def had_any(self, words: frozenset[str]) -> bool:
        """Whether the query has one of the words: where patterns need one, this saves a search for them."""
        return not self._words.isdisjoint(words)

    def remove(self, start: int, end: int) -> None:
        """Put a barrier in place of a stretch."""
        self.left = f"{self.left[:start]}{_BARRIER * (end - start)}{self.left[end:]}"

    def tokens(self) -> list[Token]:
        """The words that are left, and barriers."""
        if self._tokens_of != self.left:
            self._tokens = [Token(found[0], *found.span()) for found in _TOKEN.finditer(self.left)]
            self._tokens_of = self.left
        return self._tokens

    def words(self) -> list[str]:
        """The words that are left."""
        return [token.word for token in self.tokens() if not token.barrier]

    def telling_words(self, silent: frozenset[str] = frozenset()) -> list[str]:
        """The words that are left and say something; those of `silent` do not."""
        return [
            word.replace(POINT, " ") if word[:1].isdigit() else word
            for word in self.words()
            if word not in FILLERS and word not in silent
        ]

    def phrases(
        self, known: Container[str], *, longest: int, begin_with: Container[str]
    ) -> Iterator[tuple[str, int, int]]:
        """Every known row of words that crosses no barrier and where it stands, from the left, the longest first.

        Args:
            longest: The most words that a known one has.
            begin_with: The words that known ones begin with.
        """
        tokens = self.tokens()
        for first, token in enumerate(tokens):
            if token.word not in begin_with:
                continue
            row = list(takewhile(_is_word, tokens[first : first + longest]))
            for count in range(len(row), 0, -1):
                phrase = " ".join([word for word, _, _ in row[:count]])
                if phrase in known:
                    yield phrase, token.start, row[count - 1].end


def _is_word(token: Token) -> bool:
    return token.word[0] != _BARRIER


def fold(query: str) -> str:
    """Fold a query as names are folded, but keep decimals and possessives apart."""
    text = query[:MAX_CHARS]
    if not text.isalnum():
        text = _POSSESSIVE.sub(" s", _LETTER_PLUS.sub(" plus", _PLUS.sub(" or more", _DECIMAL.sub(POINT, text))))
    return normalise_name(text)
