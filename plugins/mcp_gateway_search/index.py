"""The index as searches see it: opened in a millisecond, always the last state that any process committed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import orjson
from tantivy import DocAddress, FieldType, Index, Order, Query, Schema, Searcher

from mcp_gateway.api import Unavailable
from mcp_gateway.catalog.models import TitleId, normalise_name

from .index_folder import IndexFolder, Manifest
from .models import TitleItem
from .schema import POPULARITY_STEPS, build_schema

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

# Counts of terms are asked for again and again; so many are remembered, about 3 MB.
_COUNTS_KEPT = 20_000
# And so many counts of facets, about 5 MB.
_AGGREGATES_KEPT = 500

# Of a whole index the names are read in parts: all at once they would take a gigabyte.
_READ_AT_ONCE = 1000

_BUILDING = "The search index is being built; try again in a moment."
STILL_BUILDING = "The index is still being built: more titles will be found in a moment."
_DAMAGED = "The search index cannot be read and is being checked; try again in a moment."


@dataclass(frozen=True, slots=True)
class Hits:
    """One stretch of a search result.

    Attributes:
        total: All that match.
        addresses: Where the hits are, in order.
        searcher: The state of the index in which they are there: in another state the same addresses mean others.
    """

    total: int
    addresses: list[DocAddress]
    searcher: Searcher


@dataclass(frozen=True, slots=True)
class NamesOf:
    """What a title and its people are called; the people folded. `popularity` is from 0 to 1."""

    titles: list[str]
    people: list[str]
    popularity: float


def _guarded(
    method: Callable[Concatenate[TitleIndex, P], R],
) -> Callable[Concatenate[TitleIndex, P], R]:
    """Take what tantivy raises when it reads nonsense for a reason to check the files."""

    @wraps(method)
    def guarded(self: TitleIndex, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except BaseException as error:
            if not isinstance(error, ValueError) and not is_panic(error):
                raise
            log.exception("search index cannot be read")
            self.suspect = True
            raise Unavailable(_DAMAGED, retry_after_seconds=5) from None

    return guarded


class TitleIndex:
    """Reads the index. What it does takes microseconds to a few milliseconds, less than going to a thread would.

    Every reading method first looks whether another process, or the keeper of this one, committed something.
    """

    def __init__(self, folder: IndexFolder) -> None:
        self.schema: Schema = build_schema()
        self.turn_to(folder)

    def turn_to(self, folder: IndexFolder) -> None:
        """Read this folder from now on: another catalogue has another."""
        self.folder = folder
        self.manifest: Manifest | None = None
        self.suspect = False  # set when reading failed; the keeper then checks the files
        self._stamp: tuple[int, int] | None = None
        self._index: Index | None = None
        self._searcher: Searcher | None = None
        self._values: dict[str, dict[str, str]] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._aggregates: dict[tuple[str, bytes], Mapping[str, Any]] = {}

    @property
    def is_complete(self) -> bool:
        """Whether the index has once held the whole catalogue."""
        return self.manifest is not None and self.manifest.complete

    @property
    def is_open(self) -> bool:
        """Whether there is something to search."""
        return self._searcher is not None

    @_guarded
    def refresh(self) -> None:
        """Take up the state last committed, if it is another than the one in use. A microsecond if not."""
        stamp = self.folder.stamp()
        if stamp == self._stamp:
            return
        manifest = self.folder.read()
        if manifest is None:
            return
        if self._index is None or self.manifest is None or manifest.generation != self.manifest.generation:
            self._index = open_generation(self.folder.generation(manifest))
        if self._index is not None:
            self._index.reload()
            self._searcher = self._index.searcher()
            self._values = {}
            self._counts = {}
            self._aggregates = {}
        self.manifest = manifest
        self._stamp = stamp

    @_guarded
    def search(
        self,
        query: Query,
        *,
        limit: int,
        offset: int = 0,
        order_by: str | None = None,
        ascending: bool = False,
        weighted: bool = True,
    ) -> Hits:
        """The best hits from `offset` on, most relevant first, or in the order of a `by_*` field.

        Args:
            weighted: Multiply relevance by popularity.

        Raises:
            Unavailable: There is no index yet.
        """
        searcher = self._current()
        if order_by is None:
            weight = "weight" if weighted else None
            result = searcher.search(query, limit, offset=offset, weight_by_field=weight)
        else:
            order = Order.Asc if ascending else Order.Desc
            result = searcher.search(query, limit, offset=offset, order_by_field=order_by, order=order)
        # The library's stub forgets the attribute `count`.
        return Hits(result.count, [address for _, address in result.hits], searcher)  # type: ignore[attr-defined]

    @_guarded
    def ids(self, hits: Hits) -> list[TitleId]:
        """The ids of the hits."""
        return [TitleId(value) for value in self._stored(hits, "id")]

    @_guarded
    def cards(self, hits: Hits) -> list[TitleItem]:
        """The concise titles of the hits, as they were when they were indexed."""
        return [TitleItem.model_validate_json(bytes(card)) for card in self._stored(hits, "card")]

    @_guarded
    def names(self, hits: Hits) -> list[list[str]]:
        """Of each hit its name and its alternative ones."""
        return [orjson.loads(bytes(names)) for names in self._stored(hits, "names")]

    @_guarded
    def popularities(self, hits: Hits) -> list[float]:
        """How popular each hit is, from 0 to 1."""
        values = hits.searcher.fast_field_values("by_popularity", hits.addresses)
        return [(value or 0) / POPULARITY_STEPS for value in values]

    @_guarded
    def knows(self, word: str) -> bool:
        """Whether any title can be found by this word."""
        return self._current().doc_freq("words", word) > 0

    @property
    def size(self) -> int:
        """How many titles it holds."""
        return self._searcher.num_docs if self._searcher else 0

    def count(self, field: str, term: str) -> int:
        """How many titles have this term. Those replaced or deleted count until their segment is merged.

        Asked many times in a row, so it does not look for another state of the index: call `refresh` before.
        """
        known = self._counts.get((field, term))
        return self._count(field, term) if known is None else known

    @_guarded
    def _count(self, field: str, term: str) -> int:
        counted = (self._searcher or self._current()).doc_freq(field, term)
        if len(self._counts) < _COUNTS_KEPT:
            self._counts[field, term] = counted
        return counted

    def changed_after(self, revision: int, limit: int) -> Iterator[NamesOf]:
        """Names and people of titles that changed after this revision, in no order."""
        hits = self._changed_after(revision, limit)
        for start in range(0, len(hits.addresses), _READ_AT_ONCE):
            yield from self._named(replace(hits, addresses=hits.addresses[start : start + _READ_AT_ONCE]))

    @_guarded
    def _changed_after(self, revision: int, limit: int) -> Hits:
        searcher = self._current()
        newer = Query.range_query(self.schema, "revision", FieldType.Integer, lower_bound=revision + 1)
        found = searcher.search(newer, max(1, limit), count=False)
        return Hits(0, [address for _, address in found.hits], searcher)

    @_guarded
    def _named(self, hits: Hits) -> list[NamesOf]:
        documents = map(hits.searcher.doc, hits.addresses)
        told = ((bytes(document["names"][0]), bytes(document["people"][0])) for document in documents)
        named = zip(told, self.popularities(hits), strict=True)
        return [NamesOf(orjson.loads(n), orjson.loads(p), popularity) for (n, p), popularity in named]

    @_guarded
    def count_changed_after(self, revision: int) -> int:
        """How many titles changed after this revision."""
        newer = Query.range_query(self.schema, "revision", FieldType.Integer, lower_bound=revision + 1)
        return int(self._current().search(newer, 1).count)  # type: ignore[attr-defined]  # as in `search`

    @_guarded
    def words(self) -> list[tuple[str, int]]:
        """Every word by which titles can be found, and how many titles have it."""
        return self._current().terms_with_prefix("words", "")

    @_guarded
    def aggregate(self, query: Query, wanted: dict[str, Any]) -> Mapping[str, Any]:
        """What tantivy counts over all titles that match. Remembered while the index stays as it is: wide results,
        which take long to count, are those that are asked for again."""
        searcher = self._current()
        key = repr(query), orjson.dumps(wanted)
        known = self._aggregates.get(key)
        if known is None:
            known = searcher.aggregate(query, wanted)
            if len(self._aggregates) >= _AGGREGATES_KEPT:
                del self._aggregates[next(iter(self._aggregates))]  # the oldest
            self._aggregates[key] = known
        return known

    @_guarded
    def values(self, field: str) -> Mapping[str, str]:
        """All values of a field of whole values, e.g. `genre`, by their folded form."""
        searcher = self._current()
        if field not in self._values:
            terms = searcher.terms_with_prefix(field, "")
            self._values[field] = {normalise_name(value).replace(" ", "_"): value for value, _ in terms}
        return self._values[field]

    @_guarded
    def ids_beginning(self, prefix: str, limit: int) -> list[str]:
        """Ids of titles that begin so, in their own order."""
        return [value for value, _ in self._current().terms_with_prefix("id", prefix, limit=limit)]

    def _stored(self, hits: Hits, field: str) -> list[Any]:
        return [hits.searcher.doc(address).get_first(field) for address in hits.addresses]

    def _current(self) -> Searcher:
        self.refresh()
        if self._searcher is None:
            raise Unavailable(_BUILDING, retry_after_seconds=1)
        return self._searcher


def is_panic(error: BaseException) -> bool:
    """Whether tantivy gave up in the middle. Its panics are no `Exception`, and of a class that cannot be imported."""
    return type(error).__name__ == "PanicException"


def open_generation(path: Path) -> Index | None:
    """Open a tantivy index; None when it is damaged."""
    try:
        index = Index.open(str(path))
        index.config_reader(reload_policy="manual")
        index.searcher()
    except Exception as error:  # tantivy raises ValueError, OSError and others for what it finds on the disk
        log.warning("search index cannot be opened", extra={"generation": path.name, "cause": str(error)[:300]})
        return None
    return index
