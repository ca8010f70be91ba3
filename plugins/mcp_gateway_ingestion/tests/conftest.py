"""Fixtures of the plugin's tests: a catalogue and the records it rejected, on both databases."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mcp_gateway.catalog.models import Title
from mcp_gateway.catalog.store import Catalog
from mcp_gateway.storage.engine import Database
from mcp_gateway.tests.catalogues import StandingClock, opened
from mcp_gateway_ingestion import plugin
from mcp_gateway_ingestion.importing import FileImporters
from mcp_gateway_ingestion.pipeline import FileIngest, IngestReport
from mcp_gateway_ingestion.platforms import BUILT_IN
from mcp_gateway_ingestion.rejects import RejectedRecord
from mcp_gateway_ingestion.settings import IngestionSettings
from mcp_gateway_ingestion.sources import files_of
from mcp_gateway_ingestion.store import RejectedStore
from mcp_gateway_ingestion.taking import TitleTaker

Line = bytes | str | dict[str, Any]


@dataclass
class Ingestion:
    """A catalogue, the store of what it rejected, and imports into both."""

    db: Database
    catalog: Catalog
    rejected: RejectedStore

    async def run(
        self,
        path: Path,
        *,
        source: str = "jsonl",
        batch_lines: int = 3,
        replaces: str | None = None,
        **options: Any,
    ) -> IngestReport:
        """Take a file in, in small batches."""
        (file,) = files_of(source, path, IngestionSettings())
        assert file.format
        one_file = FileIngest(
            self.catalog,
            self.rejected,
            StandingClock(),
            source=file.source,
            taker=TitleTaker(self.catalog, file.format),
            about=file.about,
            batch_lines=batch_lines,
            replaces=replaces,
        )
        return await one_file.run(path, file.open, **options)

    async def take_in(self, source: str, path: Path, **options: Any) -> dict[str, Any]:
        """Take files of any source in, as the command line does."""
        importers = FileImporters(
            self.catalog,
            self.rejected,
            StandingClock(),
            platforms={each.key: each for each in BUILT_IN},
            settings=IngestionSettings(),
        )
        given = {"limit": None, "on_progress": lambda _: None, **options}
        return dict(await importers.ingest(source, path, **given))

    async def titles(self) -> dict[str, Title]:
        """The catalogue, by name."""
        return {title.name: title async for batch in self.catalog.changed_since(0) for title in batch}

    async def reasons(self) -> list[tuple[int, str]]:
        """Line and reason of everything that was rejected."""
        return [(record.line_number, record.reason) for record in await self.rejects()]

    async def rejects(self) -> list[RejectedRecord]:
        """Everything that was rejected."""
        return await self.rejected.page(None, after=None, limit=1000)


@pytest.fixture
async def ingestion(database_url: str) -> AsyncIterator[Ingestion]:
    """On each database in turn."""
    async with opened(database_url, ingestion=plugin.register_migrations()) as (db, catalog):
        services: Any = SimpleNamespace(db=db, clock=StandingClock())
        yield Ingestion(db, catalog, RejectedStore(services))


@pytest.fixture
async def sqlite_ingestion(sqlite_url: str) -> AsyncIterator[Ingestion]:
    """On SQLite alone, for what takes long."""
    async with opened(sqlite_url, ingestion=plugin.register_migrations()) as (db, catalog):
        services: Any = SimpleNamespace(db=db, clock=StandingClock())
        yield Ingestion(db, catalog, RejectedStore(services))


def title(key: str, **values: Any) -> dict[str, Any]:
    """A line of the format."""
    return {"id": key, "type": "movie", "title": f"Film {key}", "year": 2008, **values}


def as_bytes(line: Line) -> bytes:
    """A line as it stands in the file, without its end."""
    if isinstance(line, dict):
        return json.dumps(line, ensure_ascii=False).encode()
    return line.encode() if isinstance(line, str) else line


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write lines to a file, compressed when its name says so."""

    def write(lines: Iterable[Line], name: str = "titles.jsonl") -> Path:
        path = tmp_path / name
        content = b"".join(as_bytes(line) + b"\n" for line in lines)
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write
