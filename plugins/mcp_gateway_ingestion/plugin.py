"""Hooks of the ingestion plugin: what it registers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import BaseModel

from mcp_gateway.api import Capability, Clock, Importers, Prompt, Services, capability, hookimpl
from mcp_gateway.catalog.platforms import PlatformNormalizer

from .availability.capabilities import availability
from .inline import InlineImport
from .on_demand import ImportersOnDemand
from .platforms import BUILT_IN
from .rejected_list import RejectedList
from .settings import IngestionSettings
from .store import RejectedStore
from .sync.source import AvailabilitySource

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
        from .starter_catalogue import load_starter

        count = await load_starter(services.catalog, services.clock)
        log.info("starter catalogue loaded", extra={"titles": count})
    store = RejectedStore(services)
    services.provide(Importers, ImportersOnDemand(services, settings, store))
    inline = InlineImport(services.catalog)
    rejected = RejectedList(store, services.cursors.scoped("list_rejected_records"))
    async with _sources(settings, services.clock) as sources:
        yield [
            capability(
                "ingest_titles", inline.ingest_titles, scopes=WRITE, read_only=False, idempotent=True, advanced=True
            ),
            capability("list_rejected_records", rejected.list_rejected_records, scopes=READ, advanced=True),
            capability(
                "forget_rejected_records",
                rejected.forget_rejected_records,
                scopes=WRITE,
                read_only=False,
                idempotent=True,
                advanced=True,
            ),
            *availability(services, settings, sources),
        ]


@asynccontextmanager
async def _sources(settings: IngestionSettings, clock: Clock) -> AsyncIterator[list[AvailabilitySource]]:
    """The APIs that the settings have a key for."""
    if settings.tmdb.token is None and settings.streaming_availability.key is None:
        yield []
        return
    from .pollers.sources import open_sources

    async with open_sources(settings.tmdb, settings.streaming_availability, clock) as sources:
        yield sources
