"""All names and words of the catalogue, to hold misspelt queries against: built from the index, used from a file.

Most of it lies in a file beside the index, which the one process that writes renews from time to time. What changed
since is read from the index itself, so a new title is found at once; a small catalogue never needs a file.
"""

from __future__ import annotations

import logging
import math
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

import anyio
import anyio.to_thread

from mcp_gateway.catalog.models import normalise_name, without_article

from .index import NamesOf, TitleIndex
from .index_folder import IndexFolder, Manifest
from .index_writer import publish_vocabulary
from .schema import joined
from .understanding.gathering import Gathered, Strings, grouped, merge
from .understanding.likeness import ALTERNATIVE, PERSON, TITLE, WORD, Both, FewStrings, Likeness

log = logging.getLogger(__name__)

# So many changed titles are looked through one by one; with more the file is renewed.
MOST_RECENT = 2000
_LONGEST_WORD = 30


class Vocabulary:
    """Names and words of one state of the catalogue."""

    def __init__(self, names: Likeness, words: Likeness, hashes: Any, recent: Collection[str]) -> None:
        self.names = names
        self.words = words
        self._hashes = hashes
        self._recent = recent

    def possible_people(self, names: Sequence[str]) -> Sequence[bool]:
        """Of each folded name whether somebody may be called so; spaces do not matter."""
        keys = [joined(name) for name in names]
        known = [key in self._recent for key in keys]
        if self._hashes is None:
            return known
        from .understanding.hashes import found_in  # here: numpy is loaded when it is first needed

        return [new or old for new, old in zip(known, found_in(self._hashes, keys), strict=True)]


class VocabularyShelf:
    """Has the vocabulary that belongs to the index as it is, loaded when first needed.

    Loading takes a few milliseconds, and once the time to import numpy, so it is done in a thread.
    """

    def __init__(self, index: TitleIndex) -> None:
        self._index = index
        self._state: Manifest | None = None
        self._vocabulary: Vocabulary | None = None
        self._base: tuple[str, tuple[Likeness, Likeness, Any]] | None = None
        self._loading = anyio.CapacityLimiter(1)

    def at_hand(self) -> Vocabulary | None:
        """The vocabulary loaded last, though the index may have changed since; None before the first is."""
        return self._vocabulary

    async def current(self, wait_seconds: float) -> Vocabulary | None:
        """The vocabulary of the index as it is; after so much waiting the last one, or None.

        Raises:
            Unavailable: There is no index yet.
        """
        self._index.refresh()
        if self._index.manifest == self._state:
            return self._vocabulary
        with anyio.move_on_after(wait_seconds):
            await anyio.to_thread.run_sync(self._load, limiter=self._loading, abandon_on_cancel=True)
        return self._vocabulary

    async def warm_up(self) -> None:
        """Load what belongs to a large catalogue, and the libraries that it needs; a small one needs none."""
        self._index.refresh()
        if self._index.manifest is not None and self._index.manifest.vocabulary:
            await anyio.to_thread.run_sync(self._warm_up, limiter=self._loading, abandon_on_cancel=True)

    def _warm_up(self) -> None:
        self._load()
        if self._vocabulary is not None:
            self._vocabulary.names.nearest("misspelt", most_edits=1, limit=1)

    def _load(self) -> None:
        manifest = self._index.manifest
        if manifest is None or manifest == self._state:
            return
        try:
            self._vocabulary = self._read(manifest)
        except (OSError, ValueError):
            log.exception("vocabulary cannot be read; until it is renewed names are found only as they are written")
            self._remove(manifest)
        self._state = manifest

    def _remove(self, manifest: Manifest) -> None:
        """Remove a damaged file, for the process that writes to make a new one."""
        with suppress(OSError):
            (self._index.folder.generation(manifest) / manifest.vocabulary).unlink()

    def _read(self, manifest: Manifest) -> Vocabulary:
        if self._index.folder.read() is None:
            raise ValueError("no index")
        recent = list(self._index.changed_after(manifest.vocabulary_revision, MOST_RECENT))
        few = FewStrings(names_of(recent))
        people = {joined(person) for title in recent for person in title.people}
        if not manifest.vocabulary:
            # A large index without a file is being built: its words are too many to be read after each commit.
            words = _words(self._index) if self._index.size <= MOST_RECENT else {}
            return Vocabulary(few, FewStrings(words), None, people)
        names, common, hashes = self._base_of(self._index.folder.generation(manifest) / manifest.vocabulary)
        return Vocabulary(Both(names, few) if recent else names, common, hashes, people)

    def _base_of(self, path: Path) -> tuple[Likeness, Likeness, Any]:
        if self._base is None or self._base[0] != str(path):
            from .understanding.trigrams import TrigramIndex
            from .understanding.vocabulary_file import read

            arrays = read(path)
            parts = TrigramIndex(arrays["names"]), TrigramIndex(arrays["words"]), arrays["people"]["hashes"]
            self._base = (str(path), parts)
        return self._base[1]


def needs_renewal(index: TitleIndex) -> bool:
    """Whether the vocabulary's file is gone, or too many titles changed since it was written."""
    manifest = index.manifest
    if manifest is None or not manifest.complete or not index.is_open:
        return False
    if manifest.vocabulary and not (index.folder.generation(manifest) / manifest.vocabulary).exists():
        return True
    return index.count_changed_after(manifest.vocabulary_revision) > MOST_RECENT


def renew(index: TitleIndex, folder: IndexFolder) -> None:
    """Write the vocabulary's file anew. Blocks for seconds; only while `folder.writing()`."""
    from .understanding.hashes import hash_of, set_of
    from .understanding.trigrams import arrays_of
    from .understanding.vocabulary_file import write

    index.refresh()
    manifest = index.manifest
    if manifest is None:
        return
    people = array("I")
    with closing(Gathered(folder.path)) as names:
        for title in index.changed_after(-1, index.count_changed_after(-1)):
            people.extend([hash_of(joined(person)) for person in title.people])
            for name, told in _names_in(title):
                names.add(name, told)
        groups: dict[str, dict[str, Any]] = {
            "names": arrays_of(names.by_length()),
            "words": arrays_of(grouped(_words(index))),
            "people": {"hashes": set_of(people)},
        }
    file = f"vocabulary-{token_hex(4)}.bin"
    write(folder.generation(manifest) / file, groups)
    publish_vocabulary(folder, manifest.generation, file, manifest.revision)
    log.info("vocabulary written", extra={"names": len(groups["names"]["kinds"])})


def names_of(titles: Iterable[NamesOf]) -> Strings:
    """Every name, and how popular the best-known title or person of it is."""
    known: Strings = {}
    for title in titles:
        for name, told in _names_in(title):
            merge(known, name, told)
    return known


def _names_in(title: NamesOf) -> Iterator[tuple[str, tuple[int, float]]]:
    """The names of a title, folded, with and without their article, and those of its people."""
    for place, name in enumerate(map(normalise_name, title.titles)):
        named = (ALTERNATIVE if place else TITLE, title.popularity)
        yield name, named
        yield without_article(name), named
    made = (PERSON, title.popularity)
    for person in title.people:
        yield person, made


def _words(index: TitleIndex) -> dict[str, tuple[int, float]]:
    """Words that say something, the commoner the likelier."""
    counted = [(word, count) for word, count in index.words() if 2 < len(word) <= _LONGEST_WORD and word.isalpha()]
    most = math.log1p(max((count for _, count in counted), default=1))
    few = len(counted) < MOST_RECENT
    return {word: (WORD, math.log1p(count) / most) for word, count in counted if few or count > 1}
