"""The tool `search_titles`: a page of titles for words and conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcp_gateway.api import Call, Cursors, InvalidCursor
from mcp_gateway.catalog.store import Catalog

from .budget import fitting
from .cards import clip, details_of
from .explain import explain
from .filters import conditions
from .index import Hits, TitleIndex
from .models import Filters, QueryEcho, SearchParams, SearchResult, TitleItem
from .retrieval import DEEPEST_HIT, Found, find
from .words import MAX_WORDS, words_of

ECHO_CHARS = 200


class TitleSearch:
    """Answers searches from the index, and tells details from the catalogue."""

    def __init__(self, index: TitleIndex, catalog: Catalog, cursors: Cursors) -> None:
        self._index = index
        self._catalog = catalog
        self._cursors = cursors

    async def search(self, params: SearchParams, call: Call) -> SearchResult:
        """Find films and series by words, people, genre, year, rating or platform; without query the most popular.
        For the id of one known title use resolve_title."""
        words, unused = words_of(params.query)
        filters = params.filters or Filters()
        place = _Place(self._cursors, words, filters, params, call)
        found = find(
            self._index,
            words,
            conditions(self._index, filters),
            sort=params.sort,
            limit=min(params.limit, DEEPEST_HIT - place.offset),
            offset=place.offset,
        )
        items = await self._items(found.hits, words, params)
        kept = items[: fitting(items)]
        reached = place.offset + len(kept)
        has_more = reached < min(found.hits.total, DEEPEST_HIT) and bool(kept)
        return SearchResult(
            query=QueryEcho(original=clip(params.query, ECHO_CHARS), relaxed=found.relaxed or None),
            total=found.hits.total,
            items=list(kept),
            has_more=has_more,
            next_cursor=place.cursor_at(reached) if has_more else None,
            truncated=len(kept) < len(items),
            hint=self._hint(params, found, unused, reached),
        )

    async def _items(self, hits: Hits, words: tuple[str, ...], params: SearchParams) -> Sequence[TitleItem]:
        cards = self._index.cards(hits)
        if params.detail == "concise":
            return cards
        ids = [card.id for card in cards]
        titles, offers = await self._catalog.get(ids), await self._catalog.offers(ids)
        return [
            details_of(title, offers.get(title.id, ()), explanation=explain(title, words))
            if (title := titles.get(card.id))
            else card
            for card in cards
        ]

    def _hint(self, params: SearchParams, found: Found, unused_words: int, reached: int) -> str | None:
        """What the caller should know or try; None when all went as asked."""
        hints = []
        if not self._index.is_complete:
            hints.append("The index is still being built: more titles will be found in a moment.")
        if found.relaxed:
            hints.append("No title has all the words; these have most of them.")
        if unused_words:
            hints.append(f"Only the first {MAX_WORDS} words were used.")
        if found.hits.total == 0:
            hints.append(_nothing_found(params))
        if reached >= DEEPEST_HIT < found.hits.total:
            hints.append(f"Only the first {DEEPEST_HIT:,} can be paged through: narrow the filters to see others.")
        return " ".join(hints) or None


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


def _nothing_found(params: SearchParams) -> str:
    named = sorted(params.filters.model_dump(exclude_none=True)) if params.filters else []
    what = "No title matches the query" if params.query.strip() else "No title"
    with_filters = f" with the filters {', '.join(named)}" if named else ""
    advice = "drop a filter or check" if named else "check"
    return f"{what}{with_filters}. Use fewer words, {advice} the spelling; resolve_title knows inexact names."
