"""Gathers the names of a whole catalogue in little memory: what is too much goes to the disk, by length."""

from __future__ import annotations

import marshal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

from .likeness import Known

# Some 60 MB. Most people come again soon, so what is on the disk in the end is not many times what there is.
MOST_HELD = 400_000

Told = tuple[int, float]
Strings = dict[str, Told]


class Gathered:
    """Strings with their kinds and popularity; of what is said of a string, kinds add up and the highest counts.

    Args:
        folder: Where the file may be; it vanishes with `close()`.
    """

    def __init__(self, folder: Path) -> None:
        self.held: Strings = {}
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115 - until close()
        self._places: dict[int, list[int]] = {}

    def add(self, text: str, told: Told) -> None:
        """Take in what is said of a string."""
        merge(self.held, text, told)
        if len(self.held) >= MOST_HELD:
            self._spill()

    def by_length(self) -> Iterator[Strings]:
        """All strings, the shortest first: those of one length at a time, in the order in which they came."""
        if self._places:
            self._spill()
        groups = _grouped(self.held)
        for length in sorted({*self._places, *groups}):
            strings: Strings = groups.get(length, {})
            for place in self._places.get(length, ()):
                self._file.seek(place)
                for text, told in marshal.load(self._file).items():  # noqa: S302 - our own file, which has no name
                    merge(strings, text, told)
            yield strings

    def close(self) -> None:
        """Give up the file."""
        self._file.close()

    def _spill(self) -> None:
        for length, strings in _grouped(self.held).items():
            self._places.setdefault(length, []).append(self._file.tell())
            marshal.dump(strings, self._file)
        self.held = {}


def merge(strings: Strings, text: str, told: Told) -> None:
    """Take in what is said of a string."""
    before = strings.setdefault(text, told)
    if before is not told and (before[0] | told[0] != before[0] or before[1] < told[1]):
        strings[text] = (before[0] | told[0], max(before[1], told[1]))


def grouped(strings: Known) -> Iterator[Strings]:
    """Few strings as `Gathered.by_length` yields many."""
    for _, group in sorted(_grouped(strings).items()):
        yield group


def _grouped(strings: Known) -> dict[int, Strings]:
    groups: dict[int, Strings] = {}
    for text, told in strings.items():
        groups.setdefault(len(text), {})[text] = told
    return groups
