"""Reads queries: the processor's rules with the vocabulary of the index, and the client's model where rules fail."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from mcp_gateway.api import Call, Unavailable

from .index import TitleIndex
from .names import IndexNames
from .understanding.asking import CACHE_SECONDS, CONFIDENT, Calls, ModelIntent, ask_model, checked, key_of, with_model
from .understanding.intent import Understanding
from .understanding.lexicon import Lexicon
from .understanding.processor import QueryProcessor
from .vocabulary import VocabularyShelf

# The first query that is not written as a name is waits so long for the vocabulary to be mapped.
WAIT_SECONDS = 2.0


class AnswerCache(Protocol):
    """Keeps answers of models for a while, e.g. the gateway's cache."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None when absent or expired."""
        ...

    async def set(self, key: str, value: bytes, *, ttl_seconds: float) -> None:
        """Store, replacing what is there."""
        ...


class QueryReader:
    """Understands queries, and knows which words mean much the same.

    Args:
        cache: Keeps the answers of models; without one no model is asked.
        ask_seconds: How long to wait for a model.

    Attributes:
        calls: How many queries needed a model.
    """

    def __init__(
        self, index: TitleIndex, lexicon: Lexicon, *, cache: AnswerCache | None = None, ask_seconds: float = 10.0
    ) -> None:
        self._index = index
        self._processor = QueryProcessor(IndexNames(index), lexicon)
        self._vocabularies = VocabularyShelf(index)
        self._lexicon = lexicon
        self._cache = cache
        self._ask_seconds = ask_seconds
        self.calls = Calls()

    async def read(self, query: str, call: Call) -> Understanding:
        """What a query means."""
        self._index.refresh()
        asked = self._processor.exact(query)
        if asked is None:
            vocabulary = await self._vocabularies.current(WAIT_SECONDS)
            asked = self._processor.understand(query, vocabulary)
        self.calls.queries += asked.kind != "browse"
        if self._cache is None or not call.can_sample or asked.kind == "browse":
            return asked
        if asked.confidence >= CONFIDENT:
            self.calls.saved += 1
            return asked
        told = await self._told(query, call, self._cache)
        return with_model(asked, told) if told else asked

    def synonyms_of(self, word: str) -> Sequence[str]:
        """Words that mean much the same."""
        return self._lexicon.equivalents.get(word, ())

    def expansions(self, asked: Understanding) -> list[str]:
        """The words tried beside those of the query."""
        if asked.kind == "name":
            return []
        return list(dict.fromkeys(other for word in asked.words for other in self.synonyms_of(word)))

    async def _told(self, query: str, call: Call, cache: AnswerCache) -> ModelIntent | None:
        """What a model says, now or earlier."""
        key = key_of(query)
        known = await _cached(cache, key)
        if known is not None:
            self.calls.cached += 1
            return known
        self.calls.asked += 1
        told = await ask_model(query, call, seconds=self._ask_seconds)
        if told is None:
            self.calls.failed += 1
            return None
        with suppress(Unavailable):
            await cache.set(key, told.model_dump_json().encode(), ttl_seconds=CACHE_SECONDS)
        return told


async def _cached(cache: AnswerCache, key: str) -> ModelIntent | None:
    try:
        known = await cache.get(key)
    except Unavailable:
        return None
    return checked(known.decode()) if known else None
