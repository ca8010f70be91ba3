"""The rows of a table with tabs, in the order of their first column; those that are in another order are put in it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, cast

from mcp_gateway.api import InvalidParams

from ..files import ByteFile

MAX_ROW_BYTES = 1024 * 1024
SORTED_AT_ONCE_BYTES = 64 * 1024 * 1024


class Table:
    """A table of the official IMDb files: a header, tabs, no quotes.

    Attributes:
        path: The file.
        damage: Why it ended before its end.
        done_bytes: How much of it has been read, over all readings.
        total_bytes: How much there is to read, of all readings that are expected.
    """

    def __init__(self, path: Path, columns: Sequence[str], *, readings: int) -> None:
        """Look at a file's header.

        Args:
            path: The file, plain or gzip.
            columns: What it must have, in any order.
            readings: How often it is going to be read.

        Raises:
            Unavailable: It cannot be read.
            InvalidParams: It is another table.
        """
        self.path = path
        self.damage: str | None = None
        self._done = 0
        self._open: ByteFile | None = None
        self._sorted: Path | None = None
        with ByteFile(path) as file:
            self.total_bytes = (file.total_bytes or 0) * readings
            header = file.line(MAX_ROW_BYTES).decode("utf-8", "replace").rstrip("\r\n").split("\t")
        missing = [name for name in columns if name not in header]
        if missing:
            raise InvalidParams("path", f"{path.name} has no column {missing[0]}; is it the official file?")
        self.width = len(header)
        self._places = [header.index(name) for name in columns]

    @property
    def done_bytes(self) -> int:
        """How much of it has been read, over all readings."""
        return self._done + (self._open.done_bytes if self._open else 0)

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Each row whole, with its key, which is the first column."""
        for line in self._lines(self._sorted or self.path):
            yield line.partition(b"\t")[0], line

    def cells(self, line: bytes) -> list[bytes] | None:
        """The wanted columns of a row; None when it does not have the header's number of them."""
        cells = line.split(b"\t")
        return [cells[place] for place in self._places] if len(cells) == self.width else None

    def put_in_order(self, folder: Path) -> None:
        """Make sure that rows come in the order of their keys."""
        if not self._is_in_order():
            self._sorted = _sort(self._lines(self.path), folder, self.path.name)

    def _is_in_order(self) -> bool:
        last = b""
        for key, _ in self.rows():
            if key < last:
                return False
            last = key
        return True

    def _lines(self, path: Path) -> Iterator[bytes]:
        """The lines after the header, without their ends."""
        with ByteFile(path) as file:
            self._open = file if path == self.path else None
            try:
                if path == self.path:
                    file.line(MAX_ROW_BYTES)
                while line := file.line(MAX_ROW_BYTES):
                    yield line.rstrip(b"\r\n")
                self.damage = self.damage or file.damage
            finally:
                self._done += self._open.done_bytes if self._open else 0
                self._open = None


def _sort(lines: Iterator[bytes], folder: Path, name: str) -> Path:
    """Sort on disk: parts that fit into memory, then all of them merged."""
    parts: list[Path] = []
    part: list[bytes] = []
    size = 0
    for line in lines:
        part.append(line)
        size += len(line) + 50
        if size > SORTED_AT_ONCE_BYTES:
            parts.append(_write(sorted(part, key=_key), folder / f"{name}.{len(parts)}"))
            part, size = [], 0
    parts.append(_write(sorted(part, key=_key), folder / f"{name}.{len(parts)}"))
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("rb")) for path in parts]
        merged = heapq.merge(*(_rows(cast(BinaryIO, file)) for file in files), key=_key)
        return _write(merged, folder / f"{name}.sorted")


def _rows(file: BinaryIO) -> Iterator[bytes]:
    for line in file:
        yield line.rstrip(b"\n")


def _key(line: bytes) -> bytes:
    return line.partition(b"\t")[0]


def _write(lines: Iterator[bytes] | list[bytes], path: Path) -> Path:
    with path.open("wb") as file:
        file.writelines(line + b"\n" for line in lines)
    return path
