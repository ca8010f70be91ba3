"""Reads queries: the processor's rules with the vocabulary of the index, and a model where rules fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import anyio

from mcp_gateway.api import Call, Unavailable

from .index import TitleIndex
from .names import IndexNames
from .understanding.asking import CACHE_SECONDS, CONFIDENT, Calls, ModelIntent, ask_model, checked, key_of, with_model
from .understanding.intent import Understanding
from .understanding.lexicon import Lexicon
from .understanding.processor import QueryProcessor
from .vocabulary import VocabularyShelf

if TYPE_CHECKING:
    from .understanding.endpoint import Endpoint

# The first query that is not written as a name is waits so long for the vocabulary to be mapped.
WAIT_SECONDS = 2.0
# Loading takes a tenth of a second of the processor: not while the first requests come in.
WARM_UP_AFTER_SECONDS = 1.0


class AnswerCache(Protocol):
    """Keeps answers of models for a while, e.g. the gateway's cache."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None when absent or expired."""
        ...

    async def set(self, key: str, value: bytes, *, ttl_seconds: float) -> None:
        """Store, replacing what is there."""
        ...


@dataclass(frozen=True, slots=True)
class Models:
    """Who may be asked what rules do not understand.

    Attributes:
        cache: Keeps their answers.
        ask_client: Whether clients that lend their model are asked.
        ask_seconds: How long to wait for a client's model.
        endpoint: Asked for clients that lend none.
    """

    cache: AnswerCache
    ask_client: bool = True
    ask_seconds: float = 10.0
    endpoint: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class _Adviser:
    """The model that is asked in a call; `name` tells its answers from those of others."""

    name: str
    ask: Callable[[str], Awaitable[ModelIntent | None]]


class QueryReader:
    """Understands queries, and knows which words mean much the same.

    Args:
        models: Asked where rules fail; None: no model is.

    Attributes:
        calls: How many queries needed a model.
    """

    def __init__(self, index: TitleIndex, lexicon: Lexicon, models: Models | None = None) -> None:
        self._index = index
        self._processor = QueryProcessor(IndexNames(index), lexicon)
        self._vocabularies = VocabularyShelf(index)
        self._lexicon = lexicon
        self._models = models
        self.calls = Calls()

    async def read(self, query: str, call: Call) -> Understanding:
        """What a query means."""
        self._index.refresh()
        asked = self._processor.exact(query)
        if asked is None:
            vocabulary = await self._vocabularies.current(WAIT_SECONDS)
            asked = self._processor.inexact(query, vocabulary)
        self.calls.queries += asked.kind != "browse"
        adviser = _adviser(self._models, call)
        if self._models is None or adviser is None or asked.kind == "browse":
            return asked
        if asked.confidence >= CONFIDENT:
            self.calls.saved += 1
            return asked
        told = await self._told(query, adviser, self._models.cache)
        return with_model(asked, told) if told else asked

    async def warm_up(self) -> None:
        """Load a while after the start what the first misspelt query would have to wait for."""
        await anyio.sleep(WARM_UP_AFTER_SECONDS)
        with suppress(Unavailable):
            await self._vocabularies.warm_up()

    def synonyms_of(self, word: str) -> Sequence[str]:
        """Words that mean much the same."""
        return self._lexicon.equivalents.get(word, ())

    def expansions(self, asked: Understanding) -> list[str]:
        """The words tried beside those of the query."""
        if asked.kind == "name":
            return []
        return list(dict.fromkeys(other for word in asked.words for other in self.synonyms_of(word)))

    async def _told(self, query: str, adviser: _Adviser, cache: AnswerCache) -> ModelIntent | None:
        """What a model says, now or earlier."""
        key = key_of(query, adviser.name)
        known = await _cached(cache, key)
        if known is not None:
            self.calls.cached += 1
            return known
        self.calls.asked += 1
        told = await adviser.ask(query)
        if told is None:
            self.calls.failed += 1
            return None
        with suppress(Unavailable):
            await cache.set(key, told.model_dump_json().encode(), ttl_seconds=CACHE_SECONDS)
        return told


def _adviser(models: Models | None, call: Call) -> _Adviser | None:
    """The client's own model, else the endpoint's. What a client's user declines to ask is put to nobody else."""
    if models is None:
        return None
    if models.ask_client and call.can_sample:
        # One caller's model must not decide what another caller finds.
        return _Adviser(f"client {call.caller.id}", partial(ask_model, call=call, seconds=models.ask_seconds))
    if models.endpoint is not None:
        return _Adviser(f"endpoint {models.endpoint.model}", models.endpoint.ask)
    return None


async def _cached(cache: AnswerCache, key: str) -> ModelIntent | None:
    try:
        known = await cache.get(key)
    except Unavailable:
        return None
    return checked(known.decode()) if known else None
