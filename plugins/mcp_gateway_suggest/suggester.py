"""The tool, the route and the completion: answers from the cache, or else from the index."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

from pydantic import TypeAdapter

from mcp_gateway.api import Call, Unavailable

from .index import ALL_TYPES, SuggestIndex
from .models import MAX_LIMIT, USUAL_LIMIT, Suggestion, Suggestions, SuggestParams
from .segment import SuggestionType
from .words import fold

log = logging.getLogger(__name__)

_KEPT = TypeAdapter(list[Suggestion])


class AnswerCache(Protocol):
    """What is needed of a cache."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None when absent or expired."""
        ...

    async def set(self, key: str, value: bytes, *, ttl_seconds: float) -> None:
        """Store, replacing what is there."""
        ...


class Suggester:
    """Suggests what may be meant.

    Args:
        cache_seconds: How long an answer is kept. It is of one state of the index, so it never goes stale.
    """

    def __init__(self, index: SuggestIndex, cache: AnswerCache, *, cache_seconds: float = 3600) -> None:
        self._index = index
        self._cache = cache
        self._cache_seconds = cache_seconds

    async def suggest(self, params: SuggestParams, call: Call) -> Suggestions:
        """Titles, people, genres for a half-typed name."""
        types = frozenset(params.types or ALL_TYPES)
        limit = params.limit or USUAL_LIMIT
        text = fold(params.q)
        self._index.refresh()
        if self._index.manifest is None:  # being built, or damaged
            return Suggestions(suggestions=[*self._ask(text, limit, types)])
        key = _key(self._index.manifest.generation, text, limit, types)
        suggested = await self._known(key)
        if suggested is None:
            suggested = self._ask(text, limit, types)
            await self._keep(key, suggested)
        return Suggestions(suggestions=[*suggested])

    async def complete(self, typed: str, call: Call) -> Sequence[str]:
        """The names that may be meant."""
        self._index.refresh()
        return list(dict.fromkeys(item.text for item in self._index.suggest(typed, MAX_LIMIT)))

    def _ask(self, text: str, limit: int, types: frozenset[SuggestionType]) -> list[Suggestion]:
        return [
            Suggestion(text=item.text, type=item.type, id=item.id, popularity=item.popularity, year=item.year)
            for item in self._index.suggest(text, limit, types)
        ]

    async def _known(self, key: str) -> list[Suggestion] | None:
        try:
            told = await self._cache.get(key)
            return None if told is None else _KEPT.validate_json(told)
        except (Unavailable, ValueError) as error:
            log.debug("no answer from the cache", extra={"cause": type(error).__name__})
            return None

    async def _keep(self, key: str, suggested: list[Suggestion]) -> None:
        try:
            await self._cache.set(key, _KEPT.dump_json(suggested), ttl_seconds=self._cache_seconds)
        except Unavailable:
            log.debug("the cache does not keep an answer")


def _key(generation: str, text: str, limit: int, types: frozenset[SuggestionType]) -> str:
    asked = "\x1f".join((generation, str(limit), *sorted(types), text))
    return blake2b(asked.encode("utf-8", "replace"), digest_size=16).hexdigest()
