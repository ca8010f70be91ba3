"""What a film of a MovieLens data set says, put together by `movielens_files`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime

from mcp_gateway.catalog.models import Rating, TitleFacts

from ..parsed import BadRecord, ParsedTitle, load_object
from .vocabulary import genres_of, other_names

VERSION = b"movielens 2"

_YEAR = re.compile(r"\s*\((\d{4})(?:\s*[-\u2013]\s*(?:\d{4})?)?\)\s*$")
_IN_BRACKETS = re.compile(r"\s*\(([^()]*)\)")
# `Matrix, The`: the first articles of the languages that the lists have.
_ARTICLE = re.compile(
    r"^(.*), (The|A|An|Le|La|Les|L'|Un|Une|Il|Lo|Gli|I|El|Los|Las|Der|Die|Das|Ein|Eine|De|Het|Den|Det|En|Et|O|Os|As)$"
)
_MAX_NAME = 1000


def parse(raw: bytes) -> Sequence[ParsedTitle]:
    """Read a film of `latest` or `latest-small`.

    Raises:
        BadRecord: The row cannot be used.
    """
    return (_parse(raw, number_everywhere=True),)


def parse_100k(raw: bytes) -> Sequence[ParsedTitle]:
    """Read a film of `ml-100k`, whose numbers mean other films than those of the later data sets."""
    return (_parse(raw, number_everywhere=False),)


def _parse(raw: bytes, *, number_everywhere: bool) -> ParsedTitle:
    given = load_object(raw)
    key, title = str(given.get("movieId") or ""), str(given.get("title") or "").strip()
    if not key.isascii() or not key.isdigit() or len(key) > 12:
        raise BadRecord(f"movieId: {key[:50]!r} is no number")
    found = _YEAR.search(title)
    name, others = _names(title[: found.start()] if found else title)
    if not name or len(name) > _MAX_NAME:
        raise BadRecord(f"title: must have 1 to {_MAX_NAME} characters")
    released = _date(str(given.get("released") or ""))
    year = int(found[1]) if found else released.year if released else None
    if year is not None and not 1870 <= year <= 2200:
        raise BadRecord(f"title: {year} is no year from 1870 to 2200")
    rating = given.get("rating")
    return ParsedTitle(
        key,
        TitleFacts(
            kind="movie",
            name=name,
            year=year,
            genres=genres_of(str(given.get("genres") or "").split("|")),
            keywords=tuple(tag[:100] for tag in given.get("tags", [])),
            alternative_titles=other_names(name, [(other, None) for other in others]),
            ratings={"movielens": Rating(round(rating[0], 3), rating[1])} if rating and number_everywhere else {},
            external_ids=_ids(key, given) if number_everywhere else {},
        ),
    )


def _ids(key: str, given: dict[str, str]) -> dict[str, str]:
    imdb, tmdb = given.get("imdb") or "", given.get("tmdb") or ""
    ids = {"movielens": key}
    if imdb.isdigit() and int(imdb):
        ids["imdb"] = f"tt{int(imdb):07}"  # some are written with a nought too many
    if tmdb.isdigit() and int(tmdb):
        ids["tmdb"] = tmdb
    return ids


def _names(title: str) -> tuple[str, list[str]]:
    """The name, and those in brackets after it: `Seven (a.k.a. Se7en)`."""
    brackets = _IN_BRACKETS.findall(title)
    name = _IN_BRACKETS.sub("", title).strip()
    if not name:  # all of it stands in brackets
        return title.strip(), []
    others = (other.removeprefix("a.k.a.").removeprefix("aka").strip() for other in brackets)
    return _with_article(name), [_with_article(other) for other in others if len(other) > 1]


def _with_article(name: str) -> str:
    found = _ARTICLE.match(name)
    if not found:
        return name
    return found[2] + found[1] if found[2].endswith("'") else f"{found[2]} {found[1]}"


def _date(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%d-%b-%Y").date()
    except ValueError:
        return None
