"""Services that plugins provide to one another and to the command line, by these types."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Offers of a platform in a region that were taken away; the region is empty where it was not known."""

    platform: str
    region: str
    offers: int


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
        observed_at: datetime | None = None,
    ) -> Mapping[str, Any]:
        """Take a source in.

        Args:
            source: A name of `sources`.
            path: A file or folder; `-` is standard input.
            limit: Records to read at most.
            on_progress: Called now and then.
            region: ISO 3166-1 alpha-2: where its offers hold, for files that do not say so themselves.
            observed_at: When its offers were seen; None: when the file was written.

        Returns:
            The report: counts `read created updated unchanged rejected`, `seconds`, `complete` and more.

        Raises:
            InvalidParams: There is no such source.
            Unavailable: The path cannot be read.
        """
        ...

    async def withdraw(
        self, source: str, *, platform: str | None = None, region: str | None = None, dry_run: bool = False
    ) -> Sequence[Withdrawal]:
        """Take away the offers that a source told of; its titles stay.

        Args:
            source: A name of `sources`, or of an API that is asked.
            platform: Only the offers of this platform.
            region: Only those of this country, ISO 3166-1 alpha-2; empty: only those of no known country.
            dry_run: Only say what would go.

        Returns:
            What went, by platform and region.

        Raises:
            InvalidParams: There are no such offers.
        """
        ...


@dataclass(frozen=True, slots=True)
class UserEntry:
    """Somebody who can sign in.

    Attributes:
        is_operator: May grant what changes the gateway for everybody.
    """

    user_id: str
    name: str
    is_operator: bool
    created_at: datetime


class Users(Protocol):
    """The people who can sign in. The auth plugin provides it; `media-gateway user` asks it.

    Names are found whatever their case. What names nobody raises NotFound.
    """

    async def add(self, name: str, password: str, *, is_operator: bool = False) -> UserEntry:
        """Add somebody.

        Raises:
            InvalidParams: The name or the password cannot be used.
            Conflict: The name is taken.
        """
        ...

    async def list(self) -> Sequence[UserEntry]:
        """Everybody, by name."""
        ...

    async def set_password(self, name: str, password: str) -> None:
        """Give a new password; all sign-ins made with the old one end.

        Raises:
            InvalidParams: The password cannot be used.
        """
        ...

    async def erase(self, name: str) -> int:
        """Forget somebody and end their sign-ins; how many of those there were."""
        ...


@dataclass(frozen=True, slots=True)
class TokenKeyEntry:
    """A key that signs tokens, has signed them, or will.

    Attributes:
        kid: Its id, in the head of every token that it signed.
        signs_until: None: no other key is to follow yet.
    """

    kid: str
    signs_from: datetime
    signs_until: datetime | None


class TokenKeys(Protocol):
    """The keys that sign tokens. The auth plugin provides it; `media-gateway key` asks it."""

    async def list(self) -> Sequence[TokenKeyEntry]:
        """All that are kept, oldest first."""
        ...

    async def rotate(self) -> TokenKeyEntry:
        """Make the next key, or name the one that waits for its turn already. Until then the present one signs."""
        ...


class Authenticator(Protocol):
    """Says who sends an HTTP request. The plugin that signs people in provides it; from then on nobody gets in unasked.

    Whoever runs the process over standard input and output is never asked.
    """

    async def authenticate(self, request: Request) -> Caller:
        """Who sends the request, by its headers. The body is not to be read.

        Raises:
            Unauthenticated: Nobody who may be let in; its headers say how to sign in.
            Unavailable: Nobody can tell now.
        """
        ...

    def challenge(self, request: Request, scopes: Collection[str]) -> str:
        """The value of `WWW-Authenticate` for somebody who is signed in and needs these scopes besides (RFC 6750)."""
        ...

    def on_end(self, listener: Callable[[str], None]) -> None:
        """From now on call the listener with each sign-in that ends, on whatever instance, within a second."""
        ...
