"""The parts of a title of TMDB: genres, people, names, ratings. Each may be there in several shapes, or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mcp_gateway.catalog.models import AlternativeTitle, Credit, Rating

from .values import obj, objects, text, texts, whole
from .vocabulary import credited, genres_of, other_names

MAX_CAST = 50
MAX_KEYWORDS = 30
MAX_NAMES = 60

# Of the API's lists /genre/movie/list and /genre/tv/list, which never change a number.
_GENRES = {
    12: "Adventure", 14: "Fantasy", 16: "Animation", 18: "Drama", 27: "Horror", 28: "Action", 35: "Comedy",
    36: "History", 37: "Western", 53: "Thriller", 80: "Crime", 99: "Documentary", 878: "Science Fiction",
    9648: "Mystery", 10402: "Music", 10749: "Romance", 10751: "Family", 10752: "War", 10759: "Action & Adventure",
    10762: "Kids", 10763: "News", 10764: "Reality", 10765: "Sci-Fi & Fantasy", 10766: "Soap", 10767: "Talk",
    10768: "War & Politics", 10770: "TV Movie",
}  # fmt: skip
_COUNTRY = re.compile(r"[A-Z]{2}")
_IMDB = re.compile(r"tt\d{7,10}")
_WIKIDATA = re.compile(r"Q\d{1,12}")
_WRITING = frozenset({"Writer", "Screenplay", "Story", "Author", "Novel", "Teleplay"})


def genres(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Genres, by name or by number."""
    named = [name for genre in objects(given.get("genres")) if (name := text(genre.get("name"), 100))]
    listed = given.get("genre_ids")
    numbers = listed if isinstance(listed, list) else ()
    return genres_of(named or [_GENRES[n] for n in numbers if isinstance(n, int) and n in _GENRES])


def keywords(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Keywords, which films and series have under different names."""
    part = obj(given.get("keywords"))
    listed = [*objects(part.get("keywords")), *objects(part.get("results"))]
    found = [name for keyword in listed if (name := text(keyword.get("name"), 300))]
    return tuple(dict.fromkeys(found))[:MAX_KEYWORDS]


def countries(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Where it was made."""
    made = [text(country.get("iso_3166_1")) for country in objects(given.get("production_countries"))]
    codes = [*made, *texts(given.get("origin_country"))]
    return tuple(dict.fromkeys(code for code in codes if code and _COUNTRY.fullmatch(code)))


def credits_of(given: Mapping[str, Any]) -> tuple[Credit, ...]:
    """Cast in billing order, directors, writers."""
    parts = [obj(given.get("aggregate_credits")), obj(given.get("credits"))]
    cast = next((found for part in parts if (found := list(objects(part.get("cast"))))), [])
    crew = next((found for part in parts if (found := list(objects(part.get("crew"))))), [])
    crew += [*objects(given.get("crew"))]  # of an episode
    cast = sorted(cast, key=lambda member: whole(member.get("order")) or 0)[:MAX_CAST]
    actors = {name: Credit(name, "actor", _character(m)) for m in reversed(cast) if (name := text(m.get("name"), 300))}
    directors = [name for member in crew if "Director" in _jobs(member) and (name := text(member.get("name"), 300))]
    writers = [name for member in crew if _jobs(member) & _WRITING and (name := text(member.get("name"), 300))]
    creators = [name for person in objects(given.get("created_by")) if (name := text(person.get("name"), 300))]
    order = dict.fromkeys(name for m in cast if (name := text(m.get("name"), 300)))
    played = [actors[name] for name in order]
    return (*played, *credited(directors, "director"), *credited([*creators, *writers], "writer"))


def _jobs(member: Mapping[str, Any]) -> set[str]:
    jobs = {job for each in objects(member.get("jobs")) if (job := text(each.get("job")))}
    return jobs | {job for job in [text(member.get("job"))] if job}


def _character(member: Mapping[str, Any]) -> str | None:
    first = next(objects(member.get("roles")), {})
    return text(member.get("character")) or text(first.get("character"))


def names(name: str, given: Mapping[str, Any]) -> tuple[AlternativeTitle, ...]:
    """What it is called elsewhere."""
    return other_names(name, _names(given))[:MAX_NAMES]


def _names(given: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    original = text(given.get("original_title")) or text(given.get("original_name"))
    if original:
        yield original, text(given.get("original_language"))
    for translation in objects(obj(given.get("translations")).get("translations")):
        data = obj(translation.get("data"))
        if translated := text(data.get("title")) or text(data.get("name")):
            yield translated, _language(translation)
    part = obj(given.get("alternative_titles"))
    for other in [*objects(part.get("titles")), *objects(part.get("results"))]:
        if title := text(other.get("title")):
            yield title, None


def _language(translation: Mapping[str, Any]) -> str | None:
    language, country = text(translation.get("iso_639_1"), 3), text(translation.get("iso_3166_1"), 2)
    return f"{language}-{country}" if language and country else language


def certification(given: Mapping[str, Any]) -> str | None:
    """The rating in the United States."""
    releases = [
        release.get("certification")
        for country in objects(obj(given.get("release_dates")).get("results"))
        if country.get("iso_3166_1") == "US"
        for release in objects(country.get("release_dates"))
    ]
    older = _of_us(obj(given.get("releases")).get("countries"), "certification")
    series = _of_us(obj(given.get("content_ratings")).get("results"), "rating")
    return next((found for value in [*releases, *older, *series] if (found := text(value, 20))), None)


def _of_us(listed: Any, field: str) -> list[Any]:
    return [each.get(field) for each in objects(listed) if each.get("iso_3166_1") == "US"]


def ratings(given: Mapping[str, Any]) -> dict[str, Rating]:
    """What the users of TMDB think; 0 of 0 votes is no opinion."""
    score, votes = given.get("vote_average"), whole(given.get("vote_count"), 0, 2**53)
    if isinstance(score, bool) or not isinstance(score, (int, float)) or not 0 <= score <= 10 or not (score or votes):
        return {}
    return {"tmdb": Rating(float(score), votes)}


def external_ids(number: int, given: Mapping[str, Any]) -> dict[str, str]:
    """Ids in other catalogues."""
    part = obj(given.get("external_ids"))
    ids = {"tmdb": str(number)}
    imdb = text(given.get("imdb_id")) or text(part.get("imdb_id")) or ""
    wikidata = text(part.get("wikidata_id")) or ""
    tvdb = whole(part.get("tvdb_id"), 1, 2**53)
    ids |= {"imdb": imdb} if _IMDB.fullmatch(imdb) else {}
    ids |= {"wikidata": wikidata} if _WIKIDATA.fullmatch(wikidata) else {}
    return ids | ({"tvdb": str(tvdb)} if tvdb else {})
