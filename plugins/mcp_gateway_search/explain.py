"""Says in plain words why a title matches a query, from the title itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mcp_gateway.catalog.models import Title, normalise_name, without_article

from .cards import clip
from .understanding.words import Reading, readings_of

MAX_CHARS = 300


def explain(title: Title, words: tuple[str, ...], conditions: Sequence[str] = ()) -> str | None:
    """Why a search for these words under these conditions gave this title; None for a search without either."""
    if not words:
        return clip("; ".join(conditions), MAX_CHARS) or None
    whole = (_whole_name(title, reading) for reading in readings_of(words))
    found = next(filter(None, whole), None) or _where_words_are(title, words)
    return clip("; ".join((*conditions, found)), MAX_CHARS)


def _whole_name(title: Title, reading: Reading) -> str | None:
    if reading.year is not None and reading.year != title.year:
        return None
    year = f", year {reading.year}" if reading.year else ""
    name, wanted = normalise_name(title.name), without_article(reading.name)
    if without_article(name) == wanted:
        return f"same name{year}"
    for other in title.alternative_titles:
        if without_article(normalise_name(other.name)) == wanted:
            return f"alternative title {other.name!r}{year}"
    if f" {wanted} " in f" {name} ":
        return f"name contains {wanted!r}{year}"
    return None


def _where_words_are(title: Title, words: tuple[str, ...]) -> str:
    places: dict[str, list[str]] = {}
    missing = list(dict.fromkeys(words))
    for place, texts in _texts(title):
        present = {word for text in texts for word in normalise_name(text).split()}
        if here := [word for word in missing if word in present]:
            places[place] = here
            missing = [word for word in missing if word not in present]
    parts = [f"{place}: {', '.join(found)}" for place, found in places.items()]
    found = f"words in {'; '.join(parts)}" if parts else ""
    return "; ".join(filter(None, (found, f"without: {', '.join(missing)}" if missing else "")))


def _texts(title: Title) -> Iterator[tuple[str, Iterable[str]]]:
    yield "name", (title.name,)
    yield "alternative title", (other.name for other in title.alternative_titles)
    for role in ("director", "actor", "writer"):
        yield role, (credit.name for credit in title.credits if credit.role == role)
    yield "genre", title.genres
    yield "keyword", title.keywords
    yield "year", (str(title.year),)
    yield "tagline", (title.tagline or "",)
    yield "overview", (title.overview or "",)
