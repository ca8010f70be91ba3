"""The tool `resolve_title`: which titles a name may mean, with how sure we are and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tantivy import Occur, Query

from mcp_gateway.api import Call
from mcp_gateway.catalog.models import normalise_name, without_article

from .cards import NAME_CHARS, clip
from .index import STILL_BUILDING, Hits, TitleIndex
from .models import Candidate, Candidates, ResolveParams, TitleItem, TitleRef
from .retrieval import allowed_typos, like_name, unscored
from .understanding.words import Reading, readings_of, words_of

MAX_CANDIDATES = 10
# Looked at more closely; the rest is too far behind to matter.
_LOOKED_AT = 40

# How likely a title is meant, by how its name agrees.
SAME_NAME = 1.0
SAME_BUT_ARTICLE = 0.97
ONE_LETTER = 0.8
TWO_LETTERS = 0.7
NAME_CONTAINS = 0.6
ALL_WORDS = 0.5
# How much of that is left when it is an alternative name.
ALTERNATIVE_SHARE = 0.9
# How much of that is left, by how the year agrees.
YEAR_OFF_BY_ONE = 0.85
YEAR_UNKNOWN = 0.75
YEAR_DIFFERS = 0.5
# Between two that agree equally, the more popular is likelier.
_POPULARITY_SHARE = 0.08
_WORST_SHOWN = 0.2
# With such a candidate, names that are merely spelled alike are noise.
_SURE = 0.8

_NOTHING = "No title has a name like this; try search_titles with words of it."


@dataclass(frozen=True, slots=True)
class _Known:
    """A title that may be meant. The first of `names` is its own, the others are alternative."""

    card: TitleItem
    names: list[str]
    popularity: float


@dataclass(frozen=True, slots=True)
class _Match:
    likelihood: float
    reason: str


class Resolver:
    """Finds what a name may mean. Never decides: two titles of one name are two candidates."""

    def __init__(self, index: TitleIndex) -> None:
        self._index = index

    async def resolve(self, params: ResolveParams, call: Call) -> Candidates:
        """Find the id of a title by name: all candidates with score 0-1 and reason. Ask the user if several fit."""
        readings = _readings(params)
        if not readings[0].words:
            return Candidates(candidates=[], hint=_NOTHING)
        candidates = self._candidates(readings, params, typos=False)
        if not candidates or candidates[0].score < _SURE:
            candidates = self._candidates(readings, params, typos=True)
        hints = [] if candidates else [_NOTHING]
        if not self._index.is_complete:
            hints.append(STILL_BUILDING)
        return Candidates(candidates=candidates[:MAX_CANDIDATES], hint=" ".join(hints) or None)

    def _candidates(self, readings: list[Reading], params: ResolveParams, *, typos: bool) -> list[Candidate]:
        schema = self._index.schema
        query = Query.disjunction_max_query([like_name(schema, reading, typos=typos) for reading in readings])
        if params.kind is not None:
            of_kind = unscored(Query.term_query(schema, "kind", params.kind))
            query = Query.boolean_query([(Occur.Must, query), (Occur.Must, of_kind)])
        known = self._known(self._index.search(query, limit=_LOOKED_AT))
        found = [_candidate(title, match) for title in known if (match := _best_match(title, readings))]
        likely = (candidate for candidate in found if candidate.score >= _WORST_SHOWN)
        return sorted(likely, key=lambda candidate: -candidate.score)

    def _known(self, hits: Hits) -> Iterator[_Known]:
        stored = zip(self._index.cards(hits), self._index.names(hits), self._index.popularities(hits), strict=True)
        return (_Known(card, names, popularity) for card, names, popularity in stored)


def _readings(params: ResolveParams) -> list[Reading]:
    words, _ = words_of(params.name)
    if params.year is None:
        return readings_of(words)
    return [Reading(reading.words, reading.year or params.year) for reading in readings_of(words)]


def _best_match(title: _Known, readings: list[Reading]) -> _Match | None:
    matches = (match for reading in readings if (match := _match(title, reading)))
    return max(matches, key=lambda match: match.likelihood, default=None)


def _match(title: _Known, reading: Reading) -> _Match | None:
    by_name = max(_name_matches(title, reading), key=lambda match: match.likelihood, default=None)
    if by_name is None or reading.year is None:
        return by_name
    share, remark = _year_agreement(title.card.year, reading.year)
    return _Match(by_name.likelihood * share, f"{by_name.reason}, {remark}")


def _name_matches(title: _Known, reading: Reading) -> Iterator[_Match]:
    bare = without_article(reading.name)
    for place, text in enumerate(title.names):
        likelihood, how = _agreement(normalise_name(text), reading.name, bare)
        if place == 0:
            yield _Match(likelihood, how)
        elif likelihood:
            how = "" if how == "same name" else f": {how}"
            yield _Match(likelihood * ALTERNATIVE_SHARE, f"alternative title {clip(text, NAME_CHARS)!r}{how}")


def _agreement(name: str, wanted: str, bare: str) -> tuple[float, str]:
    """How well a name agrees with the one wanted, from 0 to 1, and how it does."""
    if name == wanted:
        return SAME_NAME, "same name"
    bare_name = without_article(name)
    if bare_name == bare:
        return SAME_BUT_ARTICLE, "same name"
    from rapidfuzz.distance import OSA  # here: many a client never resolves a name, and it takes 3 MB

    typos = min(OSA.distance(name, wanted), OSA.distance(bare_name, bare))
    if typos <= allowed_typos(bare):
        return (ONE_LETTER, "name within one letter") if typos == 1 else (TWO_LETTERS, "name within two letters")
    if f" {bare} " in f" {name} ":
        return NAME_CONTAINS, f"name contains {bare!r}"
    if set(bare.split()) <= set(name.split()):
        return ALL_WORDS, "all words in the name"
    return 0.0, "not alike"


def _year_agreement(year: int | None, wanted: int) -> tuple[float, str]:
    if year is None:
        return YEAR_UNKNOWN, "year unknown"
    if year == wanted:
        return 1.0, f"year {year}"
    if abs(year - wanted) == 1:
        return YEAR_OFF_BY_ONE, f"year {year}, one off"
    return YEAR_DIFFERS, f"but year {year}"


def _candidate(title: _Known, match: _Match) -> Candidate:
    card = title.card
    score = match.likelihood * (1 - _POPULARITY_SHARE * (1 - title.popularity))
    reference = TitleRef(id=card.id, title=card.title, year=card.year, kind=card.kind)
    return Candidate(title=reference, score=round(score, 3), reason=match.reason)
