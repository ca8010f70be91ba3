"""Films as lists of them in Wikipedia say, in the shape of prust's `movies-*.json`."""

from __future__ import annotations

from collections.abc import Sequence

from mcp_gateway.catalog.models import TitleFacts

from ..parsed import BadRecord, ParsedTitle, load_object
from .values import MAX_OVERVIEW, text, texts, whole
from .vocabulary import credited, genres_of

VERSION = b"wikipedia 1"

_FIELDS = frozenset({
    "title", "year", "cast", "genres", "href", "extract", "thumbnail", "thumbnail_width", "thumbnail_height", "notes",
})  # fmt: skip


def parse(raw: bytes) -> Sequence[ParsedTitle]:
    """Read a film.

    Raises:
        BadRecord: It has no title or no year.
    """
    given = load_object(raw)
    name, year = text(given.get("title")), whole(given.get("year"), 1870, 2200)
    if name is None:
        raise BadRecord("title: is missing, empty or too long")
    if year is None:
        raise BadRecord("year: must be a number from 1870 to 2200")
    page = text(given.get("href"))
    overview = text(given.get("extract"), MAX_OVERVIEW)
    facts = TitleFacts(
        kind="movie",
        name=name,
        year=year,
        genres=genres_of(texts(given.get("genres"), 100)),
        credits=tuple(credited(texts(given.get("cast"), 300), "actor")),
        overview=overview,
        overview_source="wikipedia" if overview else None,
        external_ids={"wikipedia": page} if page else {},
    )
    return (ParsedTitle(f"{year}/{page or name}"[:500], facts, unknown_fields=tuple(sorted(given.keys() - _FIELDS))),)
