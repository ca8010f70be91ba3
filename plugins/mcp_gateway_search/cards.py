"""What a result says about a title: short for lists, long on request, never longer than its bounds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

import orjson

from mcp_gateway.catalog.models import Offer, Role, Title

from .models import Identified, TitleDetails, TitleItem

# A concise page of 20 titles stays below 14 kB, about 4,000 tokens: 680 bytes each, and the frame around them.
CARD_BYTES = 640
OVERVIEW_BYTES = 180

# Bounds of a detailed title. Together they keep the longest possible one below the budget of a whole result.
NAME_CHARS = 150
OVERVIEW_CHARS = 1500
MAX_PEOPLE = 15
MAX_WORDS = 15

# Besides control characters those that turn the reading direction, and tags, which only a model reads.
_SPACE_OR_CONTROL = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f]+"
)

# Sources in the order of trust, and what brings their scale to 0-10.
_RATING_SCALES = (("imdb", 1.0), ("tmdb", 1.0), ("tvmaze", 1.0), ("movielens", 2.0))


def card_of(title: Title) -> TitleItem:
    """The concise form: what is needed to tell titles apart and to choose. At most `CARD_BYTES` of JSON."""
    return TitleItem.model_validate_json(card_json(title))


def card_json(title: Title) -> bytes:
    """The concise form as it is sent."""
    card = {
        "id": title.id,
        "title": clip(title.name, NAME_CHARS),
        "year": title.year,
        "kind": title.kind,
        "genres": _names(title.genres, 4, 30),
        "runtime_minutes": title.runtime_minutes,
        "directors": _names(_people(title, "director"), 2, 40),
        "cast": _names(_people(title, "actor"), 3, 40),
        "rating": rating_of(title),
        "overview": _fit(title.overview, OVERVIEW_BYTES),
    }
    told = orjson.dumps({name: value for name, value in card.items() if value is not None})  # an index has millions
    excess = len(told) - CARD_BYTES
    return told if excess <= 0 else _json(_shortened(TitleItem.model_validate(card), excess))


def details_of(title: Title, offers: Iterable[Offer] = (), *, explanation: str | None = None) -> TitleDetails:
    """The detailed form: all that the catalogue knows, in bounds that no title can break."""
    return TitleDetails(
        id=title.id,
        title=clip(title.name, NAME_CHARS),
        year=title.year,
        kind=title.kind,
        genres=_names(title.genres, MAX_WORDS, 30),
        runtime_minutes=title.runtime_minutes,
        directors=_names(_people(title, "director"), MAX_PEOPLE, NAME_CHARS),
        cast=_names(_cast_with_characters(title), MAX_PEOPLE, NAME_CHARS),
        rating=rating_of(title),
        overview=clip(title.overview, OVERVIEW_CHARS) if title.overview else None,
        overview_source=_optional(title.overview_source),
        tagline=_optional(title.tagline, 300),
        writers=_names(_people(title, "writer"), MAX_PEOPLE, NAME_CHARS),
        alternative_titles=_names((other.name for other in title.alternative_titles), MAX_WORDS, NAME_CHARS),
        keywords=_names(title.keywords, MAX_WORDS, 60),
        certification=_optional(title.certification),
        language=_optional(title.original_language),
        countries=_names(title.countries, MAX_WORDS, 10),
        release_date=title.release_date.isoformat() if title.release_date else None,
        popularity=round(title.popularity, 1),
        ratings={source[:40]: round(rating.score, 2) for source, rating in list(title.ratings.items())[:8]} or None,
        external_ids={scheme[:40]: clip(key, 60) for scheme, key in list(title.external_ids.items())[:8]} or None,
        seasons=title.season_count,
        parent_id=title.parent_id,
        season_number=title.season_number,
        episode_number=title.episode_number,
        platforms=_names(dict.fromkeys(offer.platform for offer in offers), MAX_WORDS, 40),
        badges=_names(dict.fromkeys(badge.name for badge in title.badges), MAX_WORDS, 40),
        explanation=explanation,
    )


def rating_of(title: Title) -> float | None:
    """What audiences think, from 0 to 10 with one decimal, from the most trusted source that says."""
    for source, scale in _RATING_SCALES:
        if source in title.ratings:
            return round(min(10.0, title.ratings[source].score * scale), 1)
    return None


def json_bytes(item: Identified) -> int:
    """The size of an item as it is sent."""
    return len(_json(item))


def _json(item: Identified) -> bytes:
    return item.__pydantic_serializer__.to_json(item, exclude_none=True)


def clip(text: str, max_chars: int) -> str:
    """One line of text without control characters, shortened at a word where there is one."""
    # Most texts are clean, and an index is built of millions of them: `isprintable` is false where the pattern matters.
    line = text.strip() if text.isprintable() else _SPACE_OR_CONTROL.sub(" ", text).strip()
    if len(line) <= max_chars:
        return line
    cut = line[: max_chars - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut[max_chars // 2 :] else cut).rstrip(" ,;:-") + "…"


def _shortened(card: TitleItem, excess_bytes: int) -> TitleItem:
    """The card with less of the overview; without cast and genres when names alone are too long."""
    overview = _fit(card.overview, OVERVIEW_BYTES - excess_bytes)
    shorter = card.model_copy(update={"overview": overview})
    if json_bytes(shorter) <= CARD_BYTES:
        return shorter
    return shorter.model_copy(update={"cast": None, "genres": None})


def _fit(text: str | None, max_bytes: int) -> str | None:
    """As much of the text as fits; None where that would say nothing."""
    if not text or max_bytes < 20:
        return None
    line = clip(text, max_bytes)
    while len(line.encode()) + line.count('"') + line.count("\\") > max_bytes:
        line = clip(line.removesuffix("…"), len(line) * 4 // 5)
    return line


def _people(title: Title, role: Role) -> list[str]:
    return [credit.name for credit in title.credits if credit.role == role]


def _cast_with_characters(title: Title) -> list[str]:
    return [
        f"{credit.name} as {credit.character}" if credit.character else credit.name
        for credit in title.credits
        if credit.role == "actor"
    ]


def _names(values: Iterable[str], most: int, max_chars: int) -> list[str] | None:
    """The first few values; None instead of nothing, so that it is left out of the result."""
    return [clip(value, max_chars) for value in islice(values, most)] or None


def _optional(text: str | None, max_chars: int = 60) -> str | None:
    return clip(text, max_chars) or None if text else None
