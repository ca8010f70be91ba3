"""One segment of the index, read straight from the mapped file: nothing is loaded, so any process opens it at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import orjson

from .hot import LETTERS, best_of, letters_behind
from .prefixes import HEAD_CHARS, Prefixes, errors_between
from .segment_file import HOT_KEYS, ITEM_MASK, SegmentInput, id_hash

SuggestionType = Literal["title", "person", "genre"]

_MAX_LETTERS = 64

# So many keys are sooner compared one by one than found by guessing what was meant.
_MAX_COMPARED = 40
# So many still are where guessing ends.
_MAX_BEHIND_HEAD = 200
# Ranges of the first letters of texts that are kept in memory.
_HEADS_KEPT = 4096
# Texts one error away that are looked up; only short queries have more.
_MAX_NEIGHBOURS = 30


@dataclass(frozen=True, slots=True)
class Item:
    """Something to suggest.

    Attributes:
        popularity: 0 to 1.
        mark: Of a title, what `Draft.mark` was.
    """

    type: SuggestionType
    id: str
    text: str
    popularity: float
    year: int | None = None
    mark: int = 0


class Near(NamedTuple):
    """Entries of keys that begin with a text but for one error.

    Attributes:
        mended: The best of those with an error.
        shortened: The best of those that begin with the text without its last letter; some may be in `mended` too.
        whole: Those of both whose whole key is so.
    """

    mended: list[int]
    shortened: list[int]
    whole: list[int]


class Segment:
    """Titles with their people and genres.

    Attributes:
        titles: How many titles it has.

    Raises:
        BadSegment: The file is damaged, or of another format.
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._input = SegmentInput(path)
        self.titles = int(self._input.facts["titles"])
        self._letters = str(self._input.facts["letters"])
        self._data = self._input.data
        self._keys_start = self._input.start_of("keys")
        self._offsets = self._input.numbers("offsets", "I")
        self._entries = self._input.numbers("entries", "I")
        self._hot_first, self._hot_end, self._hot_from, self._hot_to, self._hot_entries = (
            self._input.numbers(f"hot_{name}", "I") for name in ("first", "end", "from", "to", "entries")
        )
        self._hot_letters = self._input.numbers("hot_letters", "Q")
        self._prefixes = Prefixes(self._input.raw("prefixes"))
        self._items_start = self._input.start_of("items")
        self._popularity = self._input.numbers("popularity", "f")
        self._item_ends = self._input.numbers("item_ends", "Q")
        self._id_hashes = self._input.numbers("id_hashes", "Q")
        self._heads: dict[str, tuple[int, int]] = {}
        self._latest = "", (0, len(self._entries))

    def is_whole(self) -> bool:
        """Whether the file has the checksum it was written with."""
        return self._input.is_whole()

    def beginning(self, text: str) -> list[int]:
        """The best entries of the keys that begin with the text."""
        first, end = self._range(text)
        return self._best(first, end)

    def named(self, text: str) -> list[int]:
        """The entries whose key is just this text."""
        return self._equal(text, *self._range(text))

    def near(self, text: str) -> Near:
        """What begins so but for one error."""
        ranges = self._walk(text)
        same = len(ranges) - 1
        found: set[int] = set()
        shortened: set[int] = set()
        whole: list[int] = []
        looked_up = 0
        for unchanged, mended in self._prefixes.neighbours(text, self._letters_meant(text, ranges)):
            first, end = self._range(mended) if unchanged < 3 else self._narrow(mended, *ranges[min(unchanged, same)])
            if first < end:
                (shortened if unchanged == len(text) - 1 and len(mended) < len(text) else found).update(
                    self._best(first, end)
                )
                whole += self._equal(mended, first, end)
                looked_up += 1
                if looked_up == _MAX_NEIGHBOURS:
                    break
        first, end = ranges[-1]
        if end - first <= (_MAX_BEHIND_HEAD if same == HEAD_CHARS else _MAX_COMPARED):
            for number in range(first, end):
                key = self._key(number).decode()
                errors = errors_between(text, key, same)
                if errors <= 2:
                    (found if errors == 1 else shortened).add(self._entries[number])
                    if len(key) <= len(text) + 1:
                        whole.append(self._entries[number])
        return Near(best_of(list(found)), best_of(list(shortened)), whole)

    def count(self, text: str) -> int:
        """How many keys begin with the text."""
        first, end = self._range(text)
        return end - first

    def item(self, entry: int) -> Item:
        """What an entry stands for."""
        return Item(*orjson.loads(self._told(entry))[:6])

    def popularity(self, entry: int) -> float:
        """How popular what an entry stands for is, from 0 to 1."""
        return self._popularity[entry & ITEM_MASK]

    def says(self, entry: int, words: Sequence[bytes]) -> bool:
        """Whether a title's context has all these words; they come with the spaces around them, in UTF-8."""
        told = self._told(entry)
        for word in words:  # noqa: SIM110 - asked of a hundred titles: all() takes twice as long
            if word not in told:
                return False
        return True

    def _told(self, entry: int) -> bytes:
        number = entry & ITEM_MASK
        start = self._item_ends[number - 1] if number else 0
        at = self._items_start
        return self._data[at + start : at + self._item_ends[number]]

    def title(self, title_id: str) -> Item | None:
        """A title by its id."""
        wanted = id_hash(title_id)
        at = bisect_left(self._id_hashes, wanted)
        items = self._input.numbers("id_items", "I")
        while at < len(self._id_hashes) and self._id_hashes[at] == wanted:
            item = self.item(items[at])
            if item.id == title_id:
                return item
            at += 1
        return None

    @cached_property
    def title_ids(self) -> frozenset[str]:
        """The ids of all its titles. Reads them all: for small segments."""
        return frozenset(self.item(number).id for number in self._input.numbers("id_items", "I"))

    def _key(self, number: int) -> bytes:
        at = self._keys_start
        return self._data[at + self._offsets[number] : at + self._offsets[number + 1]]

    def _equal(self, text: str, first: int, end: int) -> list[int]:
        """The entries of a range's keys that are just the text which they all begin with: they come first."""
        length = len(text.encode("utf-8", "replace"))
        last = first
        while last < end and self._offsets[last + 1] - self._offsets[last] == length:
            last += 1
            if last == first + HOT_KEYS:
                break
        return self._entries[first:last].tolist()

    def _range(self, text: str) -> tuple[int, int]:
        """The first key that begins with the text, and the first behind it that does not."""
        if text == self._latest[0]:
            return self._latest[1]
        head = text[:3]
        around = self._heads.get(head)
        if around is None:
            around = self._narrow(head, 0, len(self._entries))
            if len(self._heads) < _HEADS_KEPT:
                self._heads[head] = around
        found = around if len(text) <= 3 else self._narrow(text, *around)
        self._latest = text, found
        return found

    def _narrow(self, text: str, first: int, end: int) -> tuple[int, int]:
        told = text.encode("utf-8", "replace")
        first = bisect_left(_NUMBERS, told, first, end, key=self._key)
        step = 1
        while first + step <= end and self._key(first + step - 1).startswith(told):
            step *= 2
        known = first + step // 2
        return first, bisect_left(_NUMBERS, told + b"\xff", known, min(end, first + step), key=self._key)

    def _walk(self, text: str) -> list[tuple[int, int]]:
        """The ranges of the text's beginnings, none of its letters first, until few keys are left or none."""
        ranges = [(0, len(self._entries))]
        for length in range(1, min(len(text), HEAD_CHARS + 1)):
            first, end = self._range(text[:length]) if length <= 3 else self._narrow(text[:length], *ranges[-1])
            if first == end:
                break
            ranges.append((first, end))
            if end - first <= _MAX_COMPARED:
                break
        return ranges

    def _best(self, first: int, end: int) -> list[int]:
        if end - first > HOT_KEYS and (row := self._row(first, end)) is not None:
            return self._hot_entries[self._hot_from[row] : self._hot_to[row]].tolist()
        return best_of(self._entries[first:end].tolist())

    def _row(self, first: int, end: int) -> int | None:
        """Where in the sections `hot_*` a range is."""
        row = bisect_left(self._hot_first, first)
        while row < len(self._hot_end) and self._hot_first[row] == first:
            if self._hot_end[row] == end:
                return row
            row += 1
        return None

    def _letters_meant(self, text: str, ranges: Sequence[tuple[int, int]]) -> list[Sequence[int]]:
        """For each place of the text where an error may be, the codes of the letters that may have been meant."""
        first, end = ranges[-1]
        last = min(HEAD_CHARS, len(ranges) - (end - first <= _MAX_COMPARED))  # behind it the keys are compared
        if not text.isascii():
            return [_letters_like(text, self._letters)] * last
        meant: list[Sequence[int]] = []
        for place, (first, end) in enumerate(ranges[:last]):
            row = self._row(first, end)
            following = LETTERS if row is None else letters_behind(self._hot_letters[row], place)
            meant.append(following if following is not None else tuple(self._key(first)[place : place + 1]))
        return meant


# As a sequence, each number is its own place: what `bisect` needs to search by `key`.
_NUMBERS = range(1 << 62)


@lru_cache(maxsize=1024)
def _letters_like(text: str, known: str) -> tuple[int, ...]:
    """Of the letters that keys have, the most frequent of the scripts in which the text is written."""
    scripts = {ord(letter) >> 8 for letter in text if letter > "\x7f"}
    letters = [ord(letter) for letter in known if ord(letter) >> 8 in scripts][:_MAX_LETTERS]
    return (*letters, *(LETTERS if any("a" <= letter <= "z" for letter in text) else b" "))
