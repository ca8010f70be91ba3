"""The tool `search_titles`: a page of titles for words and conditions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterator, Sequence
from itertools import chain
from typing import Any

import anyio
from tantivy import Query

from mcp_gateway.api import Call, Cursors, InvalidCursor, Retriever
from mcp_gateway.catalog.models import Title, TitleId
from mcp_gateway.catalog.store import Catalog

from .answering import conditions_of, echo, offers_asked_for
from .budget import ITEMS_BYTES, fitting
from .cards import details_of
from .explain import explain
from .facets import count_facets
from .filters import conditions
from .fusion import fuse
from .index import STILL_BUILDING, Hits, TitleIndex
from .models import FacetValue, Filters, SearchParams, SearchResult, TitleItem
from .planning import Plan, Planner
from .reader import QueryReader
from .retrieval import DEEPEST_HIT, Found, find, with_filters
from .understanding.intent import Understanding
from .understanding.words import MAX_WORDS, words_of

# So many titles of each ranking are put together, and so long another plugin may take for its own.
FUSED = 100
RETRIEVER_SECONDS = 1.0
# Of a long description the words that an overview happens to have say less than its meaning.
WEIGHT_OF_WORDS = 0.5

# In the explanation of what a retriever found.
ALIKE = "its description is like the query"

# The JSON around the value and the count of a facet's value.
_FACET_VALUE_BYTES = 45


log = logging.getLogger(__name__)


class TitleSearch:
    """Answers searches from the index, and tells details from the catalogue."""

    def __init__(
        self,
        index: TitleIndex,
        catalog: Catalog,
        cursors: Cursors,
        reader: QueryReader,
        retrievers: Callable[[], Sequence[Retriever]] = tuple,
    ) -> None:
        self._index = index
        self._retrievers = retrievers
        self._catalog = catalog
        self._cursors = cursors
        self._reader = reader

    async def search(self, params: SearchParams, call: Call) -> SearchResult:
        """Find films and series by name, people, plot or question, e.g. "90s sci-fi with Keanu Reeves".

        Without query the most popular."""
        words, unused = words_of(params.query)
        filters = params.filters or Filters()
        place = _Place(self._cursors, words, filters, params, call)
        asked = await self._reader.read(params.query, call)
        narrowing = conditions(self._index, filters)
        ways, by_others = await self._ways(params, asked, narrowing)
        found = find(
            self._index,
            ways,
            narrowing,
            sort=params.sort,
            limit=min(params.limit, DEEPEST_HIT - place.offset),
            offset=place.offset,
        )
        facets = self._facets(params, filters, found)
        items = await self._items(found.hits, asked, params, by_others)
        kept = items[: fitting(items, ITEMS_BYTES - _bytes_of(facets))]
        reached = place.offset + len(kept)
        has_more = reached < min(found.hits.total, DEEPEST_HIT) and bool(kept)
        return SearchResult(
            query=echo(params.query, asked, expansions=self._reader.expansions(asked), relaxed=found.relaxed),
            total=found.hits.total,
            items=list(kept),
            facets=facets,
            has_more=has_more,
            next_cursor=place.cursor_at(reached) if has_more else None,
            truncated=len(kept) < len(items),
            hint=self._hint(params, asked, found, unused, reached),
        )

    async def _ways(
        self, params: SearchParams, asked: Understanding, filters: Sequence[Query]
    ) -> tuple[Iterator[Plan], frozenset[TitleId]]:
        """What to try, and what others found for a description: its ranking and ours become one."""
        planner = Planner(self._index, asked, synonyms_of=self._reader.synonyms_of, filters=filters)
        retrievers = self._retrievers() if planner.is_description else ()
        theirs = [await _retrieved(retriever, params.query) for retriever in retrievers]
        if not any(theirs):
            return planner.plans(), frozenset()
        ours = find(self._index, planner.plans(), filters, sort="relevance", limit=FUSED, offset=0)
        fused = fuse([self._index.ids(ours.hits), *theirs], weights=[WEIGHT_OF_WORDS, *(1.0 for _ in theirs)])
        return chain((planner.in_order(fused),), planner.plans()), frozenset(chain.from_iterable(theirs))

    def _facets(self, params: SearchParams, filters: Filters, found: Found) -> dict[str, list[FacetValue]] | None:
        if not params.facets:
            return None
        return count_facets(
            self._index,
            params.facets,
            filters,
            lambda narrowed: with_filters(found.titles, conditions(self._index, narrowed)),
            total=found.hits.total,
        )

    async def _items(
        self, hits: Hits, asked: Understanding, params: SearchParams, by_others: Container[TitleId]
    ) -> Sequence[TitleItem]:
        cards = self._index.cards(hits)
        if params.detail == "concise":
            return cards
        ids = [TitleId(card.id) for card in cards]
        titles, offers = await self._catalog.get(ids), await self._catalog.offers(ids)
        conditions = conditions_of(asked)

        def reason(title: Title) -> str | None:
            return explain(title, asked.words, [*conditions, ALIKE] if title.id in by_others else conditions)

        return [
            details_of(title, offers.get(title.id, ()), explanation=reason(title))
            if (title := titles.get(title_id))
            else card
            for title_id, card in zip(ids, cards, strict=True)
        ]

    def _hint(
        self, params: SearchParams, asked: Understanding, found: Found, unused_words: int, reached: int
    ) -> str | None:
        """What the caller should know or try; None when all went as asked."""
        hints = []
        if not self._index.is_complete:
            hints.append(STILL_BUILDING)
        if found.without_offers:
            hints.append(f"None is known to be offered as asked ({offers_asked_for(asked)}); these are without that.")
        elif found.relaxed:
            hints.append("No title has all of it; these have most of it.")
        if found.whole is not None:
            hints.append(f"Only the first {found.whole} have all words; the others are like them.")
        if unused_words:
            hints.append(f"Only the first {MAX_WORDS} words were used.")
        if found.hits.total == 0:
            hints.append(_nothing_found(params))
        if reached >= DEEPEST_HIT < found.hits.total:
            hints.append(f"Only the first {DEEPEST_HIT:,} can be paged through: narrow the filters to see others.")
        return " ".join(hints) or None


async def _retrieved(retriever: Retriever, query: str) -> Sequence[TitleId]:
    """What another plugin finds; nothing when it fails or is too slow."""
    with anyio.move_on_after(RETRIEVER_SECONDS):
        try:
            return (await retriever.retrieve(query, FUSED))[:FUSED]
        except Exception:  # another plugin's fault must not cost the answer
            log.exception("retriever failed")
    return ()


class _Place:
    """Where in the result a page begins; its cursors serve only this query, order and caller."""

    def __init__(
        self, cursors: Cursors, words: Sequence[str], filters: Filters, params: SearchParams, call: Call
    ) -> None:
        self._cursors = cursors
        self._bound_to: dict[str, Any] = {
            "query": {"words": list(words), "filters": filters.model_dump(mode="json", exclude_none=True)},
            "sort": params.sort,
            "caller": call.caller.id,
        }
        self.offset = 0
        if params.cursor is not None:
            position = cursors.decode(params.cursor, **self._bound_to)
            self.offset = _offset_in(position)

    def cursor_at(self, offset: int) -> str:
        """The cursor of the page that begins at this hit."""
        return self._cursors.encode([offset], **self._bound_to)


def _offset_in(position: Sequence[object]) -> int:
    match position:
        case [int(offset)] if 0 <= offset < DEEPEST_HIT:
            return offset
    raise InvalidCursor


def _bytes_of(facets: dict[str, list[FacetValue]] | None) -> int:
    values = [value for counted in (facets or {}).values() for value in counted]
    return sum(_FACET_VALUE_BYTES + len(value.value.encode()) for value in values)


def _nothing_found(params: SearchParams) -> str:
    named = sorted(params.filters.model_dump(exclude_none=True)) if params.filters else []
    what = "No title matches the query" if params.query.strip() else "No title"
    with_filters = f" with the filters {', '.join(named)}" if named else ""
    advice = "drop a filter or check" if named else "check"
    return f"{what}{with_filters}. Use fewer words, {advice} the spelling; resolve_title knows inexact names."
