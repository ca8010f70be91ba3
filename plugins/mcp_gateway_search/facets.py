"""Counts of the values that a result has, over all of it: for people and programs that narrow a search step by step.

Where any of several values may be selected (kinds, platforms, ways to pay), a facet counts as if nothing were selected
in it: so it shows what another choice would add. Genres must all hold, and years and ratings are bounds: these count
within the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tantivy import Query

from mcp_gateway.catalog.models import normalise_name

from .index import TitleIndex
from .models import FacetValue, Filters

# The commonest; a list in an answer must end somewhere.
MOST_VALUES = 30

Buckets = Sequence[tuple[Any, int]]


@dataclass(frozen=True, slots=True)
class _Facet:
    """Where a facet's values are, and which filter selects among them.

    Attributes:
        any_of: One of the selected values is enough, so it counts without its own filter.
        step: Of numbers, how many go into one bucket.
    """

    field: str
    filter: str | None = None
    any_of: bool = True
    step: int | None = None


_FACETS: Mapping[str, _Facet] = {
    "genres": _Facet("genre", "genres", any_of=False),
    "platforms": _Facet("platform", "platforms"),
    "kinds": _Facet("kind", "kinds"),
    "release_year": _Facet("year", "year_from", any_of=False, step=10),
    "rating": _Facet("rating", "rating_from", any_of=False, step=1),
    "languages": _Facet("language"),
    "certification": _Facet("certification"),
    "availability": _Facet("offer_kind", "monetization"),
}

QueryFor = Callable[[Filters], Query]


def count_facets(
    index: TitleIndex, wanted: Iterable[str], filters: Filters, query_for: QueryFor
) -> dict[str, list[FacetValue]]:
    """Of each facet its values and how many titles have them, the most frequent first, years and ratings in order.

    Args:
        query_for: The search with these filters instead of the caller's.
    """
    counted: dict[str, list[FacetValue]] = {}
    together = [name for name in dict.fromkeys(wanted) if not _counts_alone(name, filters)]
    if together:
        counted = _counted(index, together, filters, query_for(filters))
    for name in dict.fromkeys(wanted):
        if name not in counted:
            without = filters.model_copy(update={str(_FACETS[name].filter): None})
            counted |= _counted(index, [name], filters, query_for(without))
    return {name: counted[name] for name in dict.fromkeys(wanted)}


def _counts_alone(name: str, filters: Filters) -> bool:
    facet = _FACETS[name]
    return facet.any_of and bool(_chosen(facet, filters))


def _chosen(facet: _Facet, filters: Filters) -> Sequence[str]:
    return (getattr(filters, facet.filter) or ()) if facet.filter else ()


def _counted(index: TitleIndex, names: Sequence[str], filters: Filters, query: Query) -> dict[str, list[FacetValue]]:
    answer = index.aggregate(query, {name: _aggregation(_FACETS[name]) for name in names})
    return {name: _values(name, answer[name]["buckets"], filters) for name in names}


def _aggregation(facet: _Facet) -> dict[str, Any]:
    if facet.step is None:
        return {"terms": {"field": facet.field, "size": 1000}}
    return {"histogram": {"field": facet.field, "interval": facet.step, "min_doc_count": 1}}


def _values(name: str, buckets: Iterable[Mapping[str, Any]], filters: Filters) -> list[FacetValue]:
    counts = [(bucket["key"], int(bucket["doc_count"])) for bucket in buckets]
    match name:
        case "release_year":
            return [_decade(int(key), count, filters) for key, count in sorted(counts, reverse=True)][:MOST_VALUES]
        case "rating":
            return _ratings(counts, filters)
    chosen = {_folded(value) for value in _chosen(_FACETS[name], filters)}
    ordered = sorted(counts, key=lambda counted: (-counted[1], str(counted[0])))
    selected = {key for key, _ in ordered if _folded(str(key)) in chosen} if chosen else set()
    return [
        _value(str(key), count, selected=key in selected)
        for place, (key, count) in enumerate(ordered)
        if place < MOST_VALUES or key in selected
    ]


def _value(value: str, count: int, *, selected: bool) -> FacetValue:
    return FacetValue.model_construct(value=value, count=count, selected=selected)  # made of nothing but our own


def _decade(first: int, count: int, filters: Filters) -> FacetValue:
    bounded = filters.year_from is not None or filters.year_to is not None
    inside = (filters.year_from or first) <= first and first + 9 <= (filters.year_to or first + 9)
    return _value(f"{first}s", count, selected=bounded and inside)


def _ratings(counts: Buckets, filters: Filters) -> list[FacetValue]:
    """Whole numbers, the best first; a 10 is in the last bucket."""
    merged: dict[int, int] = {}
    for key, count in counts:
        low = min(9, int(key))
        merged[low] = merged.get(low, 0) + count
    least = filters.rating_from
    return [
        _value(f"{low}-{low + 1}", merged[low], selected=least is not None and low >= least)
        for low in sorted(merged, reverse=True)
    ]


def _folded(value: str) -> str:
    return normalise_name(value).replace(" ", "_")
