"""The words of the media world that all plugins share. Plain values; `store.py` keeps them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Literal, NewType

TitleId = NewType("TitleId", str)
PersonId = NewType("PersonId", str)

Kind = Literal["movie", "series", "season", "episode"]
KINDS: tuple[Kind, ...] = ("movie", "series", "season", "episode")

Role = Literal["actor", "director", "writer"]
ROLES: tuple[Role, ...] = ("actor", "director", "writer")


class OfferKind(StrEnum):
    """How a title is paid for."""

    FLATRATE = "flatrate"
    ADS = "ads"
    FREE = "free"
    RENT = "rent"
    BUY = "buy"
    ADDON = "addon"
    CINEMA = "cinema"


@dataclass(frozen=True, slots=True)
class Credit:
    """One person's part in a title. Credits of a title are in billing order."""

    name: str
    role: Role
    character: str | None = None

    @property
    def person_id(self) -> PersonId:
        """The person's id; see `person_id_of`."""
        return person_id_of(self.name)


@dataclass(frozen=True, slots=True)
class Rating:
    """What one source's audience thinks; the scale is the source's own."""

    score: float
    votes: int | None = None


@dataclass(frozen=True, slots=True)
class AlternativeTitle:
    """Another name of a title. `language` is BCP 47, None when the source does not say."""

    name: str
    language: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Badge:
    """What a platform calls a title its own by, e.g. `Max Original`.

    Attributes:
        evidence: Which part of the payload says so, e.g. `brand: Max Originals`.
    """

    name: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleFacts:
    """What one source says about a title: everything but the identity that we give it.

    Attributes:
        name: The display name.
        genres: English genre names, e.g. `Science Fiction`; order is the source's.
        keywords: Free words, most telling first.
        countries: ISO 3166-1 alpha-2.
        original_language: ISO 639-1.
        certification: US rating, e.g. `PG-13`.
        ratings: By source: `imdb` and `tmdb` from 0 to 10, `movielens` from 0.5 to 5.
        popularity: 0 to 100, comparable over the catalogue.
        external_ids: By scheme: `imdb`, `tmdb`, `tvdb`, `wikidata`, `movielens`, `justwatch`, or a platform's key.
        parent_id: The series of a season, the season (or series) of an episode.
        badges: What platforms call it their own by, in order.
    """

    kind: Kind
    name: str
    year: int | None = None
    release_date: date | None = None
    runtime_minutes: int | None = None
    season_count: int | None = None
    overview: str | None = None
    overview_source: str | None = None
    tagline: str | None = None
    certification: str | None = None
    original_language: str | None = None
    popularity: float = 0.0
    genres: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    alternative_titles: tuple[AlternativeTitle, ...] = ()
    credits: tuple[Credit, ...] = ()
    ratings: Mapping[str, Rating] = field(default_factory=dict)
    external_ids: Mapping[str, str] = field(default_factory=dict)
    parent_id: TitleId | None = None
    season_number: int | None = None
    episode_number: int | None = None
    badges: tuple[Badge, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Title(TitleFacts):
    """A film, series, season or episode of the catalogue.

    Attributes:
        id: Ours, stable for ever. Titles first seen in our own format keep that file's id.
        revision: The catalogue's revision in which this title last changed.
    """

    id: TitleId
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts in, directs or writes titles."""

    id: PersonId
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFacts:
    """What a source says of one way to watch a title: an offer without title, platform, source and observation.

    Attributes:
        region: ISO 3166-1 alpha-2; None when nobody knows.
        tier: The plan's name where the platform has several.
        quality: `sd hd qhd uhd`, None when unknown.
        audio, subtitles: BCP 47 tags, sorted.
        price_minor: In the currency's minor units (cents); None when not priced apiece.
        currency: ISO 4217.
        valid_from, valid_until: Half-open, UTC; None is open-ended.
        link: On one of the platform's own hosts, as the source gave it or made of the platform's own id.
        confidence: 0 to 1, how sure the source makes us.
    """

    kind: OfferKind
    region: str | None = None
    tier: str | None = None
    quality: str | None = None
    audio: tuple[str, ...] = ()
    subtitles: tuple[str, ...] = ()
    price_minor: int | None = None
    currency: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    link: str | None = None
    confidence: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer(OfferFacts):
    """One way to watch a title.

    Attributes:
        platform: The platform's key, e.g. `hbo_max`.
        observed_at: When the source first said what the offer says now.
    """

    title_id: TitleId
    platform: str
    source: str
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class Platform:
    """A streaming service or shop, by the key that offers carry."""

    key: str
    name: str


_NOT_WORD = re.compile(r"[\W_]+")
_ARTICLES = frozenset({"the", "a", "an"})
# In ASCII, what is no letter or digit becomes a space.
_ASCII_FOLD = bytes(code if chr(code).isalnum() else ord(" ") for code in range(128)) + bytes(128)


def normalise_name(name: str) -> str:
    """Fold a name to what comparisons use: case, diacritics and punctuation gone, `&` read as `and`.

    Letters of other scripts stay. A name of punctuation only (e.g. `...`) stays as it is, casefolded.
    """
    if not name.isascii():
        return _normalise_any(name)
    folded = name.lower()
    # As bytes: several times as fast as patterns, and an index of all overviews is made of this.
    plain = folded.replace("&", " and ").encode().translate(_ASCII_FOLD, b"'").decode()
    return " ".join(plain.split()) or folded.strip()


def _normalise_any(name: str) -> str:
    # Twice: letters made for formulas turn into capitals, which casefolding before that would miss.
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    folded = "".join(c for c in decomposed if not unicodedata.combining(c))
    unquoted = folded.replace("&", " and ").replace("'", "").replace("\u2019", "")
    return _NOT_WORD.sub(" ", unquoted).strip() or folded.strip()


def without_article(normalised: str) -> str:
    """Drop a leading English article, unless nothing else would be left."""
    first, _, rest = normalised.partition(" ")
    return rest if rest and first in _ARTICLES else normalised


def stable_id(prefix: str, *parts: object) -> str:
    """An id that depends on nothing but its parts: prefix and 12 hexadecimal digits."""
    text = "\x1f".join(str(part) for part in parts)
    return prefix + blake2b(text.encode(), digest_size=6).hexdigest()


def person_id_of(name: str) -> PersonId:
    """The id of a person known by name only; the same for all spellings that fold to the same name."""
    return PersonId(stable_id("pn", normalise_name(name)))
