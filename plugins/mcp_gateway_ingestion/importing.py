"""Takes files in that are named on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from anyio import to_thread

from mcp_gateway.api import Clock, IngestProgress, InvalidParams
from mcp_gateway.catalog.platforms import PlatformNormalizer, Sighting
from mcp_gateway.catalog.store import Catalog

from .download import IMDB_FILES, Downloads
from .files import STDIN
from .listing import ListingTaker
from .pipeline import BATCH_LINES, FileIngest, IngestReport
from .pollers.json_api import http_client
from .settings import IngestionSettings
from .sources import ABOUT, PLATFORM, STREAMING_AVAILABILITY, File, files_of
from .store import RejectedStore
from .taking import Taker, TitleTaker

PAYLOADS_AT_ONCE = 1000
"""They are larger than lines: a row comes with its cast, a title with its offers in fifty countries."""

FETCH_SECONDS = 60.0
"""How long a server may send nothing."""

FACTS_ONLY = "generic"
"""The platform whose normalizer reads the facts of a title, whoever offers it."""


class FileImporters:
    """What `media-gateway ingest` can read.

    Args:
        platforms: The normalizers, by key.
        folder: Where files are fetched to when nobody says.
        replaces: A source that gives way when the catalogue has nothing else.
    """

    def __init__(
        self,
        catalog: Catalog,
        rejected: RejectedStore,
        clock: Clock,
        *,
        platforms: Mapping[str, PlatformNormalizer],
        settings: IngestionSettings,
        folder: Path | None = None,
        replaces: str | None = None,
    ) -> None:
        self._catalog = catalog
        self._rejected = rejected
        self._clock = clock
        self._platforms = platforms
        self._settings = settings
        self._folder = folder
        self._replaces = replaces
        rows = {f"{PLATFORM}{key}": f"Rows or payloads of {each.name}." for key, each in sorted(platforms.items())}
        self.sources: Mapping[str, str] = {**ABOUT, **rows}

    async def download(self, source: str, path: Path | None, on_progress: Callable[[IngestProgress], None]) -> Path:
        """Fetch a source's files, see `Importers.download`."""
        if source != "imdb":
            raise InvalidParams("download", "is there for imdb only; fetch the files of other sources yourself")
        folder = path or (self._folder / "imdb" if self._folder else None)
        if folder is None:
            raise InvalidParams("path", "name the folder to fetch the files to")
        if folder.exists() and not folder.is_dir():
            raise InvalidParams("path", f"{folder} is no folder")
        await to_thread.run_sync(partial(folder.mkdir, parents=True, exist_ok=True))
        async with http_client(FETCH_SECONDS) as client:
            downloads = Downloads(client, self._settings.imdb_url, folder, on_progress=on_progress)
            for name in IMDB_FILES:
                await downloads.fetch(name)
        return folder

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
        """Take files in, see `Importers.ingest`."""
        if source not in self.sources:
            raise InvalidParams("source", "is not one that can be read", allowed=sorted(self.sources))
        files = files_of(source, path, self._settings)
        total = IngestReport(source, path.name)
        done = _Done(files, on_progress)
        takers: dict[str, TitleTaker] = {}
        for file in files:
            left = None if limit is None else limit - total.read
            if left is not None and left <= 0:
                break
            seen = Sighting(observed_at=observed_at or _written_at(file.path) or self._clock.now(), region=region)
            report = await self._one(file, left, done, self._taker(file, seen, takers))
            done.next()
            total = report if len(files) == 1 else total.plus(report)
        if total.complete and not total.read and not total.left_out:
            total.complete, total.problem = False, "there is nothing in it to take in"
        return total.as_json()

    async def _one(self, file: File, limit: int | None, done: _Done, taker: Taker[Any]) -> IngestReport:
        one_file = FileIngest(
            self._catalog,
            self._rejected,
            self._clock,
            source=file.source,
            taker=taker,
            about=file.about,
            replaces=self._replaces,
            batch_lines=BATCH_LINES if file.format else PAYLOADS_AT_ONCE,
        )
        return await one_file.run(file.path, file.open, limit=limit, on_progress=done.show)

    def _taker(self, file: File, seen: Sighting, earlier: dict[str, TitleTaker]) -> Taker[Any]:
        """What takes a file's records in; the files of one source share it, for it knows what it has seen."""
        if file.format is not None:
            return earlier.setdefault(file.source, TitleTaker(self._catalog, file.format))
        normalizers = self._normalizers(file.source)
        return ListingTaker(self._catalog, source=file.source, normalizers=normalizers, seen=seen)

    def _normalizers(self, source: str) -> list[PlatformNormalizer]:
        """Those that read a source's payloads: the one of a platform, or all, the facts first."""
        if source != STREAMING_AVAILABILITY:
            return [self._platforms[source.removeprefix(PLATFORM)]]
        rest = (each for key, each in sorted(self._platforms.items()) if key != FACTS_ONLY)
        return [self._platforms[FACTS_ONLY], *rest]


class _Done:
    """Adds up how far the files of one import are."""

    def __init__(self, files: Sequence[File], on_progress: Callable[[IngestProgress], None]) -> None:
        self._count = len(files)
        self._sizes = [_size(file.path) for file in files]
        self._on_progress = on_progress
        self._before = self._records = self._rejected = 0
        self._last = IngestProgress(0, None, 0, 0)

    def show(self, progress: IngestProgress) -> None:
        """Tell of the file that is read now."""
        self._last = progress
        sizes = [size for size in self._sizes if size is not None]
        total = sum(sizes) if len(sizes) == self._count > 1 else progress.total if self._count == 1 else None
        records, rejected = self._records + progress.records, self._rejected + progress.rejected
        self._on_progress(IngestProgress(self._before + progress.done, total, records, rejected))

    def next(self) -> None:
        """The next file follows."""
        self._before += self._last.done
        self._records += self._last.records
        self._rejected += self._last.rejected
        self._last = IngestProgress(0, None, 0, 0)


def _written_at(path: Path) -> datetime | None:
    """When a file was written: what it says was seen then at the latest."""
    return None if path == STDIN or not path.exists() else datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path != STDIN and path.is_file() else None
