"""Which title a record speaks of: the rules, without a database.

In this order: the record was seen before; it names one of our ids; an external id ties it; or its name, year
and kind do, together with a person or, where one side names nobody, the running time. What is tied by nothing
is a new title: a work that stands twice is a smaller fault than two works in one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from mcp_gateway.catalog.models import Kind, Title, TitleFacts, TitleId, normalise_name, stable_id, without_article
from mcp_gateway.catalog.records import ExternalId, PreparedRecord

STRONG_SCHEMES = ("imdb", "wikidata", "tmdb", "tvdb")
"""Schemes that tell works apart, most trusted first: two titles with different values are different works."""

RUNTIME_TOLERANCE_MINUTES = 2

_NUMBERED_APART = frozenset({"tmdb", "tvdb"})
_NAMESPACES: Mapping[Kind, str] = {"movie": "movie", "series": "tv", "season": "season", "episode": "episode"}
_RANK = {scheme: rank for rank, scheme in enumerate(STRONG_SCHEMES)}


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
        by_own_id: Titles by ids of ours, those that were joined into another title included.
        by_external: Owners of external ids.
        recorded: The external ids whose owners stand in the database already.
        by_name: Titles by folded name.
        candidates: Every title that stands in the above and is not claimed, by id.
        claimed: Titles that the records' own source speaks of already.
    """

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


def external_ids_of(facts: TitleFacts) -> tuple[ExternalId, ...]:
    """The external ids of a title, most trusted first."""
    ids = facts.external_ids
    schemes = sorted(ids, key=_trust) if len(ids) > 1 else ids
    return tuple([ExternalId(scheme, namespace_of(scheme, facts.kind), ids[scheme]) for scheme in schemes])


@lru_cache(maxsize=1000)
def _trust(scheme: str) -> tuple[int, str]:
    return (_RANK.get(scheme, len(_RANK)), scheme)


@lru_cache(maxsize=50_000)
def name_key_of(name: str) -> str:
    """The folded name that titles are compared by."""
    return without_article(normalise_name(name))


def match(record: PreparedRecord, known: Known) -> Match:
    """Find the title of a record whose (source, key) was not seen before.

    A title that the source already speaks of under another key is never taken.
    """
    return (
        _by_own_id(record, known)
        or _by_external_id(record, known)
        or _by_name(record, known)
        or _new_title(record, known)
    )


def _by_own_id(record: PreparedRecord, known: Known) -> Match | None:
    title_id = known.by_own_id.get(record.own_id) if record.own_id else None
    if title_id is None or title_id in known.claimed:
        return None
    return Match(title_id, "own id", is_new=False)


def _by_external_id(record: PreparedRecord, known: Known) -> Match | None:
    for external in record.external_ids:
        title_id = known.by_external.get(external)
        if title_id is None or title_id in known.claimed:
            continue
        if _contradict(record, known.candidates[title_id], stronger_than=external.scheme):
            continue
        return Match(title_id, f"external id {external}", is_new=False)
    return None


def _by_name(record: PreparedRecord, known: Known) -> Match | None:
    if record.year is None:
        return None
    same_name = known.by_name.get(record.name_key, ())
    free = (known.candidates[title_id] for title_id in same_name if title_id not in known.claimed)
    candidates = [
        candidate
        for candidate in free
        if candidate.year == record.year and candidate.kind == record.kind and not _contradict(record, candidate)
    ]
    if not candidates:
        return None
    return _by_people(record, candidates) or _by_runtime(record, candidates)


def _by_people(record: PreparedRecord, candidates: Collection[Candidate]) -> Match | None:
    shared = sorted(((len(record.people.keys() & c.people), c.id) for c in candidates), reverse=True)
    if shared[0][0] == 0 or (len(shared) > 1 and shared[1][0] == shared[0][0]):
        return None
    count, title_id = shared[0]
    return Match(title_id, f"name, year, kind and {count} {'person' if count == 1 else 'people'}", is_new=False)


def _by_runtime(record: PreparedRecord, candidates: Collection[Candidate]) -> Match | None:
    """Where one side names nobody, one title alone of that name and about that length will do."""
    if len(candidates) != 1:
        return None
    (candidate,) = candidates
    if (record.people and candidate.people) or record.runtime_minutes is None or candidate.runtime_minutes is None:
        return None
    if abs(record.runtime_minutes - candidate.runtime_minutes) > RUNTIME_TOLERANCE_MINUTES:
        return None
    return Match(candidate.id, "name, year, kind and running time", is_new=False)


def _contradict(record: PreparedRecord, candidate: Candidate, *, stronger_than: str | None = None) -> bool:
    """Whether a strong external id says that they are different works."""
    limit = _RANK.get(stronger_than, len(_RANK)) if stronger_than else len(_RANK)
    strong = (external for external in record.external_ids if external.scheme in STRONG_SCHEMES[:limit])
    return any(candidate.external_ids.get(scheme, value) != value for scheme, _, value in strong)


def _new_title(record: PreparedRecord, known: Known) -> Match:
    if record.own_id and record.own_id not in known.by_own_id:
        return Match(record.own_id, "first seen here", is_new=True)
    return Match(TitleId(stable_id("mg", record.source, record.key)), "first seen here", is_new=True)
