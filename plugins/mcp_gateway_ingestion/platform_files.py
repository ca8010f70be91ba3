"""The files of platforms' catalogues: tables, whose people may stand in a second table, and JSON."""

from __future__ import annotations

from pathlib import Path

import orjson

from mcp_gateway.api import InvalidParams

from .csv_rows import CsvRows
from .documents import open_documents
from .files import STDIN
from .lines import Line, RecordFile
from .listing import unfold

_PERSON = ("id", "name", "character", "role")


def open_listing(path: Path) -> RecordFile:
    """Open a file of payloads: CSV with a header, JSON, or JSON in lines.

    Raises:
        Unavailable: It cannot be read.
        InvalidParams: It is a folder, UTF-16, or a table without a header.
    """
    if path == STDIN or ".json" in path.suffixes or ".jsonl" in path.suffixes:
        return open_documents(path, unfold)
    return PlatformRows(path)


class PlatformRows(CsvRows):
    """The rows of a table; those of `x_titles.csv` with their people from `x_credits.csv` beside it."""

    def __init__(self, path: Path) -> None:
        """Open a file, see `CsvRows`."""
        super().__init__(path)
        self._beside = credits_beside(path) if "id" in self.columns else None
        self._people: dict[str, list[bytes]] = {}

    def prepare(self) -> None:
        """Read the people, of whom a platform has some ten thousand."""
        if self._beside is None:
            return
        with CsvRows(self._beside) as rows:
            missing = [name for name in _PERSON if name not in rows.columns]
            if missing:
                raise InvalidParams("path", f"{self._beside.name} has no column {missing[0]}")
            while lines := rows.read(5000):
                for row in (orjson.loads(line.raw) for line in lines if not line.fault):
                    person = {name: row[name] for name in _PERSON[1:]}
                    self._people.setdefault(row["id"], []).append(orjson.dumps(person))

    def read(self, at_most: int) -> list[Line]:
        """The next rows, empty at the end."""
        return [self._with_people(line) for line in super().read(at_most)]

    def _with_people(self, line: Line) -> Line:
        if line.fault or self._beside is None:
            return line
        people = self._people.get(orjson.loads(line.raw)["id"], [])
        return Line(line.number, b"".join((line.raw[:-1], b',"credits":[', b",".join(people), b"]}")))


def credits_beside(path: Path) -> Path | None:
    """The table of people beside a table of titles; None when there is none."""
    if "_titles" not in path.name:
        return None
    plain = path.name.replace("_titles", "_credits").removesuffix(".gz")
    return next((file for name in (plain, f"{plain}.gz") if (file := path.with_name(name)).is_file()), None)
