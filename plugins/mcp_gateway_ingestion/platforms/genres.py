"""What platforms' genre names mean: genres of ours, free keywords, or a badge. Names are compared without case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from mcp_gateway.catalog.platforms import Badge

from .fields import Notes

GENRES: Final = frozenset(
    [
        "Action", "Adventure", "Animation", "Biography", "Comedy", "Crime", "Documentary", "Drama", "Family", "Fantasy",
        "Film-Noir", "History", "Horror", "Music", "Musical", "Mystery", "News", "Reality", "Romance",
        "Science Fiction", "Short", "Sport", "Talk Show", "Thriller", "War", "Western",
    ]
)  # fmt: skip
"""The catalogue's genres. In the tables below every other word is a keyword."""

Table = Mapping[str, tuple[str, ...]]

_SELF: Table = {genre.lower(): (genre,) for genre in GENRES}

COMMON: Table = {
    **_SELF,
    "action & adventure": ("Action", "Adventure"),
    "action and adventure": ("Action", "Adventure"),
    "action-adventure": ("Action", "Adventure"),
    "action/adventure": ("Action", "Adventure"),
    "adult": ("adult",),
    "adult animation": ("Animation", "adult animation"),
    "animals & nature": ("Documentary", "nature"),
    "animated": ("Animation",),
    "anime": ("Animation", "anime"),
    "anthology": ("anthology",),
    "biographical": ("Biography",),
    "biopic": ("Biography",),
    "cartoons": ("Animation", "Family"),
    "children": ("Family", "children"),
    "classics": ("classic",),
    "comedies": ("Comedy",),
    "coming of age": ("coming of age",),
    "concert film": ("Music", "concert"),
    "documentaries": ("Documentary",),
    "documentation": ("Documentary",),
    "docudrama": ("Documentary", "Drama"),
    "docuseries": ("Documentary", "docuseries"),
    "dramas": ("Drama",),
    "european": ("european",),
    "faith & spirituality": ("faith",),
    "faith and spirituality": ("faith",),
    "film noir": ("Film-Noir",),
    "food": ("food",),
    "game show": ("Reality", "game show"),
    "game shows": ("Reality", "game show"),
    "game-show": ("Reality", "game show"),
    "historical": ("History",),
    "independent": ("independent",),
    "international": ("international",),
    "kids": ("Family", "children"),
    "kids & family": ("Family", "children"),
    "lgbtq": ("lgbtq",),
    "lgbtq+": ("lgbtq",),
    "lifestyle": ("lifestyle",),
    "movies": (),
    "music & musicals": ("Music", "Musical"),
    "parody": ("Comedy", "parody"),
    "reality tv": ("Reality",),
    "reality-tv": ("Reality",),
    "romantic comedy": ("Romance", "Comedy"),
    "sci-fi": ("Science Fiction",),
    "sci-fi & fantasy": ("Science Fiction", "Fantasy"),
    "science & nature": ("Documentary", "nature", "science"),
    "science-fiction": ("Science Fiction",),
    "scifi": ("Science Fiction",),
    "series": (),
    "short film": ("Short",),
    "shorts": ("Short",),
    "sitcom": ("Comedy", "sitcom"),
    "sketch comedy": ("Comedy", "sketch comedy"),
    "soap": ("Drama", "soap opera"),
    "soap opera": ("Drama", "soap opera"),
    "sports": ("Sport",),
    "stand up": ("Comedy", "stand-up"),
    "stand-up comedy": ("Comedy", "stand-up"),
    "standup comedy": ("Comedy", "stand-up"),
    "superhero": ("superhero",),
    "suspense": ("Thriller",),
    "talk": ("Talk Show",),
    "talk-show": ("Talk Show",),
    "teen": ("teen",),
    "thrillers": ("Thriller",),
    "travel": ("travel",),
    "tv movie": ("tv movie",),
    "tv shows": (),
    "variety": ("variety",),
    "war & politics": ("War", "politics"),
}

_TMDB = {
    28: "Action", 12: "Adventure", 16: "Animation", 35: "Comedy", 80: "Crime", 99: "Documentary", 18: "Drama",
    10751: "Family", 14: "Fantasy", 36: "History", 27: "Horror", 10402: "Music", 9648: "Mystery", 10749: "Romance",
    878: "Science Fiction", 10770: "TV Movie", 53: "Thriller", 10752: "War", 37: "Western",
    10759: "Action & Adventure", 10762: "Kids", 10763: "News", 10764: "Reality", 10765: "Sci-Fi & Fantasy",
    10766: "Soap", 10767: "Talk", 10768: "War & Politics",
    # Streaming Availability v2 numbers what TMDB does not have from 1.
    1: "Biography", 2: "Film Noir", 3: "Game Show", 4: "Musical", 5: "Sport", 6: "Short", 7: "Adult",
}  # fmt: skip
_JUSTWATCH = {
    "act": "Action", "ani": "Animation", "cmy": "Comedy", "crm": "Crime", "doc": "Documentary", "drm": "Drama",
    "eur": "European", "fml": "Family", "fnt": "Fantasy", "hrr": "Horror", "hst": "History", "msc": "Music",
    "rly": "Reality", "rma": "Romance", "scf": "Science Fiction", "spt": "Sport", "trl": "Thriller", "war": "War",
    "wsn": "Western",
}  # fmt: skip


class Meaning(NamedTuple):
    """What a title's genre names mean: all sorted, `unknown` in the words of the payload."""

    genres: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    badges: tuple[Badge, ...] = ()
    unknown: tuple[str, ...] = ()

    def noted(self, field: str, notes: Notes) -> Meaning:
        """This, after what was not understood has been noted."""
        for name in self.unknown:
            notes.add(field, name)
        return self


class Vocabulary:
    """The genre names of one platform: those that all use, and its own."""

    _REMEMBERED = 4096

    def __init__(self, own: Table | None = None, *, badges: Mapping[str, str] | None = None) -> None:
        """Take the platform's own names, which go before the common ones, and the names that are badges."""
        self._table = {**COMMON, **(own or {})}
        self._badges = dict(badges or {})
        # A name that itself contains commas must be found before a cell is split at them.
        self._with_commas = [name for name in self._table if "," in name]
        self._cells: dict[str, Meaning] = {}

    def of_cell(self, cell: str) -> Meaning:
        """What names mean that are separated by commas. Remembered: a catalogue has few hundred such cells."""
        known = self._cells.get(cell)
        if known is None:
            known = self.of_names(self._split(cell), "listed_in")
            if len(self._cells) < self._REMEMBERED:
                self._cells[cell] = known
        return known

    def of_names(self, names: Iterable[str | int], field: str = "genres") -> Meaning:
        """What names mean, or numbers of TMDB."""
        words: set[str] = set()
        badges: set[Badge] = set()
        unknown: set[str] = set()
        for name in names:
            badge = self.badge(name, field) if isinstance(name, str) else None
            meant = self._meaning(name)
            if badge is not None:
                badges.add(badge)
            elif meant is None:
                unknown.add(str(name))
            else:
                words.update(meant)
        found = words & GENRES
        return Meaning(
            tuple(sorted(found)), tuple(sorted(words - found)), tuple(sorted(badges)), tuple(sorted(unknown))
        )

    def badge(self, phrase: str, field: str) -> Badge | None:
        """The badge that a phrase is the name of: the whole phrase, so that `Original soundtrack` is none."""
        name = self._badges.get(_folded(phrase))
        return Badge(name, f"{field}: {phrase}") if name else None

    def _meaning(self, name: str | int) -> tuple[str, ...] | None:
        plain = _TMDB.get(name, "") if isinstance(name, int) else _JUSTWATCH.get(name, name)
        return self._table.get(_folded(plain))

    def _split(self, cell: str) -> list[str]:
        rest, found = _folded(cell), []
        for name in self._with_commas:
            if name in rest:
                found.append(name)
                rest = rest.replace(name, "")
        spelled = {_folded(part): part.strip() for part in cell.split(",")}
        return found + [spelled.get(part, part) for part in map(_folded, rest.split(",")) if part]


def _folded(name: str) -> str:
    return " ".join(name.lower().split())
