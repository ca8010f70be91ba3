"""What common words of queries mean, read from `synonyms.toml` and a file of one's own."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mcp_gateway.catalog.models import normalise_name

BUILT_IN = Path(__file__).with_name("synonyms.toml")

TABLES = (
    "kinds", "genres", "combinations", "nouns", "moods", "languages", "countries", "regions", "platforms",
    "equivalents",
)  # fmt: skip

SLOTS = ("combinations", "moods", "genres", "kinds", "languages", "countries", "platforms", "regions")

Table = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Lexicon:
    """Tables of a phrase and what it stands for; see `synonyms.toml`.

    Attributes:
        phrases: By slot and folded phrase its values: `phrases["genres"]["sci fi"] == ("Science Fiction",)`.
        equivalents: Of a folded word those that mean much the same.
    """

    phrases: Mapping[str, Table]
    equivalents: Table

    @classmethod
    def read(cls, *files: Path) -> Lexicon:
        """Put the tables of all files together.

        Raises:
            ValueError: A file is not TOML, or has another form.
        """
        tables: dict[str, dict[str, list[str]]] = {name: {} for name in TABLES}
        for file in files or (BUILT_IN,):
            for name, rows in _tables_of(file).items():
                for key, words in rows.items():
                    known = tables[name].setdefault(key, [])
                    known += [word for word in words if word not in known]
        phrases = {name: _turned(tables[name]) for name in TABLES if name not in {"combinations", "equivalents"}}
        phrases["combinations"] = _folded(tables["combinations"], fold_values=False)
        return cls(phrases, _folded(tables["equivalents"], fold_values=True))

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of every phrase: none of them is misspelt."""
        tables = (*self.phrases.values(), self.equivalents)
        return frozenset(word for table in tables for phrase in table for word in phrase.split())

    @cached_property
    def slots(self) -> Mapping[str, str]:
        """Of each folded phrase the slot that it fills; where it is in several tables, the first of `SLOTS`."""
        return {phrase: slot for slot in reversed(SLOTS) for phrase in self.phrases[slot]}

    @cached_property
    def first_words(self) -> frozenset[str]:
        """The words that a phrase may begin with."""
        return frozenset(phrase.split()[0] for phrase in self.slots if phrase)

    @cached_property
    def longest(self) -> int:
        """The most words that a phrase has."""
        return max((len(phrase.split()) for table in self.phrases.values() for phrase in table), default=1)


def _tables_of(file: Path) -> Mapping[str, Mapping[str, list[str]]]:
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file.name}: {error}") from None
    return _checked(content, file.name)


def _checked(content: Mapping[str, object], file: str) -> Mapping[str, Mapping[str, list[str]]]:
    for name, rows in content.items():
        if name not in TABLES:
            raise ValueError(f"{file}: [{name}] is not one of {', '.join(TABLES)}")
        if not isinstance(rows, dict) or not all(
            isinstance(words, list) and all(isinstance(word, str) for word in words) for words in rows.values()
        ):
            raise ValueError(f"{file}: [{name}] needs lines such as: name = ['word', 'other words']")
    return content  # type: ignore[return-value]  # checked above


def _turned(rows: Mapping[str, Iterable[str]]) -> Table:
    turned: dict[str, tuple[str, ...]] = {}
    for key, words in rows.items():
        for word in words:
            turned[normalise_name(word)] = (key,)
    return turned


def _folded(rows: Mapping[str, Iterable[str]], *, fold_values: bool) -> Table:
    return {
        normalise_name(key): tuple(normalise_name(word) if fold_values else word for word in words)
        for key, words in rows.items()
    }
