"""What all shapes of payloads have in common: kinds, ids, people and names of works."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from mcp_gateway.catalog.models import AlternativeTitle, Credit, Kind, Rating, Role

from .fields import MAX_ITEMS, Notes, as_number, cleaned, identifier, names, number, shown, whole
from .genres import Meaning
from .ratings import rating_of
from .regions import country_of
from .rules import Unusable

_KINDS: Mapping[str, Kind] = {
    "movie": "movie", "film": "movie", "feature": "movie", "standalone": "movie", "special": "movie",
    "tv show": "series", "tv": "series", "show": "series", "series": "series", "tv series": "series",
    "miniseries": "series", "mini_series": "series", "season": "season", "show_season": "season",
    "episode": "episode", "show_episode": "episode",
}  # fmt: skip
_IMDB_ID = re.compile(r"tt\d{7,10}")
_LONGEST = 300
_SHORT = 6  # what is shorter may be the end of the name before it
_NAME_ENDINGS = frozenset({"jr.", "jr", "sr.", "sr", "ii", "iii", "iv", "m.d.", "ph.d."})


def kind_of(value: object, field: str) -> Kind:
    """The kind of a title.

    Raises:
        Unusable: It is none that we know.
    """
    kind = _KINDS.get(value.strip().lower()) if isinstance(value, str) and len(value) <= 40 else None
    if kind is None:
        raise Unusable(f"{field}: {shown(value)} is neither film nor series" if value else f"{field}: is missing")
    return kind


def needed(value: str | None, values: Mapping[Any, Any], field: str) -> str:
    """The value, which a title cannot be without.

    Raises:
        Unusable: It is None; says whether the field was missing or wrong.
    """
    if value is not None:
        return value
    raw = values.get(field)
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        raise Unusable(f"{field}: is missing")
    raise Unusable(f"{field}: {shown(raw)[:100]!r} cannot be used")


def key_of(values: Mapping[Any, Any], field: str) -> str:
    """The id in a field.

    Raises:
        Unusable: There is none.
    """
    return needed(identifier(values.get(field)), values, field)


def imdb_id(value: object) -> str | None:
    """The value when it is an IMDb id of a title."""
    return value if isinstance(value, str) and _IMDB_ID.fullmatch(value) else None


def rating(values: Mapping[Any, Any], field: str, notes: Notes, *, scale: int = 10, votes: str = "") -> Rating | None:
    """A score from 0 to `scale`, brought to 0 to 10, with the votes of another field."""
    score = number(values, field, notes, 0, scale)
    if score is None or (score == 0 and scale != 10):  # scales of 100 write 0 for unknown
        return None
    count = whole(values, votes, notes, 0, 10**10) if votes else None
    return Rating(round(score * 10 / scale, 4), count)


def people(listed: Iterable[str], role: Role) -> list[Credit]:
    """The credits of people in one role, each once, in their order."""
    return [Credit(name, role) for name in dict.fromkeys(listed)]


def people_of_cell(cell: str, role: Role) -> list[Credit]:
    """The credits of names that are separated by commas, in their order; `Robert Downey, Jr.` is one name."""
    if not cell:
        return []
    cell = cleaned(cell)
    parts = cell.split(", ")
    lengths = [*map(len, parts)]
    plain = len(parts) <= MAX_ITEMS and cell.count(",") == len(parts) - 1
    if not plain or min(lengths) < _SHORT or max(lengths) > _LONGEST:
        parts = _whole_names([part.strip() for part in cell.split(",")[:MAX_ITEMS]])
    return people(parts, role)


def _whole_names(parts: list[str]) -> list[str]:
    found: list[str] = []
    for part in parts:
        if found and part.lower() in _NAME_ENDINGS:
            found[-1] = f"{found[-1]}, {part}"
        elif 0 < len(part) <= _LONGEST:
            found.append(part)
    return found


def other_names(name: str, listed: Iterable[str | None], language: str | None = None) -> tuple[AlternativeTitle, ...]:
    """The other names of a title, sorted, without those that are the same as `name`."""
    found = {other for other in listed if other} - {name}
    return tuple([AlternativeTitle(other, language) for other in sorted(found)]) if found else ()


def countries_of(values: Mapping[Any, Any], field: str, notes: Notes) -> tuple[str, ...]:
    """The countries of a list of codes, sorted."""
    found = set()
    for name in names(values, field, notes):
        code = country_of(name)
        if code is None:
            notes.add(field, name)
        else:
            found.add(code)
    return tuple(sorted(found))


@lru_cache(maxsize=4096)
def countries_of_cell(cell: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The countries of a cell that are separated by commas, and the names that are none; both sorted."""
    listed = {part.strip() for part in cell.split(",")} - {""}
    codes = {name: country_of(name) for name in listed}
    known = {code for code in codes.values() if code}
    return tuple(sorted(known)), tuple(sorted(name for name, code in codes.items() if not code))


def age_rating(values: Mapping[Any, Any], field: str, notes: Notes) -> tuple[str | None, tuple[str, ...]]:
    """The US rating of a field, or as keyword the age that another system names."""
    value = values.get(field)
    if value is None or value == "":
        return None, ()
    read = rating_of(value) if isinstance(value, str) and len(value) <= 40 else None
    if read is None:
        notes.add(field, value)
        return None, ()
    return read.certification, (read.keyword,) if read.keyword else ()


def genre_names(values: Mapping[Any, Any], field: str, notes: Notes) -> list[str | int]:
    """The genres of a list, given as names, as numbers, or as objects that have one or the other."""
    found: list[str | int] = []
    value = values.get(field)
    for item in value[:MAX_ITEMS] if isinstance(value, list) else []:
        named = item
        if isinstance(item, dict):
            named = next((item[k] for k in ("name", "shortName", "short_name", "id") if item.get(k)), None)
        if (isinstance(named, str) and 0 < len(named) <= 100) or (
            isinstance(named, int) and not isinstance(named, bool) and abs(named) < 10**9
        ):
            found.append(named)
        else:
            notes.add(field, item)
    if value is not None and not isinstance(value, list):
        notes.add(field, value)
    return found


def keywords_of(meaning: Meaning, *others: str) -> tuple[str, ...]:
    """The keywords of genre names and others, sorted."""
    return tuple(sorted({*meaning.keywords, *others})) if others else meaning.keywords


def scored(**ratings: Rating | None) -> dict[str, Rating]:
    """The ratings that are known, by source."""
    return {source: value for source, value in ratings.items() if value is not None}


def known(**ids: str | None) -> dict[str, str]:
    """The ids that are known, by scheme."""
    return {scheme: value for scheme, value in ids.items() if value}


def tmdb_number(value: object) -> str | None:
    """The number of a TMDB id, given as number, `603`, `movie/603` or, for a season, `46648:1`."""
    written = identifier(value)
    if written is None:
        return None
    tail = written.rpartition("/")[2]
    plain = tail.replace(":", "", 1)
    return tail if plain.isascii() and plain.isdecimal() and as_number(plain) else None
