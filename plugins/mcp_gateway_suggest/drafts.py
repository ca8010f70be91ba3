"""What of a title matters to suggestions. A title of which nothing of this changed needs no work."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from mcp_gateway.catalog.models import Title, normalise_name, person_id_of

# Of each title, those by whose names it can be told from others.
TELLING_ACTORS = 4

# What people type for a genre besides its name, folded.
GENRE_ALIASES: Mapping[str, tuple[str, ...]] = {
    "science fiction": ("sci fi", "scifi", "sf"),
    "documentary": ("docu",),
    "film noir": ("noir",),
    "animation": ("cartoon", "animated"),
    "romance": ("romantic",),
    "musical": ("musicals",),
}


@dataclass(frozen=True)
class Draft:
    """A title as the index takes it.

    Attributes:
        popularity: 0 to 1.
        others: Its alternative names.
        people: The names of all who made it, directors first.
        telling: How many of `people` tell it from other titles: directors and leading actors.
    """

    id: str
    name: str
    year: int | None
    popularity: float
    others: tuple[str, ...]
    genres: tuple[str, ...]
    people: tuple[str, ...]
    telling: int

    @cached_property
    def mark(self) -> int:
        """Differs when anything does."""
        facts = (self.name, self.year, self.popularity, self.others, self.genres, self.people)
        return zlib.crc32(repr(facts).encode("utf-8", "replace"))

    @property
    def context(self) -> str:
        """All words by which it may be meant, folded, with spaces around them."""
        texts = (self.name, *self.others[:3], *self.genres, *self.people[: self.telling])
        words = " ".join((*map(normalise_name, texts), str(self.year or "")))
        return f" {words[:400]} "


def draft_of(title: Title) -> Draft:
    """Take from a title what matters."""
    directors = [credit.name for credit in title.credits if credit.role == "director"]
    actors = [credit.name for credit in title.credits if credit.role == "actor"]
    rest = [credit.name for credit in title.credits if credit.role == "writer"]
    first = dict.fromkeys((*directors, *actors[:TELLING_ACTORS]))
    return Draft(
        id=title.id,
        name=title.name,
        year=title.year,
        popularity=round(min(1.0, max(0.0, title.popularity / 100)), 4),
        others=tuple(other.name for other in title.alternative_titles),
        genres=title.genres,
        people=tuple(dict.fromkeys((*first, *actors, *rest))),
        telling=len(first),
    )


class PeopleAndGenres:
    """Adds up, over titles, how much each person and genre is wanted."""

    def __init__(self) -> None:
        self._people: dict[str, float] = {}
        self._genres: dict[str, int] = {}
        self._titles = 0

    def add(self, draft: Draft) -> None:
        """Count a title in."""
        worth = draft.popularity * draft.popularity
        people = self._people
        for name in draft.people:
            people[name] = people.get(name, 0.0) + worth
        for genre in draft.genres:
            self._genres[genre] = self._genres.get(genre, 0) + 1
        self._titles += 1

    def people(self) -> list[tuple[str, str, float]]:
        """(id, name, popularity from 0 to 1); spellings that fold to the same are one person."""
        found: dict[str, tuple[str, float]] = {}
        for name, worth in self._people.items():
            person = person_id_of(name)
            known = found.get(person)
            found[person] = (known[0], known[1] + worth) if known else (name, worth)
        # Half-way to 1 is who made six titles that everybody knows.
        return [(person, name, round(worth / (worth + 6), 4)) for person, (name, worth) in found.items()]

    def genres(self) -> list[tuple[str, float]]:
        """(name, popularity from 0 to 1): the more of the titles are of it."""
        return [(name, round((count / max(1, self._titles)) ** 0.5, 4)) for name, count in self._genres.items()]
