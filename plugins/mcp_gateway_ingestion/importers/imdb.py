"""What a title of the IMDb files says, put together by `imdb_files`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from mcp_gateway.catalog.models import Credit, Kind, Rating, TitleFacts

from ..parsed import BadRecord, ParsedTitle, load_object
from .vocabulary import credited, genres_of, other_names

VERSION = b"imdb 1"

_KINDS: dict[str | None, Kind] = {
    "movie": "movie", "short": "movie", "tvMovie": "movie", "tvShort": "movie", "tvSpecial": "movie",
    "video": "movie", "tvPilot": "movie", "tvSeries": "series", "tvMiniSeries": "series", "tvEpisode": "episode",
}  # fmt: skip
_ID = re.compile(r"tt\d{7,10}")
_LANGUAGE = re.compile(r"(?!q)[a-z]{2,3}")
_MAX_NAME = 1000


def parse(raw: bytes) -> Sequence[ParsedTitle]:
    """Read a title.

    Raises:
        BadRecord: The row of title.basics cannot be used.
    """
    given = load_object(raw)
    get = given.get
    key, kind, name = get("id") or "", _KINDS.get(get("type")), (get("title") or "").strip()
    if not _ID.fullmatch(key):
        raise BadRecord(f"tconst: {key[:50]!r} is no IMDb id like tt0468569")
    if kind is None:
        raise BadRecord(f"titleType: {str(get('type'))[:50]!r} is not known; known are {', '.join(map(str, _KINDS))}")
    if not name or len(name) > _MAX_NAME:
        raise BadRecord(f"primaryTitle: must have 1 to {_MAX_NAME} characters")
    episode_of = get("parent") if kind == "episode" else None
    names = [(get("original"), None), *((other, _language(code)) for other, code in get("akas", []))]
    facts = TitleFacts(
        kind=kind,
        name=name,
        year=_number("startYear", get("year"), 1870, 2200),
        runtime_minutes=_number("runtimeMinutes", get("minutes"), 0, 100_000) or None,
        genres=genres_of((get("genres") or "").split(",")),
        alternative_titles=other_names(name, names),
        credits=_credits(given),
        ratings=_ratings(given),
        external_ids={"imdb": key},
        season_number=_number("seasonNumber", get("season"), 0, 100_000),
        episode_number=_number("episodeNumber", get("episode"), 0, 10_000_000),
    )
    return (ParsedTitle(key, facts, parent_key=episode_of),)


def _credits(given: dict[str, Any]) -> tuple[Credit, ...]:
    cast = [Credit(name, "actor", _character(characters)) for name, characters in given.get("cast", [])]
    once = {credit.name: credit for credit in reversed(cast)}
    kept = [credit for credit in cast if once[credit.name] is credit]
    return (*kept, *credited(given.get("directors", []), "director"), *credited(given.get("writers", []), "writer"))


def _character(text: str | None) -> str | None:
    """The characters, which the table has as a JSON list of names."""
    try:
        names = orjson.loads(text) if text else []
    except orjson.JSONDecodeError:
        return None
    return " / ".join(str(name) for name in names)[:_MAX_NAME] or None if isinstance(names, list) else None


def _ratings(given: dict[str, Any]) -> dict[str, Rating]:
    try:
        score, votes = float(given.get("score") or "nan"), int(given.get("votes") or 0)
    except ValueError:
        raise BadRecord("averageRating, numVotes: must be numbers") from None
    return {"imdb": Rating(score, votes)} if 0 <= score <= 10 and votes >= 0 else {}


def _number(name: str, text: str | None, least: int, most: int) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not least <= int(text[:10]) <= most:
        raise BadRecord(f"{name}: {text[:50]!r} is no number from {least} to {most}")
    return int(text)


def _language(code: str | None) -> str | None:
    return code if code and _LANGUAGE.fullmatch(code) else None
