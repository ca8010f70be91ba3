"""Hooks of the search plugin: what it registers and keeps running."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import BaseModel

from mcp_gateway.api import Capability, Retriever, Services, Skill, capability, hookimpl, skill
from mcp_gateway.catalog.events import TitleChanged

from .index import TitleIndex
from .index_folder import IndexFolder
from .keeper import IndexKeeper
from .lookup import Lookup
from .reader import QueryReader
from .resolve import Resolver
from .searching import TitleSearch
from .settings import SearchSettings
from .understanding.lexicon import BUILT_IN, Lexicon

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
    await keeper.start(settings.start_seconds)
    services.events.subscribe(TitleChanged, keeper.title_changed)
    services.background.start(keeper.run, name="search index")

    lexicon = Lexicon.read(BUILT_IN, *settings.synonyms_files)
    cache = services.cache if settings.ask_model else None
    reader = QueryReader(index, lexicon, cache=cache, ask_seconds=settings.ask_model_seconds)
    cursors = services.cursors.scoped("search_titles")
    search = TitleSearch(index, services.catalog, cursors, reader, lambda: services.get(Retriever, None))
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
