"""Hooks of the ingestion plugin: what it registers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import BaseModel

from mcp_gateway.api import Capability, Importers, Services, capability, hookimpl

from .importing import FileImporters, InlineImport
from .rejected_list import RejectedList
from .settings import IngestionSettings
from .starter_catalogue import SOURCE as STARTER
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
@asynccontextmanager
async def lifespan(services: Services, settings: IngestionSettings) -> AsyncIterator[list[Capability]]:
    """Fill an empty catalogue, lend the importers to the command line, and offer the tools."""
    if settings.starter and (await services.catalog.version()).revision == 0:
        count = await load_starter(services.catalog, services.clock)
        log.info("starter catalogue loaded", extra={"titles": count})
    store = RejectedStore(services)
    replaces = None if settings.keep_starter else STARTER
    services.provide(Importers, FileImporters(services.catalog, store, services.clock, replaces=replaces))
    inline = InlineImport(services.catalog)
    rejected = RejectedList(store, services.cursors.scoped("list_rejected_records"))
    yield [
        capability(
            "ingest_titles", inline.ingest_titles, scopes=WRITE, read_only=False, idempotent=True, advanced=True
        ),
        capability("list_rejected_records", rejected.list_rejected_records, scopes=READ, advanced=True),
    ]
