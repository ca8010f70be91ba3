"""What many keys begin with: the best of their entries, and which letters follow.

So `th` is answered without looking at all keys that begin so, and of the letters that may have been meant only those
are tried that ever follow.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from functools import lru_cache
from itertools import pairwise

from .segment_file import HOT_ENTRIES, HOT_KEYS, MATCH_SHIFT, SHARED_KEYS, Match, numbers

# A letter's bit; the highest bits hold how many bytes the keys share.
LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789 "
_BITS = {code: 1 << at for at, code in enumerate(LETTERS)}
_SHARED_SHIFT = 48


def best_of(entries: list[int]) -> list[int]:
    """The first entries of each match, sorted: an entry with a lower number is of a more popular item."""
    entries = sorted(set(entries))
    if len(entries) <= HOT_ENTRIES:
        return entries
    bounds = [bisect_left(entries, match << MATCH_SHIFT) for match in Match] + [len(entries)]
    kept: list[int] = []
    for start, end in pairwise(bounds):
        kept += entries[start : min(end, start + HOT_ENTRIES)]
    return kept


class HotRanges:
    """Finds it while the sorted keys go by.

    Whatever beginning they share, keys that share one are a range of neighbours; these ranges form a tree, the
    intervals of equal common beginnings. A range hands its best entries on to the one around it.
    """

    def __init__(self) -> None:
        self._open: list[tuple[int, int, list[int], int]] = []  # (bytes shared, first key, entries, letters)
        self._entries: list[int] = []
        self._first = 0
        self._keys = 0
        self._key = b""
        self._rows: list[tuple[int, int, int, int, int]] = []
        self._best = numbers()

    def add(self, key: bytes, entry: int, shared: int) -> None:
        """Take the next key, which shares so many bytes with the one before it."""
        if self._keys:
            self._close(shared)
        self._entries, self._first, self._key = [entry], self._keys, key
        self._keys += 1

    def end(self) -> dict[str, array[int]]:
        """The sections: of each range its first key and its end, where its entries are, its letters; the entries."""
        if self._keys:
            self._close(-1)
        self._rows.sort()
        names = ("hot_first", "hot_end", "hot_from", "hot_to", "hot_letters")
        columns = zip(*self._rows, strict=True) if self._rows else ((),) * len(names)
        sections = {n: array("Q" if n == "hot_letters" else "I", c) for n, c in zip(names, columns, strict=True)}
        return {**sections, "hot_entries": self._best}

    def _close(self, shared: int) -> None:
        """Leave all ranges that share more than the coming key does."""
        while self._open and self._open[-1][0] > shared:
            depth = self._open[-1][0]
            letters = self._join()
            self._keep(depth << _SHARED_SHIFT | letters)
        if self._open and self._open[-1][0] == shared:
            first = self._open[-1][1]
            letters = self._join()
            self._open.append((shared, first, self._entries, letters))
        else:
            self._open.append((shared, self._first, self._entries, self._letter(shared)))

    def _join(self) -> int:
        """Put what goes by at the end of the innermost open range, and take that for what goes by; its letters."""
        shared, self._first, entries, letters = self._open.pop()
        entries += self._entries
        self._entries = entries
        return letters | self._letter(shared)

    def _letter(self, shared: int) -> int:
        return _BITS.get(self._key[shared], 0) if 0 <= shared < len(self._key) else 0

    def _keep(self, letters: int) -> None:
        count = self._keys - self._first
        start = len(self._best)
        if count > HOT_KEYS:
            self._entries = best_of(self._entries)
            self._best.extend(self._entries)
        if count > SHARED_KEYS:
            self._rows.append((self._first, self._keys, start, len(self._best), letters))


@lru_cache(maxsize=1 << 14)
def letters_behind(row: int, place: int) -> tuple[int, ...] | None:
    """The codes of the letters that follow the first `place` letters of keys that share more than they do.

    Returns:
        None when the keys share a longer beginning: then only one letter follows.
    """
    if row >> _SHARED_SHIFT != place:
        return None
    return tuple(code for code, bit in _BITS.items() if row & bit)
