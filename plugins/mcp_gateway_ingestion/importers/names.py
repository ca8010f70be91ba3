"""The names of fourteen million people, on disk instead of in memory: found by the number of their IMDb id."""

from __future__ import annotations

import mmap
from pathlib import Path

MAX_NUMBER = 100_000_000
"""Ids have eight digits at most. The file of places is as long as that, but takes no room where nobody stands."""

_PLACE_BYTES = 8


class NameIndex:
    """Names by ids like `nm0000006`. Two files: the names one after another, and for each number where its name is.

    Args:
        folder: Where the files are made; whoever owns it removes them.
    """

    def __init__(self, folder: Path) -> None:
        self._names_path = folder / "names"
        self._places_path = folder / "places"
        self._names = self._names_path.open("wb")
        self._end = 0
        with self._places_path.open("wb") as places:
            places.truncate((MAX_NUMBER + 1) * _PLACE_BYTES)
        with self._places_path.open("r+b") as places:
            self._map = mmap.mmap(places.fileno(), 0)
        self._places = memoryview(self._map).cast("Q")
        self._text: mmap.mmap | None = None

    def add(self, person: bytes, name: bytes) -> None:
        """Note a name; ids of another form are passed over."""
        number = _number(person)
        if number is not None and name:
            self._places[number] = self._end + 1  # 0 stands for nobody
            self._end += self._names.write(name + b"\n")

    def finish(self) -> None:
        """All names are there: they can be asked for."""
        self._names.close()
        if self._end:
            with self._names_path.open("rb") as names:
                self._text = mmap.mmap(names.fileno(), 0, access=mmap.ACCESS_READ)

    def name_of(self, person: bytes) -> str | None:
        """Somebody's name; None when it is not known."""
        number = _number(person)
        place = self._places[number] if number is not None else 0
        if not place or self._text is None:
            return None
        return self._text[place - 1 : self._text.find(b"\n", place - 1)].decode("utf-8", "replace")

    def close(self) -> None:
        """Let go of the files."""
        self._names.close()
        self._places.release()
        self._map.close()
        if self._text is not None:
            self._text.close()


def _number(person: bytes) -> int | None:
    if not person.startswith(b"nm") or not person[2:].isdigit() or len(person) > 10:
        return None
    number = int(person[2:])
    return number if number <= MAX_NUMBER else None
