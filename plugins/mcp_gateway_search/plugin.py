"""Hooks of the search plugin: what it registers and keeps running."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from pydantic import BaseModel

from mcp_gateway.api import Capability, Retriever, Services, Skill, capability, hookimpl, skill
from mcp_gateway.catalog.events import TitleChanged

from .index import TitleIndex
from .index_folder import IndexFolder
from .keeper import IndexKeeper
from .lookup import Lookup
from .reader import Models, QueryReader
from .resolve import Resolver
from .searching import TitleSearch
from .semantic import missing
from .settings import SearchSettings
from .understanding.lexicon import BUILT_IN, Lexicon

log = logging.getLogger(__name__)

# A command waits for the index to take in new titles; less than a plugin may take to start, or it would not start.
ONE_SHOT_SECONDS = 20.0

READ = frozenset({"catalog:read"})


@hookimpl
def register_settings() -> type[BaseModel]:
    """The `[plugins.search]` table."""
    return SearchSettings


@hookimpl
@asynccontextmanager
async def lifespan(services: Services, settings: SearchSettings) -> AsyncIterator[list[Capability | Skill]]:
    """Open the index, keep it up to date, and offer search, lookup and resolving."""
    catalogue = await services.catalog.version()
    index = TitleIndex(IndexFolder(services.data_dir / "index", catalogue.id))
    keeper = IndexKeeper(services.catalog, index, services.clock, poll_seconds=settings.poll_seconds)
    services.events.subscribe(TitleChanged, keeper.title_changed)
    services.report_health(keeper.health)
    services.background.start(keeper.run, name="search index")
    await keeper.wait(ONE_SHOT_SECONDS if services.one_shot else settings.start_seconds)

    lexicon = Lexicon.read(BUILT_IN, *settings.synonyms_files)
    async with _models(services, settings) as models:
        reader = QueryReader(index, lexicon, models)
        services.background.start(reader.warm_up, name="search vocabulary")
        cursors = services.cursors.scoped("search_titles")
        own = _by_meaning(services, settings)

        def retrievers() -> list[Retriever]:
            return [retriever for retriever in (own, services.get(Retriever, None)) if retriever]

        search = TitleSearch(index, services.catalog, cursors, reader, retrievers)
        lookup = Lookup(services.catalog, index)
        resolver = Resolver(index)
        yield [
            capability("search_titles", search.search, rest="GET /api/v1/discovery/search", scopes=READ),
            capability("get_titles", lookup.get_titles, scopes=READ),
            capability("resolve_title", resolver.resolve, scopes=READ),
            capability(
                "title", lookup.title, tool=False, uri="media://titles/{id}", rest="GET /api/v1/titles/{id}",
                completions={"id": lookup.complete_title}, scopes=READ,
            ),
            capability(
                "person", lookup.person, tool=False, uri="media://people/{id}", rest="GET /api/v1/people/{id}",
                completions={"id": lookup.complete_person}, scopes=READ,
            ),
            skill(Path(__file__).parent / "skills" / "find-something-to-watch"),
        ]  # fmt: skip


@asynccontextmanager
async def _models(services: Services, settings: SearchSettings) -> AsyncIterator[Models]:
    """Who may be asked what rules do not understand."""
    models = Models(services.cache, ask_client=settings.ask_model, ask_seconds=settings.ask_model_seconds)
    if settings.model_url is None or settings.model_name is None:
        yield models
        return
    from .understanding.endpoint import ModelAddress, open_endpoint

    address = ModelAddress(settings.model_url, settings.model_name, settings.model_key)
    async with open_endpoint(address, services.clock, seconds=settings.ask_model_seconds) as endpoint:
        yield replace(models, endpoint=endpoint)


def _by_meaning(services: Services, settings: SearchSettings) -> Retriever | None:
    """What finds descriptions by their meaning, if that is wanted and installed."""
    if settings.semantic is False:
        return None
    if lacking := missing():
        if settings.semantic:
            needed = "search by meaning needs the extra: pip install 'media-gateway[semantic]'"
            log.warning(needed, extra={"missing": lacking})
        return None
    from .semantic.keeper import Meanings
    from .semantic.minilm import open_minilm

    root = services.data_dir / "vectors"
    meanings = Meanings(services.catalog, root, partial(open_minilm, root))
    services.events.subscribe(TitleChanged, meanings.title_changed)
    services.background.start(meanings.run, name="search vectors")
    return meanings
