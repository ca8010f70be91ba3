"""Hooks of the suggest plugin: what it registers and keeps running."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import BaseModel

from mcp_gateway.api import Capability, Services, capability, hookimpl
from mcp_gateway.catalog.events import TitleChanged

from .index import SuggestIndex
from .index_folder import IndexFolder
from .keeper import IndexKeeper
from .settings import SuggestSettings
from .suggester import Suggester

# A command waits for the index; less than a plugin may take to start, or it would not start.
ONE_SHOT_SECONDS = 20.0


@hookimpl
def register_settings() -> type[BaseModel]:
    """The `[plugins.suggest]` table."""
    return SuggestSettings


@hookimpl
@asynccontextmanager
async def lifespan(services: Services, settings: SuggestSettings) -> AsyncIterator[list[Capability]]:
    """Open the index, keep it up to date, and suggest."""
    catalogue = await services.catalog.version()
    index = SuggestIndex(IndexFolder(services.data_dir / "index", catalogue.id))
    keeper = IndexKeeper(services.catalog, index, services.clock, poll_seconds=settings.poll_seconds)
    services.events.subscribe(TitleChanged, keeper.title_changed)
    services.report_health(keeper.health)
    services.background.start(keeper.run, name="suggest index")
    await keeper.wait(ONE_SHOT_SECONDS if services.one_shot else settings.start_seconds)

    suggester = Suggester(index, services.cache, cache_seconds=settings.cache_seconds)
    yield [
        capability(
            "suggest_titles", suggester.suggest, title="Suggest", uri="media://suggest{?q,limit}",
            rest="GET /api/v1/discovery/suggest", completions={"q": suggester.complete}, scopes={"catalog:read"},
        )
    ]  # fmt: skip
