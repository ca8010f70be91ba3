"""Counts of the values that a result has, over all of it: for people and programs that narrow a search step by step.

Where any of several values may be selected (kinds, platforms, ways to pay), a facet counts as if nothing were selected
in it: so it shows what another choice would add. Genres must all hold, and years and ratings are bounds: these count
within the result.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tantivy import Query

from mcp_gateway.catalog.models import normalise_name

from .facet_columns import COLUMNS, values_in
from .index import TitleIndex
from .models import FacetValue, Filters

# The commonest; a list in an answer must end somewhere.
MOST_VALUES = 30
# Of each column: more than there are platforms, genres or languages, so that none is left out of the sum.
_MOST_COUNTED = 10_000
# Each column costs a little whatever is in it: of more titles they are cheaper than fields of several values.
_WIDE = 4000
# Up to so many titles finding them costs more than counting, so kinds and what is within the chosen ones are one pass.
_FOUND_ONCE = 100_000
_KIND = COLUMNS["kind"][0]


@dataclass(frozen=True, slots=True)
class _Facet:
    """Where a facet's values are, and which filter selects among them.

    Attributes:
        any_of: One of the selected values is enough, so it counts without its own filter.
    """

    field: str
    filter: str | None = None
    any_of: bool = True


_FACETS: Mapping[str, _Facet] = {
    "genres": _Facet("genre", "genres", any_of=False),
    "platforms": _Facet("platform", "platforms"),
    "kinds": _Facet("kind", "kinds"),
    "release_year": _Facet("decade", "year_from", any_of=False),
    "rating": _Facet("rating_step", "rating_from", any_of=False),
    "languages": _Facet("language"),
    "certification": _Facet("certification"),
    "availability": _Facet("offer_kind", "monetization"),
}

QueryFor = Callable[[Filters], Query]
Counts = dict[str, int]


def count_facets(
    index: TitleIndex, wanted: Iterable[str], filters: Filters, query_for: QueryFor, *, total: int
) -> dict[str, list[FacetValue]]:
    """Of each facet its values and how many titles have them, the most frequent first, years and ratings in order.

    Args:
        query_for: The search with these filters instead of the caller's.
        total: How many titles the search with the caller's finds.
    """
    names = list(dict.fromkeys(wanted))
    alone = [name for name in names if _counts_alone(_FACETS[name], filters)]
    together = [name for name in names if name not in alone] if total else []
    counted: dict[str, Counts] = {}
    for name in alone:
        query = query_for(filters.model_copy(update={str(_FACETS[name].filter): None}))
        if name == "kinds" and total <= _FOUND_ONCE:
            counted |= _counted_by_kind(index, together, query, filters.kinds or (), wide=total > _WIDE)
            together = []
        else:
            counted |= _counted(index, [name], query, wide=True)
    if together:
        counted |= _counted(index, together, query_for(filters), wide=total > _WIDE)
    return {name: _values(name, counted.get(name, {}), filters) for name in names}


def _counts_alone(facet: _Facet, filters: Filters) -> bool:
    return facet.any_of and bool(_chosen(facet, filters))


def _chosen(facet: _Facet, filters: Filters) -> Sequence[str]:
    return (getattr(filters, facet.filter) or ()) if facet.filter else ()


def _counted(index: TitleIndex, names: Sequence[str], query: Query, *, wide: bool) -> dict[str, Counts]:
    columns = _columns(names, wide=wide)
    return _read([index.aggregate(query, _terms(columns))], columns)


def _counted_by_kind(
    index: TitleIndex, names: Sequence[str], query: Query, chosen: Container[str], *, wide: bool
) -> dict[str, Counts]:
    """Kinds, and the others within the chosen ones."""
    columns = _columns(names, wide=wide)
    kinds = {"kind": {**_terms_of(_KIND), "aggs": _terms(columns)}}
    buckets = index.aggregate(query, kinds)["kind"]["buckets"]
    return {"kinds": _sum([buckets])} | _read([bucket for bucket in buckets if bucket["key"] in chosen], columns)


def _columns(names: Sequence[str], *, wide: bool) -> dict[str, Sequence[str]]:
    """Of each facet where its values are counted soonest."""
    fields = {name: _FACETS[name].field for name in names}
    return {name: COLUMNS[field] if wide or len(COLUMNS[field]) == 1 else [field] for name, field in fields.items()}


def _terms(columns: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {column: _terms_of(column) for column in chain.from_iterable(columns.values())}


def _terms_of(column: str) -> dict[str, Any]:
    return {"terms": {"field": column, "size": _MOST_COUNTED}}


def _read(answers: Sequence[Mapping[str, Any]], columns: Mapping[str, Sequence[str]]) -> dict[str, Counts]:
    return {
        name: _sum(answer[column]["buckets"] for answer in answers for column in those)
        for name, those in columns.items()
    }


def _sum(columns: Iterable[Iterable[Mapping[str, Any]]]) -> Counts:
    counts: Counts = {}
    for bucket in chain.from_iterable(columns):
        for value in values_in(bucket["key"]):
            counts[value] = counts.get(value, 0) + bucket["doc_count"]
    return counts


def _values(name: str, counts: Counts, filters: Filters) -> list[FacetValue]:
    match name:
        case "release_year":
            decades = sorted(((int(first), count) for first, count in counts.items()), reverse=True)
            return [_decade(first, count, filters) for first, count in decades[:MOST_VALUES]]
        case "rating":
            return [_rating(low, counts[low], filters) for low in sorted(counts, reverse=True)]
    chosen = {_folded(value) for value in _chosen(_FACETS[name], filters)}
    ordered = sorted(counts.items(), key=lambda counted: (-counted[1], counted[0]))
    selected = {key for key, _ in ordered if _folded(key) in chosen} if chosen else set()
    return [
        FacetValue(key, count, key in selected)
        for place, (key, count) in enumerate(ordered)
        if place < MOST_VALUES or key in selected
    ]


def _decade(first: int, count: int, filters: Filters) -> FacetValue:
    bounded = filters.year_from is not None or filters.year_to is not None
    inside = (filters.year_from or first) <= first and first + 9 <= (filters.year_to or first + 9)
    return FacetValue(f"{first}s", count, bounded and inside)


def _rating(low: str, count: int, filters: Filters) -> FacetValue:
    """From one whole number to the next; a 10 is in the last."""
    least = filters.rating_from
    return FacetValue(f"{low}-{int(low) + 1}", count, least is not None and int(low) >= least)


def _folded(value: str) -> str:
    return normalise_name(value).replace(" ", "_")
