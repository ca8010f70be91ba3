"""The official files of IMDb, read side by side: a title with all that the tables say of it is one record.

The tables are sorted by title, so that eleven million titles pass through without being held; only the names of people
have to be looked up, and those are kept on disk.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from mcp_gateway.api import InvalidParams

from ..lines import MAX_BATCH_BYTES, Line
from .names import NameIndex
from .tsv import Table

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "title.basics": (
        "tconst", "titleType", "primaryTitle", "originalTitle", "isAdult", "startYear", "runtimeMinutes", "genres",
    ),
    "title.ratings": ("tconst", "averageRating", "numVotes"),
    "title.crew": ("tconst", "directors", "writers"),
    "title.principals": ("tconst", "nconst", "category", "characters"),
    "title.akas": ("titleId", "title", "region", "language"),
    "title.episode": ("tconst", "parentTconst", "seasonNumber", "episodeNumber"),
    "name.basics": ("nconst", "primaryName"),
}  # fmt: skip

MAX_OTHER_NAMES = 60
_ACTING = frozenset({b"actor", b"actress", b"self"})
_NULL = b"\\N"
_LEFT_OUT = {b"videoGame": "video games"}

Cells = Mapping[str, list[list[bytes]]]


class ImdbFiles:
    """Titles of the official files in a folder: `title.basics`, and whatever else of the seven is there.

    Films and series come first, then the episodes, whose series has to be there before them.

    Attributes:
        left_out: Rows that are not taken in, by what they are.
    """

    def __init__(self, path: Path, *, adult: bool = False) -> None:
        """Find the files.

        Args:
            path: The folder.
            adult: Whether to take in what IMDb marks as for adults only.

        Raises:
            Unavailable: A file cannot be read.
            InvalidParams: There is no title.basics, or a file is another one than its name says.
        """
        if not path.is_dir():
            raise InvalidParams("path", f"{path} is no folder; name the folder with title.basics.tsv.gz in it")
        found = {name: file for name in COLUMNS if (file := _find(path, name))}
        if "title.basics" not in found:
            raise InvalidParams("path", f"{path} has no title.basics.tsv or title.basics.tsv.gz")
        self.file = found["title.basics"].name
        self.folder = path.resolve().name
        self.last_number = 0
        self.left_out: Counter[str] = Counter()
        self._adult = adult
        # Looked through once for their order, then read for the films and again for the episodes.
        readings = {name: 2 if name == "name.basics" else 3 for name in found}
        self._tables = {name: Table(file, COLUMNS[name], readings=readings[name]) for name, file in found.items()}
        self._scratch = tempfile.TemporaryDirectory(prefix="imdb-", ignore_cleanup_errors=True)
        self._names: NameIndex | None = None
        self._found = self._lines()

    @property
    def total_bytes(self) -> int | None:
        """How much there is to read, over all readings."""
        return sum(table.total_bytes for table in self._tables.values())

    @property
    def done_bytes(self) -> int:
        """How much has been read."""
        return sum(table.done_bytes for table in self._tables.values())

    @property
    def damage(self) -> str | None:
        """Which file ended before its end, and why."""
        damaged = (f"{table.path.name}: {table.damage}" for table in self._tables.values() if table.damage)
        return next(damaged, None)

    def prepare(self) -> None:
        """Make sure that the rows are in order, and note the names of people."""
        scratch = Path(self._scratch.name)
        for name, table in self._tables.items():
            if name != "name.basics":
                table.put_in_order(scratch)
        if "name.basics" in self._tables:
            self._names = NameIndex(scratch)
            table = self._tables["name.basics"]
            for _, row in table.rows():
                if (cells := table.cells(row)) is not None:
                    self._names.add(*cells)
            self._names.finish()

    def read(self, at_most: int) -> list[Line]:
        """The next titles, empty at the end."""
        lines: list[Line] = []
        size = 0
        while len(lines) < at_most and size < MAX_BATCH_BYTES and (line := next(self._found, None)) is not None:
            size += len(line.raw)
            lines.append(line)
            self.last_number = max(self.last_number, line.number)
        return lines

    def close(self) -> None:
        """Remove what was made on disk."""
        self._found.close()
        if self._names is not None:
            self._names.close()
        self._scratch.cleanup()

    def _lines(self) -> Generator[Line]:
        yield from self._pass(episodes=False)
        yield from self._pass(episodes=True)

    def _pass(self, *, episodes: bool) -> Iterator[Line]:
        basics = self._tables["title.basics"]
        beside = {
            name: _Beside(table)
            for name, table in self._tables.items()
            if name not in {"title.basics", "name.basics", *(() if episodes else ("title.episode",))}
        }
        last = b""
        for number, (key, row) in enumerate(basics.rows(), 2):
            cells = basics.cells(row)
            is_episode = cells is not None and cells[1] == b"tvEpisode"
            if is_episode != episodes or key == last:
                continue
            last = key
            if cells is None:
                yield Line(number, row, f"has another number of columns than the header, {basics.width}")
            elif self._is_wanted(cells, count=True):
                more = {name: table.rows_of(key) for name, table in beside.items()}
                yield Line(number, orjson.dumps(self._record(cells, more)), key=key.decode("utf-8", "replace"))

    def _is_wanted(self, cells: list[bytes], *, count: bool) -> bool:
        what = "titles for adults only" if cells[4] == b"1" and not self._adult else _LEFT_OUT.get(cells[1])
        if what and count:
            self.left_out[what] += 1
        return what is None

    def _record(self, cells: list[bytes], more: Cells) -> dict[str, Any]:
        key, kind, title, original, _, year, minutes, genres = map(_text, cells)
        record: dict[str, Any] = {"id": key, "type": kind, "title": title}
        record |= {"original": original, "year": year, "minutes": minutes, "genres": genres}
        for rating in more.get("title.ratings", []):
            record |= {"score": _text(rating[1]), "votes": _text(rating[2])}
        for episode in more.get("title.episode", []):
            record |= {"parent": _text(episode[1]), "season": _text(episode[2]), "episode": _text(episode[3])}
        principals = more.get("title.principals", [])
        record["cast"] = [
            (name, _text(row[3])) for row in principals if row[2] in _ACTING and (name := self._name(row[1]))
        ]
        record["directors"] = self._crew(more, 1, b"director")
        record["writers"] = self._crew(more, 2, b"writer")
        akas = more.get("title.akas", [])[:MAX_OTHER_NAMES]
        record["akas"] = [(_text(row[1]), _text(row[3])) for row in akas]
        return {name: value for name, value in record.items() if value}

    def _crew(self, more: Cells, place: int, category: bytes) -> list[str]:
        """Directors or writers: all of them where title.crew is there, else those among the principals."""
        rows = more.get("title.crew", [])
        people = [person for row in rows for person in row[place].split(b",") if row[place] != _NULL]
        people = people or [row[1] for row in more.get("title.principals", []) if row[2] == category]
        return [name for person in people if (name := self._name(person))]

    def _name(self, person: bytes) -> str | None:
        return self._names.name_of(person) if self._names else None


class _Beside:
    """A table that is read beside title.basics: its rows of one title after another."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows = table.rows()
        self._next = next(self._rows, None)

    def rows_of(self, key: bytes) -> list[list[bytes]]:
        """The rows of a title; titles are asked for in order."""
        found: list[list[bytes]] = []
        while self._next is not None and self._next[0] <= key:
            if self._next[0] == key and (cells := self._table.cells(self._next[1])) is not None:
                found.append(cells)
            self._next = next(self._rows, None)
        return found


def _text(cell: bytes) -> str | None:
    return None if cell == _NULL else cell.decode("utf-8", "replace")


def _find(folder: Path, name: str) -> Path | None:
    return next((file for end in (".tsv.gz", ".tsv") if (file := folder / f"{name}{end}").is_file()), None)
