"""Reads tables: a header, then a row a record, of which each becomes a JSON object by the header's names."""

from __future__ import annotations

import csv
from collections import deque
from pathlib import Path

import orjson

from mcp_gateway.api import InvalidParams

from .lines import MAX_BATCH_BYTES, MAX_LINE_BYTES, Line, Lines

MAX_ROW_LINES = 1000
"""A text in quotes may hold line ends, but not so many: there the quote is missing."""

csv.field_size_limit(MAX_LINE_BYTES)


class CsvRows(Lines):
    """The rows of a CSV file with a header.

    A quote that is never closed costs the row in which it stands, not the rest of the file.

    Attributes:
        columns: The header's names. Of several columns of one name, the last counts.
    """

    def __init__(self, path: Path) -> None:
        """Open a file and read its header.

        Raises:
            Unavailable: It cannot be read.
            InvalidParams: It is a folder, UTF-16, or has no header.
        """
        super().__init__(path)
        self._waiting: deque[Line] = deque()
        header = self._next_line()
        if header is None or header.fault:
            self.close()
            raise InvalidParams("path", f"{path} has no header line with the names of its columns")
        self.columns = [name.strip() for name in _cells(header.raw.decode("utf-8", "replace"))]

    def read(self, at_most: int) -> list[Line]:
        """The next rows, empty at the end."""
        rows: list[Line] = []
        size = 0
        while len(rows) < at_most and size < MAX_BATCH_BYTES and (line := self._next_line()) is not None:
            row = self._row(line)
            if row is not None:
                size += len(row.raw)
                rows.append(row)
        return rows

    def _next_line(self) -> Line | None:
        if not self._waiting:
            self._waiting.extend(super().read(500))
        return self._waiting.popleft() if self._waiting else None

    def _row(self, line: Line) -> Line | None:
        """The row that begins in a line; None for an empty one."""
        if line.fault:
            return line
        if not line.raw.strip():
            return None
        more = self._rest_of(line)
        if more is None:
            return Line(line.number, line.raw, "a quote in it is never closed")
        raw = b"\n".join([line.raw, *(each.raw for each in more)])
        try:
            row = self._as_json(line.number, raw)
        except (ValueError, csv.Error) as error:
            self._waiting.extendleft(reversed(more))
            return Line(line.number, line.raw, _why(raw, error))
        return row

    def _rest_of(self, line: Line) -> list[Line] | None:
        """The lines that the row goes on in; None, and none of them taken, when it finds no end."""
        if line.raw.count(b'"') % 2 == 0:
            return []
        more: list[Line] = []
        size = len(line.raw)
        while len(more) < MAX_ROW_LINES and size < MAX_LINE_BYTES and (following := self._next_line()) is not None:
            more.append(following)
            size += len(following.raw)
            if following.raw.count(b'"') % 2 == 1:
                return more
        self._waiting.extendleft(reversed(more))
        return None

    def _as_json(self, number: int, raw: bytes) -> Line:
        cells = _cells(raw.decode("utf-8"))
        if len(cells) != len(self.columns):
            raise ValueError(f"has {len(cells)} columns, the header has {len(self.columns)}")
        return Line(number, orjson.dumps(dict(zip(self.columns, cells, strict=True))))


def _cells(text: str) -> list[str]:
    return next(csv.reader([text], strict=False), [])


def _why(raw: bytes, error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: byte {error.start + 1} of the row"
    return str(error)
