"""The vectors of all titles: two files that only grow, searched by looking at every vector.

    <root>/<layout>-<catalogue id>/
        manifest.json    the catalogue's revision that has been reached
        vectors.bin      records: hash of a text, scale, its vector as 8-bit integers
        titles.log       lines: hash of a title's text, popularity, the title's id as JSON; a title's last line holds

A vector is found by its text, so a build that was killed goes on where it was, and a title that changes in other ways
costs nothing. One process writes, any number read. What a killed process left half written the next writer cuts off.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import orjson
from numpy.typing import NDArray

from mcp_gateway.catalog.derived import DerivedFolder
from mcp_gateway.catalog.models import TitleId

from .embedder import HASH_BYTES

# Raise it whenever the files, or what is embedded of a title, change.
LAYOUT = 1
# Of so many vectors at a time the numbers are widened: they stay in the processor's cache.
_BLOCK = 512
_NO_TEXT = bytes(HASH_BYTES)
# What no title has any more is removed when there is more of it than of what they have, and than this.
_FEW = 10_000
# So many of the closest vectors are looked at: popularity may bring a title up from among them.
_CANDIDATES = 1000
# What the best-known title is closer than one that nobody knows: of descriptions that fit nearly alike, the one
# many people saw is meant.
_POPULARITY_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Described:
    """What the store knows of a title.

    Attributes:
        text: Hash of the text that was embedded of it.
        popularity: Whole points, from 0 to 100.
    """

    text: bytes
    popularity: int


class VectorStore:
    """Vectors on disk, mapped into memory.

    Args:
        width: Numbers in a vector.
    """

    def __init__(self, folder: DerivedFolder, width: int) -> None:
        self.folder = folder
        self._record = np.dtype([("text", f"V{HASH_BYTES}"), ("scale", "<f4"), ("vector", "i1", (width,))])
        self._vectors_path = folder.path / "vectors.bin"
        self._titles_path = folder.path / "titles.log"
        self._lock = Lock()
        self._files: tuple[int, ...] = ()
        self._forget()

    def __len__(self) -> int:
        """How many vectors there are, as of the last `refresh`."""
        return len(self._records)

    @property
    def titles(self) -> int:
        """How many titles have a vector, as of the last `refresh`."""
        return len(self._described)

    @property
    def revision(self) -> int:
        """All titles up to this revision of the catalogue have their vector; 0 where vectors were lost."""
        return 0 if self._lost() else self._facts()[0]

    def has(self, text: bytes) -> bool:
        """Whether the text of this hash is a title's and has a vector, as of the last `refresh`."""
        return text in self._titles

    def described(self, title_id: TitleId) -> Described | None:
        """What is known of a title, as of the last `refresh`; None without a vector."""
        return self._described.get(title_id)

    def refresh(self) -> None:
        """Take up what was written since, by whichever process."""
        with self._lock:
            files = tuple(
                path.stat().st_ino if path.exists() else 0 for path in (self._vectors_path, self._titles_path)
            )
            if files != self._files:
                self._forget()
                self._files = files
            if all(files):
                self._map_records()
                self._read_titles()

    def nearest(self, vector: NDArray[np.float32], limit: int) -> list[TitleId]:
        """The titles whose vectors lie closest, the better known a little closer; best first. 7 ms for 77,000."""
        records = self._records
        closeness = np.empty(len(records), np.float32)
        for first in range(0, len(records), _BLOCK):
            block = records[first : first + _BLOCK]
            closeness[first : first + _BLOCK] = block["vector"].astype(np.float32) @ vector * block["scale"]
        found: dict[TitleId, float] = {}
        for row in np.argsort(-closeness, kind="stable")[:_CANDIDATES]:
            for title_id in self._titles.get(records[row]["text"].tobytes(), ()):
                described = self._described.get(title_id)
                popularity = described.popularity if described else 0
                found[title_id] = float(closeness[row]) + _POPULARITY_SHARE * popularity / 100
        return sorted(found, key=lambda title_id: -found[title_id])[:limit]

    def mend(self) -> None:
        """Cut off what a killed process left half written; begin anew where vectors are lost. Only while writing."""
        if self._lost():
            self._vectors_path.unlink(missing_ok=True)
            self._titles_path.unlink(missing_ok=True)
        if self._vectors_path.exists():
            os.truncate(self._vectors_path, self._whole_records() * self._record.itemsize)
        if self._titles_path.exists():
            os.truncate(self._titles_path, self._titles_path.read_bytes().rfind(b"\n") + 1)
        self.refresh()

    def add(self, texts: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        """Append the vectors, of length one, of these texts. Only while writing."""
        records = np.empty(len(texts), self._record)
        scale = np.abs(vectors).max(axis=1, initial=1e-9) / 127
        records["text"] = np.frombuffer(b"".join(texts), f"V{HASH_BYTES}")
        records["scale"] = scale
        records["vector"] = np.rint(vectors / scale[:, None]).astype(np.int8)
        _append(self._vectors_path, records.tobytes())

    def assign(self, titles: Iterable[tuple[TitleId, Described | None]]) -> None:
        """Say what each title is by now, after its vector was added; None for those without one. Only while writing."""
        _append(self._titles_path, b"".join(_line(title_id, described) for title_id, described in titles))

    def publish(self, revision: int) -> None:
        """Say that all titles up to a revision are done. Only while writing."""
        self.folder.publish_facts({"revision": revision, "vectors": self._whole_records()})

    def compact(self) -> None:
        """Write the files anew without what no title has any more, once that is most of them. Only while writing."""
        if len(self) <= 2 * len(self._titles) + _FEW and self._lines <= 2 * len(self._described) + _FEW:
            return
        texts = self._records["text"].tolist()
        kept = {bytes(text): row for row, text in enumerate(texts) if bytes(text) in self._titles}
        revision = self.revision
        self.folder.publish_facts({"revision": 0, "vectors": 0})  # should this process die between the two files
        _replace(self._vectors_path, self._records[list(kept.values())].tobytes())
        _replace(self._titles_path, b"".join(_line(*entry) for entry in self._described.items()))
        self.refresh()
        self.publish(revision)

    def _forget(self) -> None:
        self._records: NDArray[np.void] = np.empty(0, self._record)
        self._described: dict[TitleId, Described] = {}
        self._titles: dict[bytes, list[TitleId]] = {}
        self._read_up_to = self._lines = 0

    def _map_records(self) -> None:
        count = self._whole_records()
        if count <= len(self._records):
            return
        with self._vectors_path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), count * self._record.itemsize, access=mmap.ACCESS_READ)
        self._records = np.frombuffer(mapped, self._record)

    def _read_titles(self) -> None:
        with self._titles_path.open("rb") as file:
            file.seek(self._read_up_to)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read_up_to += len(whole)
        for line in whole.split(b"\n")[:-1]:
            text, popularity, title_id = line.split(b" ", 2)
            self._assign(TitleId(orjson.loads(title_id)), Described(bytes.fromhex(text.decode()), int(popularity)))
            self._lines += 1

    def _assign(self, title_id: TitleId, described: Described) -> None:
        old = self._described.pop(title_id, None)
        if old is not None:
            self._titles[old.text].remove(title_id)
            if not self._titles[old.text]:
                del self._titles[old.text]
        if described.text != _NO_TEXT:
            self._described[title_id] = described
            self._titles.setdefault(described.text, []).append(title_id)

    def _facts(self) -> tuple[int, int]:
        """The revision that has been reached, and how many vectors there were."""
        try:
            facts = self.folder.read_facts()
            return int(facts["revision"]), int(facts["vectors"])
        except (OSError, ValueError, TypeError, KeyError):
            return 0, 0

    def _lost(self) -> bool:
        """Whether there are fewer vectors than there were, or none for the titles that have one."""
        return self._whole_records() < max(self._facts()[1], int(self._titles_path.exists()))

    def _whole_records(self) -> int:
        return self._vectors_path.stat().st_size // self._record.itemsize if self._vectors_path.exists() else 0


def _line(title_id: TitleId, described: Described | None) -> bytes:
    text, popularity = (described.text, described.popularity) if described else (_NO_TEXT, 0)
    return b"%s %d %s\n" % (text.hex().encode(), popularity, orjson.dumps(title_id))


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_suffix(".draft")
    draft.write_bytes(content)
    draft.replace(path)
