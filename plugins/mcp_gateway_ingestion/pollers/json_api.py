"""Asks an HTTP API for JSON, and says in the words of the sync what went wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from mcp_gateway.api import Clock

from ..sync.source import (
    CursorRejected,
    SourceBusy,
    SourceDown,
    SourceError,
    SourceGarbled,
    SourceRefuses,
)

if TYPE_CHECKING:
    import httpx2

MAX_ANSWER_BYTES = 16 * 1024 * 1024
_MAX_RETRY_AFTER_SECONDS = 24 * 3600.0


class NotThere(SourceError):
    """The source has nothing by that name."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an API answered, and when by its own clock."""

    value: Mapping[str, Any]
    at: datetime


class JsonApi:
    """An API of which every answer is a JSON object.

    Args:
        headers: Sent with every request; a key belongs here, never into an address, which may be logged.
    """

    def __init__(self, client: httpx2.AsyncClient, base_url: str, headers: Mapping[str, str], clock: Clock) -> None:
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._headers = dict(headers)
        self._clock = clock
        self._name = urlsplit(base_url).hostname or base_url

    async def get(self, path: str, params: Mapping[str, str | int], *, has_cursor: bool = False) -> Answer:
        """Ask.

        Args:
            path: Below the base address.
            params: The query.
            has_cursor: Whether the query has one: then a refusal may be meant for it.

        Raises:
            SourceError: One of its kinds.
        """
        import httpx2

        try:
            request = self._client.stream("GET", self._base_url + path, params=dict(params), headers=self._headers)
            async with request as response:
                body = await self._body(response)
        except httpx2.HTTPError as error:
            raise SourceDown(f"{self._name} did not answer: {type(error).__name__}.") from None
        self._refuse_failure(response, has_cursor=has_cursor)
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise SourceGarbled(f"{self._name} answered with something that is not JSON.") from None
        if not isinstance(value, dict):
            raise SourceGarbled(f"{self._name} answered with JSON that is no object.")
        return Answer(value, self._date(response))

    async def _body(self, response: httpx2.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise SourceGarbled(f"{self._name} answered with more than {MAX_ANSWER_BYTES} bytes.")
        return bytes(body)

    def _refuse_failure(self, response: httpx2.Response, *, has_cursor: bool) -> None:
        status = response.status_code
        wait = retry_after(response.headers.get("retry-after"), self._clock.now())
        if status == 200:
            return
        if status == 429:
            raise SourceBusy(f"{self._name} takes no more requests for a while.", retry_after_seconds=wait)
        if status in {401, 403}:
            raise SourceRefuses(f"{self._name} refuses the key; check it in the settings.")
        if status == 404:
            raise NotThere(f"{self._name} has nothing by that name.")
        if status == 400 and has_cursor:
            raise CursorRejected(f"{self._name} does not accept the cursor any more.")
        if status >= 500:
            raise SourceDown(f"{self._name} failed with status {status}.", retry_after_seconds=wait)
        raise SourceGarbled(f"{self._name} answered with status {status}.")

    def _date(self, response: httpx2.Response) -> datetime:
        """When the answer was given; what the future says is not believed."""
        now = self._clock.now()
        try:
            said = parsedate_to_datetime(response.headers.get("date", ""))
        except ValueError:
            return now
        return min(said.astimezone(UTC), now) if said.tzinfo else now


def retry_after(value: str | None, now: datetime) -> float | None:
    """How long to stay away, in seconds: the header has them, or a date."""
    if not value:
        return None
    if value.strip().isdigit():
        return min(float(value[:10]), _MAX_RETRY_AFTER_SECONDS)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    seconds = (until - now).total_seconds() if until.tzinfo else 0.0
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER_SECONDS)


@asynccontextmanager
async def http_client(seconds: float) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that keeps its connections open, for requests that may take so long each."""
    import httpx2

    async with httpx2.AsyncClient(timeout=seconds, follow_redirects=False) as client:
        yield client
