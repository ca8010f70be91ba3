"""Fetches the official IMDb files: goes on where it was cut off, and leaves what is up to date alone."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from mcp_gateway.api import IngestProgress, Unavailable

if TYPE_CHECKING:
    import httpx2

IMDB_FILES = (
    "title.basics.tsv.gz",
    "title.ratings.tsv.gz",
    "title.crew.tsv.gz",
    "title.episode.tsv.gz",
    "title.akas.tsv.gz",
    "title.principals.tsv.gz",
    "name.basics.tsv.gz",
)

ATTEMPTS = 6
"""Without a byte in between; as long as something comes it goes on."""

PAUSE_SECONDS = 1.0
_TELL_EVERY_BYTES = 1 << 20


class Cut(Exception):
    """The connection ended before the file did, or the server had no time."""


class Downloads:
    """Fetches files of one address into a folder.

    Args:
        pause: Waits for so many seconds before another attempt.
    """

    def __init__(
        self,
        client: httpx2.AsyncClient,
        base_url: str,
        folder: Path,
        *,
        on_progress: Callable[[IngestProgress], None] = lambda _: None,
        pause: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._folder = folder
        self._on_progress = on_progress
        self._pause = pause

    async def fetch(self, name: str) -> bool:
        """Fetch a file; False when the one that is there is up to date.

        Raises:
            Unavailable: It cannot be had. What has come so far is kept, and the next call goes on from there.
        """
        target = self._folder / name
        attempts = 0
        while True:
            before = _size(_part(target))
            try:
                return await self._attempt(name, target)
            except Cut as cut:
                if isinstance(cut, _Restart):
                    _forget(_part(target))
                attempts = 0 if _size(_part(target)) > before else attempts + 1
                if attempts >= ATTEMPTS:
                    message = f"{name} could not be fetched: {cut}. What has come is kept; run this again to go on."
                    raise Unavailable(message) from None
                await self._pause(PAUSE_SECONDS * 2**attempts)

    async def _attempt(self, name: str, target: Path) -> bool:
        import httpx2

        part = _part(target)
        headers = {"Accept-Encoding": "identity", **_conditions(target)}
        try:
            async with self._client.stream("GET", f"{self._base_url}/{name}", headers=headers) as response:
                if response.status_code == 304:
                    return False
                begin, total = _span(response, _size(part))
                await self._receive(response, target, begin, total)
        except httpx2.HTTPError as error:
            raise Cut(f"the connection broke off ({type(error).__name__})") from None
        except OSError as error:
            raise Unavailable(f"{name} cannot be written: {error.strerror}.") from None
        return True

    async def _receive(self, response: httpx2.Response, target: Path, begin: int, total: int | None) -> None:
        part, validator = _part(target), _validator(response)
        if begin == 0:
            _write_mark(part, validator)
        done = told = begin
        with part.open("ab" if begin else "wb") as file:
            async for chunk in response.aiter_raw():
                file.write(chunk)
                done += len(chunk)
                if total is not None and done > total:
                    break
                if done - told >= _TELL_EVERY_BYTES:
                    told = done
                    self._on_progress(IngestProgress(done, total, 0, 0))
            file.flush()
            await to_thread.run_sync(os.fsync, file.fileno())
        if total is not None and done < total:
            raise Cut(f"{done:,} of {total:,} bytes came")
        if total is not None and done > total:
            _forget(part)
            raise Cut("more came than was announced")
        part.replace(target)
        _write_mark(target, validator)
        _mark(part).unlink(missing_ok=True)
        self._on_progress(IngestProgress(done, total, 0, 0))


def _conditions(target: Path) -> dict[str, str]:
    """Go on with what is there of this very file; or fetch it only if it is another than the one that is there."""
    part = _part(target)
    begun, whole = _read_mark(part), _read_mark(target)
    if begun and _size(part):
        return {"Range": f"bytes={_size(part)}-", "If-Range": begun}
    if whole and target.is_file():
        return {"If-None-Match": whole} if whole.startswith('"') else {"If-Modified-Since": whole}
    return {}


def _span(response: httpx2.Response, there: int) -> tuple[int, int | None]:
    """Where the answer begins, and how long the whole file is.

    Raises:
        Cut: Another attempt may help.
        Unavailable: None will.
    """
    status, length = response.status_code, response.headers.get("content-length", "")
    if status == 200:
        return 0, int(length) if length.isdigit() else None
    if status == 206:
        span, _, total = response.headers.get("content-range", "").removeprefix("bytes ").partition("/")
        begin = span.partition("-")[0]
        if begin.isdigit() and total.isdigit() and int(begin) == there:
            return there, int(total)
    if status in {206, 416}:
        raise _Restart("the server does not go on where it was cut off")
    if status == 429 or status >= 500:
        raise Cut(f"the server answered with status {status}")
    raise Unavailable(f"The server answered with status {status}; check the address in the settings.")


class _Restart(Cut):
    """What has come is of no use."""


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _mark(path: Path) -> Path:
    return path.with_name(f".{path.name}.validator")


def _validator(response: httpx2.Response) -> str:
    """What tells this version of the file from others; weak tags do not say that the bytes are the same."""
    tag = response.headers.get("etag", "")
    return tag if tag.startswith('"') else response.headers.get("last-modified", "")


def _read_mark(path: Path) -> str:
    try:
        return _mark(path).read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return ""


def _write_mark(path: Path, validator: str) -> None:
    _mark(path).write_text(validator, "ascii", errors="replace")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _mark(part).unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
