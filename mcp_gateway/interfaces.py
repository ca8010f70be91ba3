"""Services that plugins provide to one another and to the command line, by these types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """How far an import is.

    Attributes:
        done: Bytes of the source read so far.
        total: Bytes of the source, None when unknown (a pipe).
        records: Records read so far.
        rejected: Of those, how many were not taken in.
    """

    done: int
    total: int | None
    records: int
    rejected: int


class Importers(Protocol):
    """Takes catalogues in. The ingestion plugin provides it; `media-gateway ingest` asks it."""

    sources: Mapping[str, str]
    """What can be read, by name, with a word on each."""

    async def ingest(
        self, source: str, path: Path, *, limit: int | None, on_progress: Callable[[IngestProgress], None]
    ) -> Mapping[str, Any]:
        """Take a source in.

        Args:
            source: A name of `sources`.
            path: A file or folder; `-` is standard input.
            limit: Records to read at most.
            on_progress: Called now and then.

        Returns:
            The report: counts `read created updated unchanged rejected`, `seconds`, `complete` and more.

        Raises:
            InvalidParams: There is no such source.
            Unavailable: The path cannot be read.
        """
        ...
