"""Reads JSON as the world keeps it: an object a line, one array, or a single document over many lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from .files import STDIN
from .lines import MAX_BATCH_BYTES, MAX_LINE_BYTES, Line, Lines, RecordFile, Records

MAX_DOCUMENT_BYTES = 16 * MAX_LINE_BYTES
"""A single document or an element of an array; a film with all that TMDB appends has 150 kB."""

Unfold = Callable[[Any], Sequence[Any] | None]
"""Takes a document that holds several records apart; None when it is one record itself."""

# A text, whole or cut off by the end of the chunk, or what opens, closes and separates.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*("|\\?\Z)|[\[\]{},]', re.DOTALL)
_OPEN = frozenset(b"[{")
_CLOSE = frozenset(b"]}")
_PRETTY = (b"{", b"[", b",")


def open_documents(path: Path, unfold: Unfold = lambda _: None) -> RecordFile:
    """Open a JSON file of whatever shape.

    Args:
        path: The file.
        unfold: Takes apart pages and envelopes, which stand for what is in them.

    Raises:
        Unavailable: It cannot be read.
        InvalidParams: It is a folder, or UTF-16.
    """
    return Unfolded(_shape(path)(path), unfold)


def _shape(path: Path) -> type[Lines | Document | Elements]:
    if path == STDIN:  # it cannot be looked at twice
        return Lines
    with Elements(path) as file:
        start = file.start()
    if start.startswith(b"["):
        return Elements
    # An object a line stands whole in its line; one that goes over many lines breaks off after a bracket or comma.
    first, newline, _ = start.partition(b"\n")
    return Document if newline and first.rstrip().endswith(_PRETTY) and first.startswith(b"{") else Lines


class Document(Records):
    """A file that is one JSON value."""

    def read(self, at_most: int) -> list[Line]:
        """The value, then nothing."""
        if self.last_number:
            return []
        raw = bytearray()
        while len(raw) <= MAX_DOCUMENT_BYTES and (chunk := self._bytes.chunk()):
            raw += chunk
        self.damage = self._bytes.damage
        if not raw.strip() or self.damage:
            return []
        self.last_number = 1
        return [_element(1, bytes(raw))]


class Elements(Records):
    """The elements of a JSON array. None but the one that is being read is held in memory."""

    def __init__(self, path: Path) -> None:
        """Open a file, see `Records`."""
        super().__init__(path)
        self._found = self._elements()

    def read(self, at_most: int) -> list[Line]:
        """The next elements, empty at the end."""
        lines: list[Line] = []
        size = 0
        while len(lines) < at_most and size < MAX_BATCH_BYTES:
            line = next(self._found, None)
            if line is None:
                break
            self.last_number = line.number
            size += len(line.raw)
            lines.append(line)
        return lines

    def _elements(self) -> Iterator[Line]:
        number = 0
        for raw in self._values():
            if raw.strip():
                number += 1
                yield _element(number, raw)

    def _values(self) -> Iterator[bytes]:
        """The texts between the brackets and commas of the outermost array."""
        depth, value = 0, bytearray()
        for token, between in self._tokens():
            if depth:
                _extend(value, between)
            if depth == 1 and token in {b",", b"]"}:
                yield bytes(value)
                value.clear()
            elif depth:
                _extend(value, token)
            if token[0] in _OPEN:
                depth += 1
            elif token[0] in _CLOSE:
                depth -= 1
            if depth <= 0 and token[0] in _CLOSE:
                return
        self.damage = self._bytes.damage or ("the JSON array has no end: fetch the file again" if depth else None)

    def _tokens(self) -> Iterator[tuple[bytes, bytes]]:
        """Each token with the text before it; a text that a chunk cuts off waits for the next chunk."""
        rest = b""
        while chunk := self._bytes.chunk():
            data, end = rest + chunk, 0
            for match in _TOKEN.finditer(data):
                if match[1] is not None and match[1] != b'"':
                    break
                yield match[0], data[end : match.start()]
                end = match.end()
            rest = data[end:]
            if len(rest) > MAX_DOCUMENT_BYTES:
                self.damage = f"a text in it has more than {MAX_DOCUMENT_BYTES} bytes"
                return


def _extend(value: bytearray, more: bytes) -> None:
    if len(value) <= MAX_DOCUMENT_BYTES:
        value += more


def _element(number: int, raw: bytes) -> Line:
    if len(raw) > MAX_DOCUMENT_BYTES:
        return Line(number, raw[:MAX_LINE_BYTES], f"longer than {MAX_DOCUMENT_BYTES} bytes")
    return Line(number, raw.strip())


class Unfolded:
    """Records of which some hold several, e.g. a page of results; those are numbered through."""

    def __init__(self, inner: RecordFile, unfold: Unfold) -> None:
        self._inner = inner
        self._unfold = unfold
        self._waiting: list[Line] = []
        self._added = 0
        self.file = inner.file
        self.last_number = 0
        self.left_out: Mapping[str, int] = {}

    @property
    def damage(self) -> str | None:
        """Why the file ended before its end."""
        return self._inner.damage

    @property
    def total_bytes(self) -> int | None:
        """The file's size; None when it is a pipe."""
        return self._inner.total_bytes

    @property
    def done_bytes(self) -> int:
        """How much of it has been read."""
        return self._inner.done_bytes

    def prepare(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Close the file."""
        self._inner.close()

    def read(self, at_most: int) -> list[Line]:
        """The next records, empty at the end."""
        while not self._waiting and (lines := self._inner.read(at_most)):
            for line in lines:
                self._waiting.extend(self._parts(line))
        found, self._waiting = self._waiting[:at_most], self._waiting[at_most:]
        if found:
            self.last_number = found[-1].number
        return found

    def _parts(self, line: Line) -> list[Line]:
        number = line.number + self._added
        parts = None if line.fault else self._taken_apart(line.raw)
        if parts is None:
            return [Line(number, line.raw, line.fault, line.key)]
        self._added += len(parts) - 1
        return [Line(number + place, orjson.dumps(part)) for place, part in enumerate(parts)]

    def _taken_apart(self, raw: bytes) -> Sequence[Any] | None:
        try:
            return self._unfold(orjson.loads(raw))
        except orjson.JSONDecodeError:
            return None  # whoever parses it says what is wrong
