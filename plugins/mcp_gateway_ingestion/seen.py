"""Remembers which records of a file came already, in as little memory as that takes."""

from __future__ import annotations

from array import array

from mcp_gateway.catalog.records import fingerprint_of

_FEWEST_SLOTS = 1 << 10


class SeenMarks:
    """The mark that each key came with first.

    Keys are kept as 64-bit digests beside their marks, in a table with a free slot for every two that are taken: a
    million keys take 32 MiB, where a dict of texts takes some 200. That two of a million keys have one digest happens
    once in 37 million files.
    """

    def __init__(self) -> None:
        self._count = 0
        self._make(_FEWEST_SLOTS)

    def __len__(self) -> int:
        return self._count

    def get(self, key: str) -> int | None:
        """The mark that a key came with first; None when it did not come."""
        digest = _digest(key)
        slot = self._slot(digest)
        return self._marks[slot] if self._digests[slot] else None

    def first(self, key: str, mark: int) -> int:
        """The mark that a key came with first: this one when it did not come before."""
        digest = _digest(key)
        slot = self._slot(digest)
        if self._digests[slot]:
            return self._marks[slot]
        self._digests[slot], self._marks[slot] = digest, mark
        self._count += 1
        if 3 * self._count > 2 * len(self._digests):
            self._grow()
        return mark

    def _slot(self, digest: int) -> int:
        """Where a digest stands, or would."""
        digests, slot = self._digests, digest & self._mask
        while (found := digests[slot]) and found != digest:
            slot = (slot + 1) & self._mask
        return slot

    def _make(self, slots: int) -> None:
        self._mask = slots - 1
        self._digests = array("q", bytes(8 * slots))
        self._marks = array("q", bytes(8 * slots))

    def _grow(self) -> None:
        digests, marks = self._digests, self._marks
        self._make(2 * len(digests))
        for digest, mark in zip(digests, marks, strict=True):
            if digest:
                slot = self._slot(digest)
                self._digests[slot], self._marks[slot] = digest, mark


def _digest(key: str) -> int:
    return fingerprint_of(key.encode("utf-8", "surrogatepass")) or 1
