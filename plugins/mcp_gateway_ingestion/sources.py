"""The kinds of files that can be taken in: what each is, where its files are, and how they are opened and read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mcp_gateway.api import InvalidParams

from . import jsonl
from .documents import open_documents
from .files import STDIN
from .importers import imdb, movielens, tmdb, wikipedia
from .importers.imdb_files import ImdbFiles
from .importers.movielens_files import MovieLensFiles, data_sets, source_of
from .lines import Lines, RecordFile
from .platform_files import credits_beside, open_listing
from .settings import IngestionSettings
from .taking import Format

PLATFORM = "platform:"
STREAMING_AVAILABILITY = "streaming-availability"

ABOUT: Mapping[str, str] = {
    "jsonl": "Our own format: a title a line, plain or gzip.",
    "imdb": "A folder of the official IMDb files: title.basics.tsv.gz and whatever else of the seven is there.",
    "movielens": "A folder of MovieLens: movies, links, ratings and tags as CSV, or ml-100k.",
    "tmdb": "JSON of the TMDB API: lists, details with appended parts, found by another id; a file or a folder.",
    "wikipedia": "Films of Wikipedia's lists as JSON, in the shape of prust's movies-*.json; a file or a folder.",
    STREAMING_AVAILABILITY: "JSON of the Streaming Availability API, versions 2 to 4: titles and offers.",
}

_JSONL_KEY = re.compile(rb'\s*\{\s*"id"\s*:\s*"([A-Za-z0-9][A-Za-z0-9._-]{0,63})"')
_BROKEN_OFF = re.compile(rb"\{\s*\r?\n")
_JSON = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
_TABLES = (".csv", ".csv.gz")


@dataclass(frozen=True, slots=True)
class File:
    """One file to take in, or some that belong together.

    Attributes:
        source: Whose records are in it.
        path: Where it is.
        open: Opens it.
        format: How its records are read; None where normalizers read them.
        about: What it should be, for the message when it is not.
    """

    source: str
    path: Path
    open: Callable[[Path], RecordFile]
    format: Format | None
    about: str


def files_of(source: str, path: Path, settings: IngestionSettings) -> list[File]:
    """The files that a path means for a source, in the order in which they are taken in.

    Raises:
        InvalidParams: There are none.
    """
    find = _FINDERS.get(source)
    if find is not None:
        return find(path, settings)
    paths = [each for each in _in(path, (*_JSON, *_TABLES)) if not _is_credits(each)]
    return [File(source, each, open_listing, None, "a format that the platform's normalizer knows") for each in paths]


def _jsonl(path: Path, settings: IngestionSettings) -> list[File]:
    read = Format("jsonl", jsonl.parse, jsonl.FORMAT_VERSION, _JSONL_KEY)
    return [File("jsonl", path, open_jsonl, read, "our jsonl format")]


def _imdb(path: Path, settings: IngestionSettings) -> list[File]:
    read = Format("imdb", imdb.parse, imdb.VERSION, each_once=True)
    return [File("imdb", path, partial(ImdbFiles, adult=settings.imdb_adult), read, "the format of IMDb")]


def _movielens(path: Path, settings: IngestionSettings) -> list[File]:
    def file(movies: Path) -> File:
        source = source_of(movies)
        parse = movielens.parse_100k if source == "movielens-100k" else movielens.parse
        read = Format(source, parse, movielens.VERSION)
        return File(source, movies, MovieLensFiles, read, "the format of MovieLens")

    return [file(movies) for movies in data_sets(path)]


def _tmdb(path: Path, settings: IngestionSettings) -> list[File]:
    opened = partial(open_documents, unfold=tmdb.unfold)
    read = Format("tmdb", tmdb.parse, tmdb.VERSION, may_repeat=True)
    return [File("tmdb", each, opened, read, "the format of the TMDB API") for each in _in(path, _JSON)]


def _wikipedia(path: Path, settings: IngestionSettings) -> list[File]:
    read = Format("wikipedia", wikipedia.parse, wikipedia.VERSION)
    return [
        File("wikipedia", each, open_documents, read, "the format of Wikipedia's lists") for each in _in(path, _JSON)
    ]


_FINDERS: Mapping[str, Callable[[Path, IngestionSettings], list[File]]] = {
    "jsonl": _jsonl,
    "imdb": _imdb,
    "movielens": _movielens,
    "tmdb": _tmdb,
    "wikipedia": _wikipedia,
}


def open_jsonl(path: Path) -> RecordFile:
    """Open a file in our own format.

    Raises:
        Unavailable: It cannot be read.
        InvalidParams: It is a folder, UTF-16, or a JSON array.
    """
    lines = Lines(path)
    start = lines.start() if path != STDIN else b""
    what = "a JSON array" if start.startswith(b"[") else "JSON over several lines" if _BROKEN_OFF.match(start) else None
    if what is None:
        return lines
    lines.close()
    objects = "'.[]'" if what == "a JSON array" else "."
    stem = path.name.partition(".")[0]
    target = f"{stem}.jsonl" if path.name != f"{stem}.jsonl" else f"{stem}-lines.jsonl"  # not the file that jq reads
    raise InvalidParams(
        "path",
        f"{path} is {what}, and our jsonl format has an object a line; "
        f"write one with: jq -c {objects} {path.name} > {target}",
    )


def _in(path: Path, ends: Sequence[str]) -> list[Path]:
    """The file itself, or the files of a folder and the folders in it, by name."""
    if path == STDIN or not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.name.endswith(tuple(ends)) and file.is_file())
    if not found:
        raise InvalidParams("path", f"{path} has no file in it that ends in {', '.join(ends)}")
    return found


def _is_credits(path: Path) -> bool:
    titles = path.with_name(path.name.replace("_credits", "_titles"))
    return "_credits" in path.name and titles != path and credits_beside(titles) is not None
