"""The importers, made when somebody takes a file in: a gateway that serves never needs their modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_gateway.api import IngestProgress, Services, Withdrawal

from .settings import IngestionSettings
from .store import RejectedStore
from .withdrawing import withdraw

if TYPE_CHECKING:
    from .importing import FileImporters


class ImportersOnDemand:
    """Implements `Importers`."""

    def __init__(self, services: Services, settings: IngestionSettings, rejected: RejectedStore) -> None:
        self._services = services
        self._settings = settings
        self._rejected = rejected

    @property
    def sources(self) -> Mapping[str, str]:
        """As `Importers`."""
        return self._importers.sources

    async def download(self, source: str, path: Path | None, on_progress: Callable[[IngestProgress], None]) -> Path:
        """As `Importers`."""
        return await self._importers.download(source, path, on_progress)

    async def ingest(
        self,
        source: str,
        path: Path,
        *,
        limit: int | None,
        on_progress: Callable[[IngestProgress], None],
        region: str | None = None,
        observed_at: datetime | None = None,
    ) -> Mapping[str, Any]:
        """As `Importers`."""
        return await self._importers.ingest(
            source, path, limit=limit, on_progress=on_progress, region=region, observed_at=observed_at
        )

    async def withdraw(
        self, source: str, *, platform: str | None = None, region: str | None = None, dry_run: bool = False
    ) -> Sequence[Withdrawal]:
        """As `Importers`."""
        catalog = self._services.catalog
        return await withdraw(catalog, source, platform=platform, region=region, dry_run=dry_run)

    @cached_property
    def _importers(self) -> FileImporters:
        from .importing import FileImporters
        from .starter_catalogue import SOURCE as STARTER

        services = self._services
        return FileImporters(
            services.catalog,
            self._rejected,
            services.clock,
            platforms=services.platforms,
            settings=self._settings,
            folder=services.data_dir,
            replaces=None if self._settings.keep_starter else STARTER,
        )
