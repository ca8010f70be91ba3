"""Asks a model behind an OpenAI-compatible endpoint what a description means, for clients that lend none of their own.

The endpoint is somebody else's server: its answers are bounded in time and size, redirects are not followed, nothing
it says is quoted, and one that keeps failing is left alone for a while.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from mcp_gateway.api import Clock

from .asking import MOST_TOKENS, SYSTEM_PROMPT, ModelIntent, checked, description_of

if TYPE_CHECKING:
    import httpx2

log = logging.getLogger(__name__)

# 300 tokens and what is told about them take two.
MOST_ANSWER_BYTES = 64 * 1024
# A model on a laptop answers them one after the other; whoever comes later would wait in vain.
MOST_AT_A_TIME = 4
FAILURES_BEFORE_PAUSE = 3
PAUSE_SECONDS = 60.0

_INTENT_SCHEMA = {
    "type": "object",
    "properties": {
        "titles": {"type": "array", "items": {"type": "string"}},
        "words": {"type": "array", "items": {"type": "string"}},
        "year_from": {"type": ["integer", "null"]},
        "year_to": {"type": ["integer", "null"]},
    },
    "required": ["titles", "words", "year_from", "year_to"],
    "additionalProperties": False,
}
# Some servers know only the one, some only the other.
_FORMATS: tuple[Mapping[str, Any], ...] = (
    {"type": "json_schema", "json_schema": {"name": "intent", "strict": True, "schema": _INTENT_SCHEMA}},
    {"type": "json_object"},
)
_FORMAT_REFUSED = frozenset({400, 422})


@dataclass(frozen=True, slots=True)
class ModelAddress:
    """Where a model is asked.

    Attributes:
        url: The base address, e.g. `http://127.0.0.1:11434/v1`.
        key: Sent as a bearer token.
    """

    url: str
    model: str
    key: SecretStr | None = None


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore")

    content: str


class _Choice(BaseModel):
    model_config = ConfigDict(extra="ignore")

    message: _Said


class _Completion(BaseModel):
    """As much of an answer as is read."""

    model_config = ConfigDict(extra="ignore")

    choices: list[_Choice] = Field(min_length=1)


class _Failure(Exception):
    """No answer that can be used, with the cause in a word: never with anything the endpoint said."""


class Endpoint:
    """Asks the model, and pauses after repeated failures.

    Args:
        seconds: How long an answer may take.
    """

    def __init__(self, client: httpx2.AsyncClient, address: ModelAddress, clock: Clock, *, seconds: float) -> None:
        self._client = client
        self._address = address
        self._clock = clock
        self._seconds = seconds
        self._formats = _FORMATS
        self._running = 0
        self._failures = 0
        self._paused_until = 0.0

    @property
    def model(self) -> str:
        """Which model answers, and where; answers of another one are not the same."""
        return f"{self._address.model} {self._address.url}"

    async def ask(self, query: str) -> ModelIntent | None:
        """What the model makes of a query; None when it is left alone, busy, too slow, or answers nonsense."""
        if self._is_paused() or self._running >= MOST_AT_A_TIME:
            return None
        if self._failures >= FAILURES_BEFORE_PAUSE:
            self._pause()  # one question tries whether it works again; the others wait for what comes of it
        self._running += 1
        try:
            told = await self._told(query)
        except _Failure as failure:
            self._failed(str(failure))
            return None
        finally:
            self._running -= 1
        self._failures, self._paused_until = 0, 0.0
        return told

    async def _told(self, query: str) -> ModelIntent:
        """The answer.

        Raises:
            _Failure: There is none.
        """
        try:
            with anyio.fail_after(self._seconds):
                status, body = await self._completed(query)
        except TimeoutError:
            raise _Failure("too slow") from None
        if status != 200:
            raise _Failure(f"status {status}")
        try:
            answer = _Completion.model_validate_json(body).choices[0].message.content
        except ValidationError:
            raise _Failure("no completion") from None
        told = checked(answer)
        if told is None:
            raise _Failure("another form")
        return told

    async def _completed(self, query: str) -> tuple[int, bytes]:
        """Status and body, in the first format that the endpoint does not refuse; it is kept to from then on."""
        status, body = await self._post(query)
        while status in _FORMAT_REFUSED and len(self._formats) > 1:
            self._formats = self._formats[1:]
            status, body = await self._post(query)
        return status, body

    async def _post(self, query: str) -> tuple[int, bytes]:
        import httpx2

        try:
            async with self._client.stream("POST", "chat/completions", json=self._question(query)) as response:
                body = bytearray()
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > MOST_ANSWER_BYTES:
                        raise _Failure("too long")
                return response.status_code, bytes(body)
        except httpx2.HTTPError as error:
            raise _Failure(type(error).__name__) from None

    def _question(self, query: str) -> dict[str, Any]:
        return {
            "model": self._address.model,
            "messages": [
                {"role": "system", "content": SYSTEM_PROMPT},
                {"role": "user", "content": description_of(query)},
            ],
            "max_tokens": MOST_TOKENS,
            "temperature": 0,
            "response_format": self._formats[0],
        }

    def _is_paused(self) -> bool:
        return self._clock.monotonic() < self._paused_until

    def _pause(self) -> None:
        self._paused_until = self._clock.monotonic() + PAUSE_SECONDS

    def _failed(self, cause: str) -> None:
        self._failures += 1
        log.info("model endpoint did not tell an intent", extra={"cause": cause})
        if self._failures >= FAILURES_BEFORE_PAUSE:
            self._pause()
            log.warning("model endpoint keeps failing and is left alone", extra={"pause_seconds": PAUSE_SECONDS})


@asynccontextmanager
async def open_endpoint(address: ModelAddress, clock: Clock, *, seconds: float) -> AsyncIterator[Endpoint]:
    """An endpoint whose connections stay open between questions, and end with the context."""
    import httpx2

    # Without proxies, so that a question goes where the settings say. Not packed: a little could become much.
    headers = {"Accept-Encoding": "identity"}
    if address.key is not None:
        headers["Authorization"] = f"Bearer {address.key.get_secret_value()}"
    base_url = address.url.rstrip("/") + "/"
    async with httpx2.AsyncClient(
        base_url=base_url, headers=headers, timeout=None, follow_redirects=False, trust_env=False
    ) as client:
        yield Endpoint(client, address, clock, seconds=seconds)
