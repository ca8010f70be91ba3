"""Writes a segment from titles, in little memory: keys are sorted on the disk, first letter by first letter."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Final

import orjson

from .drafts import GENRE_ALIASES, Draft, PeopleAndGenres
from .hot import HotRanges
from .prefixes import Marker, bits_for
from .segment_file import ITEM_MASK, MATCH_SHIFT, Match, SegmentOutput, id_hash, numbers
from .words import MAX_CHARS, fold, whole_keys, word_keys

# So much of the keys that begin with one byte is held before it goes to the disk.
_SPILL_BYTES: Final = 1 << 18


class SegmentWriter:
    """Collects titles, then writes the file.

    Args:
        folder: Where temporary files may be; they vanish with the process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._items: BinaryIO = TemporaryFile(dir=folder)  # noqa: SIM115 - until close()
        self._ends = array("Q")
        self._popularity = array("d")
        self._hashes = array("Q")
        self._keys: dict[int, _Bucket] = {}
        self._key_count = 0
        self._others = PeopleAndGenres()
        self._letters: dict[str, int] = {}
        self.titles = 0

    def add(self, draft: Draft) -> None:
        """Take in a title."""
        item = self._item("title", draft.id, draft.name, draft.popularity, draft.year, draft.mark, draft.context)
        folded = fold(draft.name)
        starts = {(key, Match.WHOLE) for key in whole_keys(folded)}
        starts |= {(key, Match.WORD) for key in word_keys(folded)}
        for other in draft.others:
            known = fold(other)
            starts |= {(key, Match.WORD) for key in (*whole_keys(known), *word_keys(known))}
        self._put_keys(item, starts)
        self._hashes.append(id_hash(draft.id))
        self._others.add(draft)
        self.titles += 1

    def write(self, path: Path) -> None:
        """Write all that was added, with its people and genres.

        Nothing waits for the disk: after a power cut the file may be damaged, which is seen, and it is built anew.
        """
        self._add_others()
        order = sorted(range(len(self._ends)), key=lambda item: (-self._popularity[item], item))
        place = array("I", bytes(4 * len(order)))
        for new, old in enumerate(order):
            place[old] = new
        with path.open("wb") as file:
            output = SegmentOutput(file)
            self._write_keys(output, place)
            self._write_items(output, order)
            self._write_ids(output, place)
            letters = "".join(sorted(self._letters, key=lambda letter: (-self._letters[letter], letter)))
            output.end({"titles": self.titles, "letters": letters[:2000]})
        self.close()

    def close(self) -> None:
        """Give up the temporary files."""
        self._items.close()
        for bucket in self._keys.values():
            bucket.close()
        self._keys.clear()

    def _add_others(self) -> None:
        for person, name, popularity in self._others.people():
            folded = fold(name)
            keys = {(key, Match.PERSON) for key in (folded[:MAX_CHARS], *word_keys(folded))}
            self._put_keys(self._item("person", person, name, popularity), keys)
        for name, popularity in self._others.genres():
            folded = fold(name)
            keys = {(key, Match.GENRE) for key in (folded, *word_keys(folded), *GENRE_ALIASES.get(folded, ()))}
            self._put_keys(self._item("genre", name, name, popularity), keys)

    def _item(self, kind: str, item_id: str, text: str, popularity: float, *rest: object) -> int:
        told = orjson.dumps((kind, item_id, text, popularity, *rest))
        self._items.write(told)
        self._ends.append((self._ends[-1] if self._ends else 0) + len(told))
        self._popularity.append(popularity)
        return len(self._ends) - 1

    def _put_keys(self, item: int, keys: set[tuple[str, Match]]) -> None:
        for key, match in keys:
            if not key:
                continue
            told = key.encode("utf-8", "replace")
            bucket = self._keys.get(told[0])
            if bucket is None:
                bucket = self._keys[told[0]] = _Bucket(self._folder)
            bucket.add(b"%s\0%x\n" % (told, match << MATCH_SHIFT | item))
            self._key_count += 1
            if not key.isascii():
                for letter in key:
                    if letter > "\x7f":
                        self._letters[letter] = self._letters.get(letter, 0) + 1

    def _sorted_keys(self) -> Iterator[tuple[bytes, int]]:
        for first in sorted(self._keys):
            for line in sorted(self._keys.pop(first).lines()):
                key, _, entry = line.partition(b"\0")
                yield key, int(entry, 16)

    def _write_keys(self, output: SegmentOutput, place: array[int]) -> None:
        offsets, entries, bits = numbers(), numbers(), bytearray(bits_for(self._key_count) // 8)
        marker, hot = Marker(bits), HotRanges()
        texts = bytearray()
        before = b""
        for key, old in self._sorted_keys():
            entry = old & ~ITEM_MASK | place[old & ITEM_MASK]
            shared = _shared(before, key)
            marker.mark(key.decode(), shared if key.isascii() else 0)
            hot.add(key, entry, shared)
            offsets.append(len(texts))
            entries.append(entry)
            texts += key
            before = key
        offsets.append(len(texts))
        for name, section in (("keys", texts), ("offsets", offsets), ("entries", entries), ("prefixes", bits)):
            output.section(name, section)
        for name, section in hot.end().items():
            output.section(name, section)

    def _write_items(self, output: SegmentOutput, order: list[int]) -> None:
        ends = array("Q")

        def items() -> Iterator[bytes]:
            for old in order:
                start = self._ends[old - 1] if old else 0
                self._items.seek(start)
                item = self._items.read(self._ends[old] - start)
                ends.append(len(item) + (ends[-1] if ends else 0))
                yield item

        output.stream("items", items())
        output.section("item_ends", ends)
        output.section("popularity", array("f", (self._popularity[old] for old in order)))

    def _write_ids(self, output: SegmentOutput, place: array[int]) -> None:
        order = sorted(range(self.titles), key=self._hashes.__getitem__)
        output.section("id_hashes", array("Q", (self._hashes[title] for title in order)))
        output.section("id_items", array("I", (place[title] for title in order)))


class _Bucket:
    """Lines, of which all but the last few are on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held = bytearray()
        self._file: BinaryIO | None = None

    def add(self, line: bytes) -> None:
        self._held += line
        if len(self._held) > _SPILL_BYTES:
            self._file = self._file or TemporaryFile(dir=self._folder)  # noqa: SIM115 - until close()
            self._file.write(self._held)
            self._held = bytearray()

    def lines(self) -> list[bytes]:
        spilled = b""
        if self._file is not None:
            self._file.seek(0)
            spilled = self._file.read()
        self.close()
        return (spilled + self._held).splitlines()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _shared(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    shorter = min(len(one), len(other))
    if one[:shorter] == other[:shorter]:
        return shorter
    at = 4 if one[:4] == other[:4] else 0
    while one[at] == other[at]:
        at += 1
    return at
