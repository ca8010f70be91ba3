"""Which title a record speaks of: the rules, without a database.

In this order: the record was seen before; it names one of our ids; an external id ties it; or its name, year
and kind do, together with a person or, where one side names nobody, the running time. What is tied by nothing
is a new title: a work that stands twice is a smaller fault than two works in one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from mcp_gateway.catalog.models import (
    Kind,
    Title,
    TitleFacts,
    TitleId,
    normalise_name,
    stable_id,
    without_article,
)
from mcp_gateway.catalog.records import SourceRecord

STRONG_SCHEMES = ("imdb", "wikidata", "tmdb", "tvdb")
"""Schemes that tell works apart, most trusted first: two titles with different values are different works."""

RUNTIME_TOLERANCE_MINUTES = 2

_NUMBERED_APART = frozenset({"tmdb", "tvdb"})
_NAMESPACES: Mapping[Kind, str] = {"movie": "movie", "series": "tv", "season": "season", "episode": "episode"}
_RANK = {scheme: rank for rank, scheme in enumerate(STRONG_SCHEMES)}


class ExternalId(NamedTuple):
    """An id in somebody else's catalogue."""

    scheme: str
    namespace: str
    value: str

    def __str__(self) -> str:
        return ":".join(part for part in self if part)


@dataclass(slots=True)
class Candidate:
    """A title that a record may speak of, as far as the rules look at it."""

    id: TitleId
    kind: Kind
    year: int | None
    runtime_minutes: int | None
    people: Set[str] = frozenset()
    external_ids: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Known:
    """What the catalogue knows that may concern a batch of records.

    Attributes:
        external_ids: Those that each record names, by the record's key.
        by_own_id: Titles by ids of ours, those that were joined into another title included.
        by_external: Owners of external ids.
        recorded: The external ids whose owners stand in the database already.
        by_name: Titles by folded name.
        candidates: Every title that stands in the above and is not claimed, by id.
        claimed: Titles that the records' own source speaks of already.
    """

    external_ids: Mapping[str, Sequence[ExternalId]] = field(default_factory=dict)
    by_own_id: dict[str, TitleId] = field(default_factory=dict)
    by_external: dict[ExternalId, TitleId] = field(default_factory=dict)
    recorded: Set[ExternalId] = frozenset()
    by_name: dict[str, list[TitleId]] = field(default_factory=dict)
    candidates: dict[TitleId, Candidate] = field(default_factory=dict)
    claimed: set[TitleId] = field(default_factory=set)


class Match(NamedTuple):
    """The title of a record, and what tied them. `is_new` when nothing did."""

    title_id: TitleId
    evidence: str
    is_new: bool


def candidate_of(title: Title) -> Candidate:
    """What the rules look at of a title."""
    people = {credit.person_id for credit in title.credits}
    return Candidate(title.id, title.kind, title.year, title.runtime_minutes, people, title.external_ids)


def namespace_of(scheme: str, kind: Kind) -> str:
    """The part of a scheme's numbers that a kind is in; empty where the scheme numbers all works together."""
    return _NAMESPACES[kind] if scheme in _NUMBERED_APART else ""


def external_ids_of(facts: TitleFacts) -> list[ExternalId]:
    """The external ids of a title, most trusted first."""
    ids = facts.external_ids
    schemes = sorted(ids, key=_trust) if len(ids) > 1 else ids
    return [ExternalId(scheme, namespace_of(scheme, facts.kind), ids[scheme]) for scheme in schemes]


@lru_cache(maxsize=1000)
def _trust(scheme: str) -> tuple[int, str]:
    return (_RANK.get(scheme, len(_RANK)), scheme)


@lru_cache(maxsize=50_000)
def name_key_of(name: str) -> str:
    """The folded name that titles are compared by."""
    return without_article(normalise_name(name))


def match(record: SourceRecord, known: Known) -> Match:
    """Find the title of a record whose (source, key) was not seen before.

    A title that the source already speaks of under another key is never taken.
    """
    return (
        _by_own_id(record, known)
        or _by_external_id(record, known)
        or _by_name(record, known)
        or _new_title(record, known)
    )


def _by_own_id(record: SourceRecord, known: Known) -> Match | None:
    title_id = known.by_own_id.get(record.own_id) if record.own_id else None
    if title_id is None or title_id in known.claimed:
        return None
    return Match(title_id, "own id", is_new=False)


def _by_external_id(record: SourceRecord, known: Known) -> Match | None:
    for external in known.external_ids[record.key]:
        title_id = known.by_external.get(external)
        if title_id is None or title_id in known.claimed:
            continue
        if _contradict(record.facts, known.candidates[title_id], stronger_than=external.scheme):
            continue
        return Match(title_id, f"external id {external}", is_new=False)
    return None


def _by_name(record: SourceRecord, known: Known) -> Match | None:
    facts = record.facts
    if facts.year is None:
        return None
    same_name = known.by_name.get(name_key_of(facts.name), ())
    free = (known.candidates[title_id] for title_id in same_name if title_id not in known.claimed)
    candidates = [
        candidate
        for candidate in free
        if candidate.year == facts.year and candidate.kind == facts.kind and not _contradict(facts, candidate)
    ]
    if not candidates:
        return None
    return _by_people(facts, candidates) or _by_runtime(facts, candidates)


def _by_people(facts: TitleFacts, candidates: Collection[Candidate]) -> Match | None:
    people = {credit.person_id for credit in facts.credits}
    shared = sorted(((len(people & c.people), c.id) for c in candidates), reverse=True)
    if shared[0][0] == 0 or (len(shared) > 1 and shared[1][0] == shared[0][0]):
        return None
    count, title_id = shared[0]
    return Match(title_id, f"name, year, kind and {count} {'person' if count == 1 else 'people'}", is_new=False)


def _by_runtime(facts: TitleFacts, candidates: Collection[Candidate]) -> Match | None:
    """Where one side names nobody, one title alone of that name and about that length will do."""
    if len(candidates) != 1:
        return None
    (candidate,) = candidates
    if (facts.credits and candidate.people) or facts.runtime_minutes is None or candidate.runtime_minutes is None:
        return None
    if abs(facts.runtime_minutes - candidate.runtime_minutes) > RUNTIME_TOLERANCE_MINUTES:
        return None
    return Match(candidate.id, "name, year, kind and running time", is_new=False)


def _contradict(facts: TitleFacts, candidate: Candidate, *, stronger_than: str | None = None) -> bool:
    """Whether a strong external id says that they are different works."""
    limit = _RANK.get(stronger_than, len(_RANK)) if stronger_than else len(_RANK)
    for scheme in STRONG_SCHEMES[:limit]:
        value, other = facts.external_ids.get(scheme), candidate.external_ids.get(scheme)
        if value is not None and other is not None and value != other:
            return True
    return False


def _new_title(record: SourceRecord, known: Known) -> Match:
    if record.own_id and record.own_id not in known.by_own_id:
        return Match(record.own_id, "first seen here", is_new=True)
    return Match(TitleId(stable_id("mg", record.source, record.key)), "first seen here", is_new=True)
