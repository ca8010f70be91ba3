"""Hooks of the ingestion plugin: what it registers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import BaseModel

from mcp_gateway.api import Capability, Importers, Prompt, Services, capability, hookimpl
from mcp_gateway.catalog.platforms import PlatformNormalizer

from .availability.capabilities import availability
from .inline import InlineImport
from .on_demand import ImportersOnDemand
from .platforms import BUILT_IN
from .pollers.sources import open_sources
from .rejected_list import RejectedList
from .settings import IngestionSettings
from .starter_catalogue import load_starter
from .store import RejectedStore

log = logging.getLogger(__name__)

READ = frozenset({"catalog:read"})
WRITE = frozenset({"catalog:write"})


@hookimpl
def register_settings() -> type[BaseModel]:
    """The `[plugins.ingestion]` table."""
    return IngestionSettings


@hookimpl
def register_migrations() -> Path:
    """The plugin's Alembic versions."""
    return Path(__file__).parent / "migrations"


@hookimpl
def register_platforms() -> Iterable[PlatformNormalizer]:
    """The platforms that the gateway can read without another plugin."""
    return BUILT_IN


@hookimpl
@asynccontextmanager
async def lifespan(services: Services, settings: IngestionSettings) -> AsyncIterator[list[Capability | Prompt]]:
    """Fill an empty catalogue, lend the importers to the command line, and offer the tools."""
    if settings.starter and (await services.catalog.version()).revision == 0:
        count = await load_starter(services.catalog, services.clock)
        log.info("starter catalogue loaded", extra={"titles": count})
    store = RejectedStore(services)
    services.provide(Importers, ImportersOnDemand(services, settings, store))
    inline = InlineImport(services.catalog)
    rejected = RejectedList(store, services.cursors.scoped("list_rejected_records"))
    async with open_sources(settings.tmdb, settings.streaming_availability, services.clock) as sources:
        yield [
            capability(
                "ingest_titles", inline.ingest_titles, scopes=WRITE, read_only=False, idempotent=True, advanced=True
            ),
            capability("list_rejected_records", rejected.list_rejected_records, scopes=READ, advanced=True),
            *availability(services, settings, sources),
        ]
