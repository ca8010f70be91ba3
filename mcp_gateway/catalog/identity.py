"""Which title a record speaks of: the rules, without a database.

In this order: the record was seen before; it names one of our ids; an external id ties it; or its name and kind do,
together with people and a year that fit, with the same description, or, where one side names nobody, with the running
time or because there is no other title it could be. What is tied by nothing is a new title: a work that stands twice is
a smaller fault than two works in one.
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

FIRST_SEEN, OWN_ID = "first seen here", "own id"
"""Evidence of records that made their title, or named it by our id."""

RUNTIME_TOLERANCE_MINUTES = 2

RUNTIME_DOUBT_MINUTES = 5
"""A larger difference says that they are different works, or different cuts."""

OVERVIEW_THAT_TELLS = 60
"""So many characters of description, and no two works have the same."""

NAME_THAT_TELLS = 12
"""So many characters in several words, and hardly two works of a year have the same name."""

MAX_NAMES = 5
"""How many of a record's names are looked for."""

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
    overview: str = ""


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
    overview = normalise_name(title.overview) if title.overview else ""
    return Candidate(title.id, title.kind, title.year, title.runtime_minutes, people, title.external_ids, overview)


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


def name_keys_of(facts: TitleFacts) -> tuple[str, ...]:
    """The folded names that a title is looked for by, its display name first."""
    first = name_key_of(facts.name)
    if not facts.alternative_titles:
        return (first,)
    others = [name_key_of(name.name) for name in facts.alternative_titles[:MAX_NAMES]]
    return tuple(dict.fromkeys([first, *others]))[:MAX_NAMES]


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
    return Match(title_id, OWN_ID, is_new=False)


def _by_external_id(record: PreparedRecord, known: Known) -> Match | None:
    for external in record.external_ids:
        title_id = known.by_external.get(external)
        if title_id is None or title_id in known.claimed:
            continue
        if _contradict(record, known.candidates[title_id], stronger_than=external.scheme):
            continue
        return Match(title_id, f"external id {external}", is_new=False)
    return None


def has_telling_name(kind: Kind) -> bool:
    """Whether titles of a kind may be looked for by name: there are thousands of seasons that are called Season 1."""
    return kind in {"movie", "series"}


def _by_name(record: PreparedRecord, known: Known) -> Match | None:
    if not has_telling_name(record.kind):
        return None
    same_name = {title_id: None for key in record.name_keys for title_id in known.by_name.get(key, ())}
    free = (known.candidates[title_id] for title_id in same_name if title_id not in known.claimed)
    candidates = [c for c in free if c.kind == record.kind and not _contradict(record, c)]
    if not candidates:
        return None
    candidates = _each_work_once(record, candidates)
    return (
        _by_people(record, candidates)
        or _by_overview(record, candidates)
        or _by_runtime(record, candidates)
        or _by_being_alone(record, candidates)
    )


def _each_work_once(record: PreparedRecord, candidates: Collection[Candidate]) -> list[Candidate]:
    """Titles of one name that are alike in year, people and description are one work that stands twice.

    Of these the one of about the record's length is left, then the first: a third title would help nobody.
    """
    works: dict[object, Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: (_minutes_apart(record, c) or 0, c.id)):
        tells = candidate.people or len(candidate.overview) >= OVERVIEW_THAT_TELLS
        work = (candidate.year, frozenset(candidate.people), candidate.overview) if tells else candidate.id
        works.setdefault(work, candidate)
    return list(works.values())


def _by_people(record: PreparedRecord, candidates: Collection[Candidate]) -> Match | None:
    """The one with the most people in common, if the years allow it; a year that is off counts against it."""
    counted = [(len(record.people.keys() & c.people), _years_apart(record, c), c) for c in candidates]
    ranked = sorted(
        (
            (shared - min(apart or 0, 3), *_likeness(record, candidate), shared, candidate.id)
            for shared, apart, candidate in counted
            if _are_enough(shared, apart, record, candidate)
        ),
        reverse=True,
    )
    if not ranked or (len(ranked) > 1 and ranked[1][:3] == ranked[0][:3]):
        return None
    *_, count, title_id = ranked[0]
    return Match(title_id, f"name, year, kind and {count} {'person' if count == 1 else 'people'}", is_new=False)


def _likeness(record: PreparedRecord, candidate: Candidate) -> tuple[bool, int]:
    """What decides between titles with as many people in common: the description, then the length."""
    same_words = bool(record.overview) and record.overview == candidate.overview
    return same_words, -(_minutes_apart(record, candidate) or 0)


def _are_enough(shared: int, apart: int | None, record: PreparedRecord, candidate: Candidate) -> bool:
    """Whether so many people in common make up for a difference in the year."""
    all_of_one = shared > 0 and shared == min(len(record.people), len(candidate.people))
    if apart == 0:
        return shared >= 1
    if apart is None:
        return shared >= (2 if record.kind == "series" else 3) or (all_of_one and record.kind == "series")
    if apart == 1:
        return shared >= 2 or (all_of_one and _are_as_long(record, candidate))
    if record.kind == "movie":
        # A film has a year of its first showing, and one of its release here.
        return apart == 2 and (shared >= 3 or (all_of_one and shared >= 2))
    # Some lists give the year of a series' latest season. One that is earlier is another series, made again later.
    is_later = (record.year or 0) > (candidate.year or 0)
    return shared >= (2 if is_later else 5) and 2 * shared >= min(len(record.people), len(candidate.people))


def _by_overview(record: PreparedRecord, candidates: Collection[Candidate]) -> Match | None:
    """The one that is described in the same words."""
    if len(record.overview) < OVERVIEW_THAT_TELLS:
        return None
    same = [candidate for candidate in candidates if candidate.overview == record.overview]
    if len(same) != 1 or (_years_apart(record, same[0]) or 0) > 2:
        return None
    return Match(same[0].id, "name, kind and description", is_new=False)


def _by_runtime(record: PreparedRecord, candidates: Collection[Candidate]) -> Match | None:
    """Where one side names nobody, one title alone of that name, year and about that length will do."""
    same_year = [candidate for candidate in candidates if _years_apart(record, candidate) == 0]
    if len(same_year) != 1:
        return None
    (candidate,) = same_year
    if (record.people and candidate.people) or not _are_as_long(record, candidate):
        return None
    return Match(candidate.id, "name, year, kind and running time", is_new=False)


def _by_being_alone(record: PreparedRecord, candidates: Collection[Candidate]) -> Match | None:
    """Where one side names nobody, and nothing speaks against it, the only title of the name and the time.

    Of lists that have only films that people know, hardly two of a year have the same name. A record that does name
    people comes from a source that has the others, too: there the name has to be a telling one.
    """
    candidate = _only_one_near(record, candidates)
    if candidate is None or (record.people and (candidate.people or not _tells(record.name_key))):
        return None
    if (_minutes_apart(record, candidate) or 0) > RUNTIME_DOUBT_MINUTES:
        return None
    return Match(candidate.id, "name, year and kind, of which there is no other", is_new=False)


def _only_one_near(record: PreparedRecord, candidates: Collection[Candidate]) -> Candidate | None:
    """The only title of the record's year; or the only one of a telling name at all, when its year is a year off.

    The year of a record that names nobody is believed: others of the name may be near. Otherwise none may.
    """
    near = [candidate for candidate in candidates if (_years_apart(record, candidate) or 0) <= 2]
    same_year = [candidate for candidate in near if _years_apart(record, candidate) == 0]
    if same_year:
        return same_year[0] if len(same_year) == 1 and (len(near) == 1 or not record.people) else None
    if len(candidates) > 1 or not near or record.people or not _tells(record.name_key):
        return None
    return near[0] if _years_apart(record, near[0]) == 1 else None


def _tells(name_key: str) -> bool:
    return len(name_key) >= NAME_THAT_TELLS and " " in name_key


def _years_apart(record: PreparedRecord, candidate: Candidate) -> int | None:
    """None where a side does not say its year."""
    return None if record.year is None or candidate.year is None else abs(record.year - candidate.year)


def _minutes_apart(record: PreparedRecord, candidate: Candidate) -> int | None:
    """None where a side does not say its length."""
    if record.runtime_minutes is None or candidate.runtime_minutes is None:
        return None
    return abs(record.runtime_minutes - candidate.runtime_minutes)


def _are_as_long(record: PreparedRecord, candidate: Candidate) -> bool:
    minutes = _minutes_apart(record, candidate)
    return minutes is not None and minutes <= RUNTIME_TOLERANCE_MINUTES


def _contradict(record: PreparedRecord, candidate: Candidate, *, stronger_than: str | None = None) -> bool:
    """Whether a strong external id says that they are different works."""
    limit = _RANK.get(stronger_than, len(_RANK)) if stronger_than else len(_RANK)
    strong = (external for external in record.external_ids if external.scheme in STRONG_SCHEMES[:limit])
    return any(candidate.external_ids.get(scheme, value) != value for scheme, _, value in strong)


def _new_title(record: PreparedRecord, known: Known) -> Match:
    if record.own_id and record.own_id not in known.by_own_id:
        return Match(record.own_id, FIRST_SEEN, is_new=True)
    return Match(TitleId(stable_id("mg", record.source, record.key)), FIRST_SEEN, is_new=True)
