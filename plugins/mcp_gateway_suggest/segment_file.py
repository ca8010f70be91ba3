"""The file of a segment: sections, then a footer that says where each is. Written once, then only mapped.

keys      the folded texts, sorted, one after the other       offsets   where each key begins, and the last ends
entries   of each key: what it stands for, see `Match`        prefixes  which beginnings exist (`prefixes.py`)
hot_*     of what many keys begin with: see `hot.py`          items     what is suggested, as JSON, best first
item_ends where each item ends, and its `popularity`         id_*      hashes of titles' ids, sorted; their items
"""

from __future__ import annotations

import json
import mmap
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

FORMAT = 1
_MAGIC = b"mgsuggst"
_END = struct.Struct("<I8s")
_CHUNK_BYTES = 1 << 20


class Match(IntEnum):
    """How a key stands for an item: the two highest bits of an entry. The others number the item."""

    WHOLE = 0  # the name of a title, with or without its article
    WORD = 1  # a later word of a title's name, or an alternative name
    PERSON = 2
    GENRE = 3


MATCH_SHIFT = 30
ITEM_MASK = (1 << MATCH_SHIFT) - 1

# Which letters follow is kept for beginnings that more keys share …
SHARED_KEYS = 32
# … and the best entries of each match for those of more keys than can be looked at one by one.
HOT_KEYS = 128
HOT_ENTRIES = 24


class BadSegment(Exception):
    """The file is not a segment that this version wrote to its end."""


def id_hash(item_id: str) -> int:
    """Where an id is sorted in `id_hashes`."""
    return int.from_bytes(blake2b(item_id.encode("utf-8", "replace"), digest_size=8).digest(), "little")


@dataclass
class SegmentOutput:
    """Writes the sections of a segment one after the other."""

    file: BinaryIO
    _sections: dict[str, tuple[int, int]] = field(default_factory=dict)
    _at: int = 0
    _crc: int = 0

    def section(self, name: str, data: Any) -> None:
        """Write a section: bytes, or an array of numbers, in the machine's order."""
        view = memoryview(data).cast("B")
        self.stream(name, (view[start : start + _CHUNK_BYTES] for start in range(0, len(view), _CHUNK_BYTES)))

    def stream(self, name: str, parts: Iterable[bytes | memoryview]) -> None:
        """Write a section piece by piece."""
        self._put(b"\0" * (-self._at % 8))
        start = self._at
        for part in parts:
            self._put(part)
        self._sections[name] = (start, self._at - start)

    def end(self, facts: dict[str, Any]) -> None:
        """Write the footer, after which the file is whole."""
        footer = {**facts, "format": FORMAT, "order": sys.byteorder, "crc": self._crc, "sections": self._sections}
        told = json.dumps(footer).encode()
        self.file.write(told + _END.pack(len(told), _MAGIC))

    def _put(self, data: bytes | memoryview) -> None:
        self.file.write(data)
        self._crc = zlib.crc32(data, self._crc)
        self._at += len(data)


class SegmentInput:
    """A mapped segment.

    Raises:
        BadSegment: It is damaged in a way that shows at once, or of another format.
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            try:
                self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError:
                raise BadSegment("empty") from None
        self.facts = _footer_of(self.data)
        self._view = memoryview(self.data)

    def start_of(self, name: str) -> int:
        """Where a section begins."""
        return int(self.facts["sections"][name][0])

    def numbers(self, name: str, code: str) -> memoryview:
        """A section of numbers, by `array`'s type code."""
        start, length = self.facts["sections"][name]
        return self._view[start : start + length].cast(code)  # type: ignore[call-overload, no-any-return]

    def raw(self, name: str) -> memoryview:
        """A section of bytes."""
        return self.numbers(name, "B")

    def is_whole(self) -> bool:
        """Whether everything has the checksum in the footer. 0.1 s for 100 MB."""
        left = max(start + length for start, length in self.facts["sections"].values())
        crc = 0
        with self._path.open("rb") as file:  # not through the map, which would hold all of it in memory
            while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
                crc = zlib.crc32(chunk, crc)
                left -= len(chunk)
        return bool(not left and crc == self.facts["crc"])


def _footer_of(data: mmap.mmap) -> dict[str, Any]:
    if len(data) < _END.size:
        raise BadSegment("too short")
    length, magic = _END.unpack(data[-_END.size :])
    start = len(data) - _END.size - length
    if magic != _MAGIC or start < 0:
        raise BadSegment("it does not end as a segment does")
    try:
        facts = json.loads(data[start : start + length])
        ends = [first + length for first, length in facts["sections"].values()]
        known = facts["format"] == FORMAT and facts["order"] == sys.byteorder and max(ends) == start
    except (ValueError, LookupError, TypeError):
        raise BadSegment("its footer makes no sense") from None
    if not known:
        raise BadSegment("it is of another format")
    return facts  # type: ignore[no-any-return]


def numbers() -> array[int]:
    """An empty array of the kind that most sections are."""
    return array("I")
