"""Services that plugins provide to one another and to the command line, by these types."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mcp_gateway.call import Caller
from mcp_gateway.catalog.models import TitleId

if TYPE_CHECKING:  # over stdio nobody needs Starlette
    from starlette.requests import Request


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

    @property
    def sources(self) -> Mapping[str, str]:
        """What can be read, by name, with a word on each."""
        ...

    async def download(self, source: str, path: Path | None, on_progress: Callable[[IngestProgress], None]) -> Path:
        """Fetch a source's files where its owner publishes them; what is up to date is not fetched again.

        Args:
            source: A name of `sources`.
            path: The folder to fetch them to; None: one of the gateway's own.
            on_progress: Called now and then, for each file.

        Returns:
            The folder.

        Raises:
            InvalidParams: The source's files cannot be fetched, or the path is no folder.
            Unavailable: The server cannot be reached, or gives up. What has come is kept for the next call.
        """
        ...

    async def ingest(
        self,
        source: str,
        path: Path,
        *,
        limit: int | None,
        on_progress: Callable[[IngestProgress], None],
        region: str | None = None,
    ) -> Mapping[str, Any]:
        """Take a source in.

        Args:
            source: A name of `sources`.
            path: A file or folder; `-` is standard input.
            limit: Records to read at most.
            on_progress: Called now and then.
            region: ISO 3166-1 alpha-2: where its offers hold, for files that do not say so themselves.

        Returns:
            The report: counts `read created updated unchanged rejected`, `seconds`, `complete` and more.

        Raises:
            InvalidParams: There is no such source.
            Unavailable: The path cannot be read.
        """
        ...


class Authenticator(Protocol):
    """Says who sends an HTTP request. The plugin that signs people in provides it; from then on nobody gets in unasked.

    Whoever runs the process over standard input and output is never asked.
    """

    async def authenticate(self, request: Request) -> Caller:
        """Who sends the request, by its headers. The body is not to be read.

        Raises:
            Unauthenticated: Nobody who may be let in; its challenge says how to sign in.
            Unavailable: Nobody can tell now.
        """
        ...

    def challenge(self, request: Request, scopes: Collection[str]) -> str:
        """The value of `WWW-Authenticate` for somebody who is signed in and needs these scopes besides (RFC 6750)."""
        ...

    def on_end(self, listener: Callable[[str], None]) -> None:
        """From now on call the listener with each sign-in that ends, on whatever instance, within a second."""
        ...
