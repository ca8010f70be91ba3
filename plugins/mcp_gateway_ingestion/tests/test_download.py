"""Official files are fetched whole, however often the connection breaks off."""

from __future__ import annotations

import gzip
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.api import IngestProgress, InvalidParams, Unavailable
from mcp_gateway_ingestion.download import ATTEMPTS, IMDB_FILES, Downloads
from mcp_gateway_ingestion.importing import FileImporters
from mcp_gateway_ingestion.pollers.json_api import http_client
from mcp_gateway_ingestion.settings import IngestionSettings
from mcp_gateway_ingestion.tests.conftest import Ingestion
from mcp_gateway_ingestion.tests.http_servers import Asked, Reply, serving
from mcp_gateway_ingestion.tests.test_importers import IMDB

pytestmark = pytest.mark.anyio

NAME = "title.basics.tsv.gz"
CONTENT = os.urandom(300_000)


class Files:
    """A server of one file that can go on in the middle of it, and breaks off after so many bytes each time."""

    def __init__(self, content: bytes = CONTENT, *, cut_after: int | None = None, tag: str = '"v1"') -> None:
        self.content, self.cut_after, self.tag = content, cut_after, tag
        self.ranges = True

    def __call__(self, asked: Asked) -> Reply:
        headers = {"ETag": self.tag}
        if asked.headers.get("if-none-match") == self.tag:
            return Reply(304)
        span = asked.headers.get("range")
        if span and self.ranges and asked.headers.get("if-range") == self.tag:
            begin = int(span.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(self.content):
                return Reply(416, b"", {"Content-Range": f"bytes */{len(self.content)}"})
            headers["Content-Range"] = f"bytes {begin}-{len(self.content) - 1}/{len(self.content)}"
            return Reply(206, self.content[begin:], headers, self.cut_after)
        return Reply(200, self.content, headers, self.cut_after)


@asynccontextmanager
async def fetching(
    answer: Callable[[Asked], Reply], folder: Path, **options: Any
) -> AsyncIterator[tuple[Downloads, list[Asked], list[float]]]:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    with serving(answer) as (url, asked):
        async with http_client(5) as client:
            yield Downloads(client, url, folder, pause=pause, **options), asked, pauses


async def test_a_file_that_is_cut_off_again_and_again_comes_whole(tmp_path: Path) -> None:
    told: list[IngestProgress] = []

    async with fetching(Files(cut_after=70_000), tmp_path, on_progress=told.append) as (downloads, asked, _):
        assert await downloads.fetch(NAME)

    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert [request.headers.get("range") for request in asked][:3] == [None, "bytes=70000-", "bytes=140000-"]
    assert (told[-1].done, told[-1].total) == (len(CONTENT), len(CONTENT))
    assert not (tmp_path / f"{NAME}.part").exists()


async def test_what_is_up_to_date_is_not_fetched_again_and_what_is_not_is(tmp_path: Path) -> None:
    server = Files()

    async with fetching(server, tmp_path) as (downloads, _, _):
        first = await downloads.fetch(NAME)
        again = await downloads.fetch(NAME)
        server.content, server.tag = b"newer", '"v2"'
        newer = await downloads.fetch(NAME)

    assert (first, again, newer) == (True, False, True)
    assert (tmp_path / NAME).read_bytes() == b"newer"


async def test_a_file_that_changed_meanwhile_is_begun_anew(tmp_path: Path) -> None:
    server = Files(cut_after=70_000)

    def change_after_the_first(asked: Asked) -> Reply:
        reply = server(asked)
        server.content, server.tag, server.cut_after = b"newer" * 100, '"v2"', None
        return reply

    async with fetching(change_after_the_first, tmp_path) as (downloads, _, _):
        await downloads.fetch(NAME)

    assert (tmp_path / NAME).read_bytes() == b"newer" * 100


async def test_a_server_that_cannot_go_on_in_the_middle_is_asked_from_the_beginning(tmp_path: Path) -> None:
    server = Files(cut_after=70_000)

    def once_cut(asked: Asked) -> Reply:
        reply = server(asked)
        server.ranges, server.cut_after = False, None
        return reply

    async with fetching(once_cut, tmp_path) as (downloads, _, _):
        await downloads.fetch(NAME)

    assert (tmp_path / NAME).read_bytes() == CONTENT


async def test_a_piece_that_is_longer_than_the_file_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(b"x" * (len(CONTENT) + 5))
    (tmp_path / f".{NAME}.part.validator").write_text('"v1"')

    async with fetching(Files(), tmp_path) as (downloads, _, _):
        await downloads.fetch(NAME)

    assert (tmp_path / NAME).read_bytes() == CONTENT


async def test_a_server_that_fails_is_given_time_and_then_given_up_and_the_next_call_goes_on(tmp_path: Path) -> None:
    server, failing = Files(cut_after=70_000), [False]

    def sometimes(asked: Asked) -> Reply:
        reply = Reply(503) if failing[0] else server(asked)
        failing[0] = True
        return reply

    async with fetching(sometimes, tmp_path) as (downloads, _, pauses):
        with pytest.raises(Unavailable, match="What has come is kept; run this again"):
            await downloads.fetch(NAME)
        server.cut_after, kept = None, (tmp_path / f"{NAME}.part").stat().st_size
    async with fetching(server, tmp_path) as (downloads, asked, _):
        await downloads.fetch(NAME)

    assert len(pauses) == ATTEMPTS
    assert pauses == sorted(pauses)
    assert (kept, asked[0].headers["range"]) == (70_000, "bytes=70000-")
    assert (tmp_path / NAME).read_bytes() == CONTENT


async def test_a_file_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    async with fetching(lambda _: Reply(404), tmp_path) as (downloads, asked, _):
        with pytest.raises(Unavailable, match="status 404; check the address"):
            await downloads.fetch(NAME)

    assert len(asked) == 1


async def test_the_imdb_files_are_fetched_and_taken_in(sqlite_ingestion: Ingestion, tmp_path: Path) -> None:
    def official(asked: Asked) -> Reply:
        rows = IMDB[asked.path.strip("/").removesuffix(".tsv.gz")]
        content = "".join(row.replace(" ", "\t").replace("_", " ") + "\n" for row in rows)
        return Reply(200, gzip.compress(content.encode()), {"ETag": '"1"'})

    with serving(official) as (url, asked):
        importers = FileImporters(
            sqlite_ingestion.catalog,
            sqlite_ingestion.rejected,
            sqlite_ingestion.rejected._clock,
            platforms={},
            settings=IngestionSettings(imdb_url=url),
            folder=tmp_path,
        )
        folder = await importers.download("imdb", None, lambda _: None)
        with pytest.raises(InvalidParams, match="is there for imdb only"):
            await importers.download("tmdb", None, lambda _: None)
    report = await importers.ingest("imdb", folder, limit=None, on_progress=lambda _: None)

    assert [request.path.strip("/") for request in asked] == list(IMDB_FILES)
    assert (folder, report["created"]) == (tmp_path / "imdb", 3)
