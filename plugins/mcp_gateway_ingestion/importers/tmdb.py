"""Titles as the API of TMDB gives them: in lists, found by another id, or with all details and appended parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mcp_gateway.catalog.models import Kind, TitleFacts

from ..parsed import BadRecord, ParsedTitle, load_object
from .tmdb_parts import certification, countries, credits_of, external_ids, genres, keywords, names, ratings
from .values import MAX_OVERVIEW, day, objects, text, whole

VERSION = b"tmdb 1"

_FOUND: Mapping[str, str] = {
    "movie_results": "movie",
    "tv_results": "tv",
    "tv_season_results": "tv_season",
    "tv_episode_results": "tv_episode",
}
_BY_ID = "_found_by_id"
_OF_SERIES = frozenset({"first_air_date", "original_name", "number_of_seasons", "episode_run_time", "seasons"})
_OTHER_THINGS: Mapping[str, str] = {
    "status_code": "an error message of the API",
    "change_keys": "the configuration of the API",
    "certifications": "a list of certifications",
    "biography": "a person",
    "combined_credits": "a person",
    "also_known_as": "a person",
    "cast": "a list of credits without their title",
    "keywords": "a list of keywords without their title",
    "results": "a part of a title without the title; fetch the title with append_to_response",
}
_PREFIXES: Mapping[Kind, str] = {"movie": "movie", "series": "tv", "season": "season", "episode": "episode"}
_KINDS: Mapping[str, Kind] = {"movie": "movie", "tv": "series", "tv_season": "season", "tv_episode": "episode"}


def unfold(value: Any) -> Sequence[Any] | None:
    """The titles of a page of results, of a collection, and of what was found by another id."""
    if not isinstance(value, dict):
        return None
    if _FOUND.keys() & value.keys():
        imdb = text(value.get("_requested_imdb_id"))
        found = ((kind, each) for name, kind in _FOUND.items() for each in objects(value.get(name)))
        more = {"imdb_id": imdb, _BY_ID: True} if imdb else {_BY_ID: True}
        return [{"media_type": kind, **more, **each} for kind, each in found]
    if isinstance(parts := value.get("parts"), list) and "name" in value:
        return [{"media_type": "movie", **each} for each in objects(parts)]
    results = value.get("results")
    if "page" in value and isinstance(results, list):
        return [each for each in results if not isinstance(each, dict) or each.get("media_type") != "person"]
    return None


def parse(raw: bytes) -> Sequence[ParsedTitle]:
    """Read a title; a series with its seasons, and a season with its episodes where they stand in it.

    Raises:
        BadRecord: It is something else, or cannot be used.
    """
    return tuple(titles_of(load_object(raw)))


def titles_of(given: Mapping[str, Any]) -> Iterator[ParsedTitle]:
    """The titles of a JSON object, a parent before its children.

    Raises:
        BadRecord: It is none, or cannot be used.
    """
    kind = _kind_of(given)
    if given.get("adult") is True:
        raise BadRecord("adult: titles for adults only are not taken in")
    yield from _READERS[kind](given)


def _kind_of(given: Mapping[str, Any]) -> Kind:
    kind = _KINDS.get(str(given.get("media_type")))
    if kind is not None:
        return kind
    if given.get("media_type"):
        raise BadRecord(f"media_type: {str(given['media_type'])[:50]!r} is no title")
    if "title" in given or "original_title" in given:
        return "movie"
    if "season_number" in given:
        return "episode" if "episode_number" in given else "season"
    if "name" in given and given.keys() & _OF_SERIES:
        return "series"
    what = next((what for field, what in _OTHER_THINGS.items() if field in given), None)
    raise BadRecord(f"is {what}" if what else "is no title: it has neither the fields of a film nor of a series")


def _movie(given: Mapping[str, Any]) -> Iterator[ParsedTitle]:
    name = text(given.get("title")) or text(given.get("original_title"))
    yield _title("movie", given, name, released="release_date", minutes=given.get("runtime"))


def _series(given: Mapping[str, Any]) -> Iterator[ParsedTitle]:
    name = text(given.get("name")) or text(given.get("original_name"))
    minutes = given.get("episode_run_time")
    minutes = minutes[0] if isinstance(minutes, list) and minutes else None
    series = _title("series", given, name, released="first_air_date", minutes=minutes)
    yield series
    whole_seasons = [season for field, season in given.items() if field.startswith("season/")]
    in_full = {season.get("id") for season in objects(whole_seasons)}
    for season in objects(whole_seasons):
        yield from _season(season, series.key)
    for season in objects(given.get("seasons")):
        if whole(season.get("id"), most=2**53) and season.get("id") not in in_full:
            yield from _season(season, series.key)


def _season(given: Mapping[str, Any], parent: str | None = None) -> Iterator[ParsedTitle]:
    number = whole(given.get("season_number"))
    if number is None:
        raise BadRecord("season_number: must be a number")
    parent = parent or _parent(given) or next(filter(None, map(_parent, objects(given.get("episodes")))), None)
    if parent is None:
        raise BadRecord(f"show_id: season {number} does not say of which series it is; take it in with its series")
    name = text(given.get("name")) or f"Season {number}"
    season = _title("season", given, name, released="air_date", parent=parent)
    yield season
    for episode in objects(given.get("episodes")):
        if whole(episode.get("id"), most=2**53):
            yield from _episode(episode, season.key)


def _episode(given: Mapping[str, Any], parent: str | None = None) -> Iterator[ParsedTitle]:
    parent = parent or _parent(given)
    if parent is None:
        raise BadRecord("show_id: does not say of which series it is")
    name = text(given.get("name")) or f"Episode {whole(given.get('episode_number'))}"
    yield _title("episode", given, name, released="air_date", minutes=given.get("runtime"), parent=parent)


_READERS: Mapping[Kind, Callable[[Mapping[str, Any]], Iterator[ParsedTitle]]] = {
    "movie": _movie,
    "series": _series,
    "season": _season,
    "episode": _episode,
}


def _parent(given: Mapping[str, Any]) -> str | None:
    show = whole(given.get("show_id"), 1, 2**53)
    return f"tv/{show}" if show else None


def _title(
    kind: Kind,
    given: Mapping[str, Any],
    name: str | None,
    *,
    released: str,
    minutes: Any = None,
    parent: str | None = None,
) -> ParsedTitle:
    number = whole(given.get("id"), 1, 2**53)
    if number is None:
        raise BadRecord("id: must be a number above 0")
    if name is None:
        raise BadRecord("title: is missing, empty or too long")
    release = day(given.get(released))
    overview = text(given.get("overview"), MAX_OVERVIEW)
    facts = TitleFacts(
        kind=kind,
        name=name,
        year=release.year if release else None,
        release_date=release,
        runtime_minutes=whole(minutes) or None,
        season_count=whole(given.get("number_of_seasons")) or None,
        overview=overview,
        overview_source="tmdb" if overview else None,
        tagline=text(given.get("tagline")),
        certification=certification(given),
        original_language=_language(given.get("original_language")),
        genres=genres(given),
        keywords=keywords(given),
        countries=countries(given),
        alternative_titles=names(name, given),
        credits=credits_of(given),
        ratings=ratings(given),
        external_ids=external_ids(number, given),
        season_number=whole(given.get("season_number")) if kind in {"season", "episode"} else None,
        episode_number=whole(given.get("episode_number")) if kind == "episode" else None,
    )
    variant = "-find" if _BY_ID in given else "-list" if "genre_ids" in given else ""
    return ParsedTitle(f"{_PREFIXES[kind]}/{number}", facts, parent_key=parent, variant=variant)


def _language(value: Any) -> str | None:
    return value if isinstance(value, str) and value.isascii() and value.isalpha() and 2 <= len(value) <= 3 else None
