"""Rows of platforms' catalogues, as lists of them go round: each a title that the platform has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from mcp_gateway.catalog.models import Credit, Kind, TitleFacts
from mcp_gateway.catalog.platforms import PlatformTitle, Sighting

from .fields import MAX_NAME, MAX_OVERVIEW, Notes, day, identifier, names, objects, text, whole, year
from .names import parts_of
from .offers import listed_offer
from .ratings import Length, length_of, rating_of
from .regions import country_of, midnight
from .rules import Rules, Unusable
from .works import (
    age_rating,
    countries_of_cell,
    imdb_id,
    key_of,
    keywords_of,
    kind_of,
    known,
    needed,
    other_names,
    people_of_cell,
    rating,
    scored,
)

_QUOTED: Final = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_RATIO = re.compile(r"(\d{1,3}(?:\.\d+)?)/(10|100)")


def read_listing(row: Mapping[Any, Any], rules: Rules, seen: Sighting, notes: Notes) -> PlatformTitle:
    """A row `show_id, type, title, director, cast, country, date_added, release_year, rating, duration, …`.

    Raises:
        Unusable: Id, kind or title are missing.
    """
    key, kind = key_of(row, "show_id"), kind_of(row.get("type"), "type")
    given = needed(text(row, "title", notes), row, "title")
    parts = parts_of(given)
    length, certification, ages = _length_and_rating(row, notes)
    meaning = rules.vocabulary.of_cell(_cell(row, "listed_in", notes)).noted("listed_in", notes)
    countries, strange = countries_of_cell(_cell(row, "country", notes))
    for name in strange:
        notes.add("country", name)
    cast = people_of_cell(_cell(row, "cast", notes, MAX_OVERVIEW), "actor")
    directors = people_of_cell(_cell(row, "director", notes, MAX_OVERVIEW), "director")
    offers = listed_offer(rules, seen, quality=parts.quality, audio=parts.audio, subtitles=parts.subtitles,
        valid_from=_added(row, seen, notes),
    )  # fmt: skip
    overview = text(row, "description", notes, MAX_OVERVIEW)
    facts = TitleFacts(
        kind=kind,
        name=parts.name,
        year=_first_year(row, kind, length, rules, notes),
        runtime_minutes=length.minutes,
        season_count=length.seasons if kind == "series" else None,
        overview=overview,
        overview_source=rules.key if overview else None,
        certification=certification,
        genres=meaning.genres,
        keywords=keywords_of(meaning, *ages),
        countries=countries,
        alternative_titles=other_names(parts.name, (given,)) if parts.name != given else (),
        credits=tuple(cast + directors),
    )
    return PlatformTitle(key=key, facts=facts, offers=offers, badges=meaning.badges)


def read_hotstar(row: Mapping[Any, Any], rules: Rules, seen: Sighting, notes: Notes) -> PlatformTitle:
    """A row `hotstar_id, title, description, genre, year, age_rating, running_time, seasons, episodes, type`.

    Raises:
        Unusable: Id, kind or title are missing.
    """
    key, kind = key_of(row, "hotstar_id"), kind_of(row.get("type"), "type")
    name = needed(text(row, "title", notes), row, "title")
    meaning = rules.vocabulary.of_cell(_cell(row, "genre", notes)).noted("genre", notes)
    certification, ages = age_rating(row, "age_rating", notes)
    overview = text(row, "description", notes, MAX_OVERVIEW)
    facts = TitleFacts(
        kind=kind,
        name=name,
        year=year(row, "year", notes),
        runtime_minutes=whole(row, "running_time", notes) or None,
        season_count=whole(row, "seasons", notes) or None,
        overview=overview,
        overview_source="hotstar" if overview else None,
        certification=certification,
        genres=meaning.genres,
        keywords=keywords_of(meaning, *ages),
        external_ids={"hotstar": key},
    )
    return PlatformTitle(key=key, facts=facts, offers=listed_offer(rules, seen), badges=meaning.badges)


def read_justwatch_row(row: Mapping[Any, Any], rules: Rules, seen: Sighting, notes: Notes) -> PlatformTitle:
    """A row `id, title, type, description, release_year, age_certification, runtime, genres, …` from JustWatch.

    `credits`, where there are any, are objects with `name`, `character` and `role`, in billing order.

    Raises:
        Unusable: Id, kind or title are missing.
    """
    key, kind = key_of(row, "id"), kind_of(row.get("type"), "type")
    name = needed(text(row, "title", notes), row, "title")
    meaning = rules.vocabulary.of_names(_quoted(row, "genres", notes)).noted("genres", notes)
    certification, ages = age_rating(row, "age_certification", notes)
    tmdb = rating(row, "tmdb_score", notes)
    overview = text(row, "description", notes, MAX_OVERVIEW)
    facts = TitleFacts(
        kind=kind,
        name=name,
        year=year(row, "release_year", notes),
        runtime_minutes=whole(row, "runtime", notes) or None,
        season_count=whole(row, "seasons", notes) or None,
        overview=overview,
        overview_source="justwatch" if overview else None,
        certification=certification,
        genres=meaning.genres,
        keywords=keywords_of(meaning, *ages),
        countries=_countries(row, notes),
        credits=_credits(row, notes),
        ratings=scored(imdb=rating(row, "imdb_score", notes, votes="imdb_votes"), tmdb=tmdb),
        external_ids=known(imdb=_imdb(row, notes), justwatch=key),
    )
    return PlatformTitle(key=key, facts=facts, offers=listed_offer(rules, seen), badges=meaning.badges)


def read_reelgood(row: Mapping[Any, Any], rules: Rules, seen: Sighting, notes: Notes) -> PlatformTitle | None:
    """A row with a column a platform, `Netflix, Hulu, Prime Video, Disney+`: each platform reads its own.

    Returns:
        None when the row says that the platform has not got the title, or nothing about the platform.

    Raises:
        Unusable: Kind, title or id are missing.
    """
    if rules.has_offers and not _marked(row, rules, notes):
        return None
    kind = _reelgood_kind(row)
    name = needed(text(row, "Title", notes), row, "Title")
    # The list of series has no ids but the number of the line, in a column without a name.
    key = needed(identifier(row.get("ID")) or identifier(row.get("")), row, "ID")
    meaning = rules.vocabulary.of_cell(_cell(row, "Genres", notes)).noted("Genres", notes)
    certification, ages = age_rating(row, "Age", notes)
    countries, strange = countries_of_cell(_cell(row, "Country", notes))
    for country in strange:
        notes.add("Country", country)
    facts = TitleFacts(
        kind=kind,
        name=name,
        year=year(row, "Year", notes),
        runtime_minutes=whole(row, "Runtime", notes) or None,
        certification=certification,
        genres=meaning.genres,
        keywords=keywords_of(meaning, *ages),
        countries=countries,
        credits=tuple(people_of_cell(_cell(row, "Directors", notes, MAX_OVERVIEW), "director")),
        ratings=scored(imdb=rating(_out_of(row, "IMDb"), "IMDb", notes)),
    )
    offers = listed_offer(rules, seen)
    return PlatformTitle(key=f"{kind}-{key}", facts=facts, offers=offers, badges=meaning.badges)


def _cell(row: Mapping[Any, Any], field: str, notes: Notes, limit: int = MAX_NAME) -> str:
    """The text of a cell as it came; empty when there is none, or it is too long, or something else."""
    value = row.get(field)
    if value.__class__ is str and len(value) <= limit:
        return value
    if value is not None:
        notes.add(field, value)
    return ""


def _length_and_rating(row: Mapping[Any, Any], notes: Notes) -> tuple[Length, str | None, tuple[str, ...]]:
    """Length and age rating. In some rows the length stands in the column of the rating."""
    duration, written = _cell(row, "duration", notes, 40), _cell(row, "rating", notes, 40)
    misplaced = length_of(written) if written and not rating_of(written) else None
    length = length_of(duration) if duration else misplaced
    if duration and length is None:
        notes.add("duration", duration)
    if misplaced is not None:
        return length or Length(), None, ()
    return length or Length(), *age_rating(row, "rating", notes)


def _first_year(row: Mapping[Any, Any], kind: Kind, length: Length, rules: Rules, notes: Notes) -> int | None:
    """The year; of a series with several seasons only where the platform does not give that of the latest."""
    if kind == "series" and rules.latest_season_year and length.seasons != 1:
        return None
    return year(row, "release_year", notes)


def _added(row: Mapping[Any, Any], seen: Sighting, notes: Notes) -> Any:
    value = row.get("date_added")
    if value is None or value == "":
        return None
    added = day(value) if isinstance(value, str) and len(value) <= 40 else None
    if added is None:
        notes.add("date_added", value)
        return None
    return midnight(added, seen.region)


def _quoted(row: Mapping[Any, Any], field: str, notes: Notes) -> tuple[str, ...] | list[str]:
    """The texts of a cell such as `['drama', 'comedy']`, or of a list."""
    value = row.get(field)
    if value.__class__ is str:
        return _quoted_texts(value) if value[:1] == "[" and len(value) <= MAX_NAME else _not_quoted(field, value, notes)
    return names(row, field, notes)


def _not_quoted(field: str, value: str, notes: Notes) -> tuple[str, ...]:
    if value:
        notes.add(field, value)
    return ()


@lru_cache(maxsize=8192)
def _quoted_texts(cell: str) -> tuple[str, ...]:
    return tuple([single or double for single, double in _QUOTED.findall(cell)])


def _countries(row: Mapping[Any, Any], notes: Notes) -> tuple[str, ...]:
    found = set()
    for name in _quoted(row, "production_countries", notes):
        code = country_of(name)
        if code is None:
            notes.add("production_countries", name)
        else:
            found.add(code)
    return tuple(sorted(found))


def _credits(row: Mapping[Any, Any], notes: Notes) -> tuple[Credit, ...]:
    if "credits" not in row:
        return ()
    found: list[Credit] = []
    for person in objects(row, "credits", notes):
        role, name = person.get("role"), text(person, "name", notes, 300)
        if name and role == "ACTOR":
            found.append(Credit(name, "actor", text(person, "character", notes)))
        elif name and role == "DIRECTOR":
            found.append(Credit(name, "director"))
        else:
            notes.add("credits", role)
    return tuple(found)


def _imdb(row: Mapping[Any, Any], notes: Notes) -> str | None:
    value = row.get("imdb_id")
    found = imdb_id(value)
    if found is None and value is not None and value != "":
        notes.add("imdb_id", value)
    return found


def _marked(row: Mapping[Any, Any], rules: Rules, notes: Notes) -> bool:
    value = row.get(rules.column) if rules.column else None
    if value in ("1", 1):
        return True
    if value not in ("0", 0, "", None):
        notes.add(rules.column or "", value)
    return False


def _reelgood_kind(row: Mapping[Any, Any]) -> Kind:
    value = row.get("Type", row.get("type"))
    if value in ("0", 0):
        return "movie"
    if value in ("1", 1):
        return "series"
    raise Unusable("Type: must be 0 for a film or 1 for a series")


def _out_of(row: Mapping[Any, Any], field: str) -> dict[str, Any]:
    """The field with `9.4/10` and `94/100` brought to a score from 0 to 10."""
    value = row.get(field)
    match = _RATIO.fullmatch(value) if isinstance(value, str) and len(value) < 20 else None
    return {field: float(match[1]) * 10 / int(match[2]) if match else value}
