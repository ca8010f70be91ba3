"""Services that plugins provide to one another and to the command line, by these types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mcp_gateway.catalog.models import TitleId


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


class Retriever(Protocol):
    """Finds titles for a description in another way than by its words, e.g. by vectors.

    A plugin that has one calls `services.provide(Retriever, mine)`. Search asks it for descriptions of what happens,
    not for names, people or conditions, and puts its ranking together with its own.
    """

    async def retrieve(self, query: str, limit: int) -> Sequence[TitleId]:
        """Titles that fit the query, best first. What takes longer than a second is not waited for.

        Args:
            query: As the caller wrote it, at most 10,000 characters.
            limit: So many at most.
        """
        ...


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
