"""Finds which of many strings a misspelt one may be: shared letter trigrams first, then edit distance and popularity.

Everything lies in flat arrays that are mapped from a file, so opening costs nothing and processes share the memory.
Strings are ordered by length: those that can be within the distance are one stretch of numbers, and of each posting
list only that stretch is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .likeness import ANY_KIND, Known, Near, likeliest, near_of, within

# Trigrams are hashed to so many lists. Collisions only cost a little time: distance decides.
_BUCKETS = 1 << 16
_MULTIPLIERS = (0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35)
_SHIFT = 16
_MASK = 0xFFFFFFFF
# Built from so many at a time, to need little memory at once.
_TEXTS_AT_ONCE = 50_000

# So many of the strings that share most trigrams have their distance computed.
_RESCORED = 96
# A transposition changes four trigrams; other edits change three.
_TRIGRAMS_PER_EDIT = 4

# After so many numbers and lists the rest, of more frequent trigrams, is not read.
_MOST_READ = 12_000
_FEWEST_LISTS = 8

MAX_CHARS = 120
POPULARITY_STEPS = 255

Arrays = Mapping[str, NDArray[np.generic]]


class TrigramIndex:
    """Strings with kinds and popularity, found by likeness."""

    def __init__(self, arrays: Arrays) -> None:
        self._text = arrays["text"].data
        self._starts: Any = arrays["starts"]
        self._kinds: Any = arrays["kinds"]
        self._popularity: Any = arrays["popularity"]
        self._by_length: Any = arrays["by_length"]
        self._postings: Any = arrays["postings"]
        self._lists: Any = arrays["lists"]

    def __len__(self) -> int:
        return len(self._kinds)

    def nearest(self, wanted: str, *, most_edits: int, kinds: int = ANY_KIND, limit: int = 5) -> list[Near]:
        """The strings of these kinds within so many edits, likeliest first."""
        if not 0 < len(wanted) <= MAX_CHARS or not len(self):
            return []
        numbers = self._sharing(wanted, most_edits, kinds)
        starts, ends = self._starts[numbers].tolist(), self._starts[numbers + 1].tolist()
        texts = [str(self._text[start:end], "utf-8") for start, end in zip(starts, ends, strict=True)]
        near = within(wanted, texts, most_edits)
        found = [near_of(wanted, text, distance, self._known(numbers[place])) for text, distance, place in near]
        return likeliest(found, wanted, limit)

    def _sharing(self, wanted: str, most_edits: int, kinds: int) -> NDArray[np.generic]:
        """Numbers of the strings of such a length that share most trigrams."""
        first, end = self._stretch(len(wanted), most_edits)
        # Of the postings' own type: numpy would convert a whole list to compare it with another.
        ends = np.array((first, end), np.uint32)
        parts = self._rarest([self._part(gram, ends) for gram in _grams_of(wanted)])
        enough = max(min(2, len(parts)), len(parts) - _TRIGRAMS_PER_EDIT * most_edits)
        numbers, counts = _repeated(np.concatenate(parts), enough)
        if kinds != ANY_KIND:
            right = (self._kinds[numbers] & kinds) != 0
            numbers, counts = numbers[right], counts[right]
        if len(numbers) <= _RESCORED:
            return numbers
        promise = counts * (2 * POPULARITY_STEPS) + self._popularity[numbers]
        return numbers[np.argpartition(promise, -_RESCORED)[-_RESCORED:]]

    def _stretch(self, length: int, most_edits: int) -> tuple[int, int]:
        longest = len(self._by_length) - 2
        low, high = max(0, length - most_edits), min(longest, length + most_edits)
        return int(self._by_length[min(low, longest)]), int(self._by_length[high + 1])

    @staticmethod
    def _rarest(parts: list[NDArray[np.uint32]]) -> list[NDArray[np.uint32]]:
        """The shorter lists: what the most frequent trigrams add costs more time than it tells."""
        parts.sort(key=len)
        read = 0
        for place, part in enumerate(parts):
            read += len(part)
            if read > _MOST_READ and place >= _FEWEST_LISTS:
                return parts[:place]
        return parts

    def _part(self, gram: int, ends: NDArray[np.uint32]) -> NDArray[np.uint32]:
        numbers: NDArray[np.uint32] = self._postings[self._lists[gram] : self._lists[gram + 1]]
        low, high = numbers.searchsorted(ends)
        return numbers[low:high]

    def _known(self, number: int) -> tuple[int, float]:
        return int(self._kinds[number]), int(self._popularity[number]) / POPULARITY_STEPS


def _repeated(numbers: NDArray[np.uint32], enough: int) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The numbers that are there so often, and how often; `numbers` is left sorted.

    Sorting ten thousand takes less time than to count within the range of all strings, and does not grow with it.
    """
    numbers.sort()
    last = max(0, len(numbers) - enough + 1)
    # A number is there often enough where it stands again so many places on: once for each time more than enough.
    often = numbers[(numbers[enough - 1 :] == numbers[:last]).nonzero()[0]]
    if not len(often):
        return often, np.zeros(0, np.int64)
    first = np.empty(len(often), np.bool_)
    first[0] = True
    np.not_equal(often[1:], often[:-1], out=first[1:])
    starts = first.nonzero()[0]
    counts = np.empty(len(starts), np.int64)
    counts[:-1] = starts[1:]
    counts[-1] = len(often)
    return often[starts], counts - starts + (enough - 1)


def arrays_of(strings: Iterable[Known]) -> dict[str, NDArray[np.generic]]:
    """What a `TrigramIndex` is read from.

    Args:
        strings: Those of one length at a time, the shortest first; of each its kinds, as bits, and its popularity
            from 0 to 1.
    """
    columns = _Columns()
    for group in strings:
        for start in range(0, len(group), _TEXTS_AT_ONCE):
            columns.add(dict(islice(group.items(), start, start + _TEXTS_AT_ONCE)))
    return columns.arrays()


class _Columns:
    """Collects the arrays, part by part."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._sizes: list[NDArray[np.uint16]] = [np.zeros(0, np.uint16)]
        self._kinds, self._popularity = bytearray(), bytearray()
        self._of_length = np.zeros(MAX_CHARS + 1, np.int64)
        self._grams: list[NDArray[np.uint16]] = []

    def add(self, strings: Known) -> None:
        """Take in strings of one length."""
        texts = list(strings)
        length = len(texts[0])
        if not 0 < length <= MAX_CHARS:
            return
        encoded = [text.encode() for text in texts]
        self._text += b"".join(encoded)
        self._sizes.append(np.fromiter(map(len, encoded), np.uint16, len(texts)))
        self._kinds += bytes(kinds for kinds, _ in strings.values())
        self._popularity += bytes(round(popularity * POPULARITY_STEPS) for _, popularity in strings.values())
        self._of_length[length] += len(texts)
        self._grams.append(_trigrams(texts))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """All of them."""
        postings, lists = self._postings()
        return {
            "text": np.frombuffer(self._text, np.uint8),
            "starts": _sums(np.concatenate(self._sizes)).astype(np.uint32),
            "kinds": np.frombuffer(self._kinds, np.uint8),
            "popularity": np.frombuffer(self._popularity, np.uint8),
            "by_length": _sums(self._of_length).astype(np.uint32),
            "postings": postings,
            "lists": lists,
        }

    def _postings(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """The numbers of the strings that have each trigram, ascending, and where each list begins."""
        counts = np.zeros(_BUCKETS, np.int64)
        for grams in self._grams:
            counts += np.bincount(_each_once(grams)[0], minlength=_BUCKETS)
        lists = _sums(counts)
        postings = np.empty(int(lists[-1]), np.uint32)
        ends, first = lists[:-1].copy(), 0
        for grams in self._grams:
            present, numbers = _each_once(grams)
            counts = np.bincount(present, minlength=_BUCKETS)
            # Behind what is in each list already; `present` is sorted, so its own lists follow one another too.
            postings[np.arange(len(present)) + (ends - _sums(counts)[:-1])[present]] = numbers + np.uint32(first)
            ends += counts
            first += len(grams)
        return postings, lists.astype(np.uint32)


def _trigrams(texts: Sequence[str]) -> NDArray[np.uint16]:
    """The hashed trigrams of strings of one length, a row each. They are read with two spaces before, one behind."""
    letters = np.frombuffer("".join([f"  {text} " for text in texts]).encode("utf-32-le"), np.uint32)
    rows = letters.reshape(len(texts), -1)
    grams = np.zeros((len(texts), rows.shape[1] - 2), np.uint32)
    for place, multiplier in enumerate(_MULTIPLIERS):
        grams += rows[:, place : place + grams.shape[1]] * np.uint32(multiplier)
    return (grams >> np.uint32(_SHIFT)).astype(np.uint16)


def _each_once(grams: NDArray[np.uint16]) -> tuple[NDArray[np.uint16], NDArray[np.uint32]]:
    """The trigrams sorted, and in which row each is; once where a row has it several times."""
    order = np.argsort(grams, axis=None, kind="stable")  # of 16 bits: this takes no comparisons
    listed, rows = grams.ravel()[order], (order // grams.shape[1]).astype(np.uint32)
    first = np.ones(len(listed), np.bool_)
    first[1:] = (listed[1:] != listed[:-1]) | (rows[1:] != rows[:-1])
    return listed[first], rows[first]


def _sums(lengths: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)))


def _grams_of(text: str) -> list[int]:
    letters = [32, 32, *map(ord, text), 32]
    a, b, c = _MULTIPLIERS
    return list({
        ((x * a + y * b + z * c) & _MASK) >> _SHIFT for x, y, z in zip(letters, letters[1:], letters[2:], strict=False)
    })  # fmt: skip
