"""What every engine takes in: the same names and words, folded in the same way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from mcp_gateway.catalog.models import Title, normalise_name
from mcp_gateway.catalog.store import Catalog

LIMIT = 10
MOST_POPULAR = 100.0
# Of somebody's titles, so many of the most popular.
MOST_OF_A_PERSON = LIMIT

Ask = Callable[[str], Awaitable[list[str]]]
"""The ids of the best ten titles for a query, best first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A title, its texts folded. `popularity` is from 0 to 1."""

    id: str
    name: str
    others: str
    people: str
    rest: str
    popularity: float


@dataclass(slots=True)
class Name:
    """A whole name, of titles or of a person, and the titles that go with it, most popular first."""

    popularity: float
    ids: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Peer:
    """Another engine.

    Attributes:
        build: Makes what it needs in a folder of its own.
        clock: `CPU`, or `wall` where the work is done by another process.
    """

    name: str
    build: Callable[[Path, Entries], Awaitable[Ask]]
    clock: str = "CPU"


@dataclass(slots=True)
class Entries:
    """The catalogue as the others take it in."""

    titles: list[Entry] = field(default_factory=list)
    names: dict[str, Name] = field(default_factory=dict)

    def add(self, title: Title) -> None:
        """Take in a title."""
        name = normalise_name(title.name)
        others = [normalise_name(other.name) for other in title.alternative_titles]
        people = list(dict.fromkeys(normalise_name(credit.name) for credit in title.credits))
        texts = (*title.keywords, *title.genres, str(title.year), title.tagline or "", title.overview or "")
        rest = " ".join(normalise_name(text) for text in texts)
        popularity = title.popularity / MOST_POPULAR
        self.titles.append(Entry(title.id, name, " ".join(others), " ".join(people), rest, popularity))
        for text in dict.fromkeys((name, *others, *people)):
            self._add_name(text, title)

    def _add_name(self, text: str, title: Title) -> None:
        if not text:
            return
        # Titles come most popular first.
        known = self.names.setdefault(text, Name(title.popularity / MOST_POPULAR))
        if len(known.ids) < MOST_OF_A_PERSON:
            known.ids.append(title.id)


async def read(catalog: Catalog) -> Entries:
    """All titles of a catalogue."""
    entries = Entries()
    async for batch in _batches(catalog):
        for title in batch:
            entries.add(title)
    return entries


def _batches(catalog: Catalog) -> AsyncIterator[list[Title]]:
    return catalog.changed_since(0, batch_size=2000)


def first_ten(groups: list[list[str]]) -> list[str]:
    """The ids of several names as one list, each once."""
    return list(dict.fromkeys(title_id for ids in groups for title_id in ids))[:LIMIT]
