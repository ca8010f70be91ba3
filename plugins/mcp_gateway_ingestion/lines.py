"""Reads a file record by record. Here: what every such reader promises, and the one whose records are lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from .files import ByteFile

MAX_LINE_BYTES = 1024 * 1024
"""A longer line is no title: the largest of 137,000 real ones has 6 kB."""

MAX_BATCH_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """A record as it stands in its file: a line without its end, a row of a table, an element of a JSON array.

    Attributes:
        number: From 1: the line in which it begins; of JSON that is not in lines, its place among the records.
        raw: Its bytes; of one that is too long only the beginning. Rows of tables come as JSON objects.
        fault: Why it cannot be read, None when it can.
        key: Its id within the source, where the reader knows it.
    """

    number: int
    raw: bytes
    fault: str | None = None
    key: str | None = None


class RecordFile(Protocol):
    """The records of a file or of some that belong together. Blocks; for a worker thread.

    Attributes:
        file: The name, without the folder.
        last_number: The number of the last record that was read.
    """

    file: str
    last_number: int

    @property
    def left_out(self) -> Mapping[str, int]:
        """Records that are not meant to be taken in, by what they are, with how many there were."""
        ...

    @property
    def damage(self) -> str | None:
        """Why the file ended before its end, None as long as it did not."""
        ...

    @property
    def total_bytes(self) -> int | None:
        """How much there is to read; None when it is a pipe."""
        ...

    @property
    def done_bytes(self) -> int:
        """How much has been read."""
        ...

    def prepare(self) -> None:
        """What must be done before the first record can be read, e.g. put rows in order. May take minutes."""
        ...

    def read(self, at_most: int) -> list[Line]:
        """The next records, empty at the end. Fewer than `at_most` do not mean the end."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class Records:
    """What the readers of one file have in common: the file, opened."""

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            Unavailable: It cannot be read.
            InvalidParams: It is a folder, or UTF-16.
        """
        self.file = path.name or str(path)
        self.last_number = 0
        self.left_out: Mapping[str, int] = {}
        self.damage: str | None = None
        self._bytes = ByteFile(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def total_bytes(self) -> int | None:
        """The file's size; None when it is a pipe."""
        return self._bytes.total_bytes

    @property
    def done_bytes(self) -> int:
        """How much of the file has been read; of a compressed one, of its compressed bytes."""
        return self._bytes.done_bytes

    def prepare(self) -> None:
        """Nothing to do."""

    def start(self) -> bytes:
        """What comes next, white space left out, without taking it."""
        return self._bytes.peek().lstrip()

    def close(self) -> None:
        """Close the file; standard input stays open."""
        self._bytes.close()


class Lines(Records):
    """The lines of a file."""

    def read(self, at_most: int) -> list[Line]:
        """The next lines, empty at the end. Fewer than `at_most` do not mean the end."""
        lines: list[Line] = []
        size = 0
        while len(lines) < at_most and size < MAX_BATCH_BYTES and self.damage is None:
            raw = self._bytes.line(MAX_LINE_BYTES + 1)
            too_long = len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n")
            if too_long:
                self._skip_line()
            self.damage = self._bytes.damage
            if not raw or self.damage is not None:
                break
            self.last_number += 1
            size += len(raw)
            fault = f"longer than {MAX_LINE_BYTES} bytes" if too_long else None
            lines.append(Line(self.last_number, raw.rstrip(b"\r\n"), fault))
        return lines

    def _skip_line(self) -> None:
        while (rest := self._bytes.line(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
            pass
