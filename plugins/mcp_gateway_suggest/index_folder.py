"""The index on disk: which segments are current, and who may write.

<data folder>/index/<format>-<catalogue id>/
    manifest.json      names the segments; replaced in one step
    lock               held by the one process that writes
    <name>.segment     written under another name, then renamed: what has the name is whole
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex

from .segment_file import FORMAT
from .segment_writer import SegmentWriter

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_NAME = re.compile(r"[0-9a-f]{12}\.segment")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The state of the index.

    Attributes:
        segments: File names, the oldest first: what a later one has of a title replaces what earlier ones have.
        revision: All changes up to this revision of the catalogue are in them.
    """

    segments: tuple[str, ...]
    revision: int

    @property
    def generation(self) -> str:
        """Differs whenever what the index says may differ."""
        return "-".join(name[:12] for name in self.segments)


class IndexFolder:
    """The folder of one catalogue's index.

    Args:
        root: The folder of all indexes.
        catalogue_id: The catalogue's id, as `Catalog.version` has it.
    """

    def __init__(self, root: Path, catalogue_id: str) -> None:
        self.root = root
        self.catalogue_id = catalogue_id
        self.path = root / f"{FORMAT}-{re.sub(r'[^A-Za-z0-9_-]', '', catalogue_id)[:60]}"
        self._manifest_path = self.path / "manifest.json"

    def read(self) -> Manifest | None:
        """The manifest; None when there is none, or it makes no sense."""
        try:
            told = json.loads(self._manifest_path.read_bytes())
            manifest = Manifest(tuple(told["segments"]), told["revision"])
        except (OSError, ValueError, TypeError, LookupError):
            return None
        sound = all(isinstance(name, str) and _NAME.fullmatch(name) for name in manifest.segments)
        return manifest if sound and isinstance(manifest.revision, int) else None

    def publish(self, manifest: Manifest) -> None:
        """Make this the current state: all or nothing."""
        draft = self._manifest_path.with_suffix(f".{token_hex(4)}")
        draft.write_text(json.dumps(asdict(manifest)))
        draft.replace(self._manifest_path)

    def stamp(self) -> tuple[int, int] | None:
        """Changes whenever the manifest does; costs a microsecond. None when there is none."""
        try:
            status = os.stat(self._manifest_path)  # noqa: PTH116 - on every question: Path.stat costs three times as much
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    def write_segment(self, writer: SegmentWriter) -> str:
        """Write a segment, which `publish` then makes current; its name."""
        name = f"{token_hex(6)}.segment"
        draft = self.path / f"{name}.draft"
        try:
            writer.write(draft)
            draft.replace(self.path / name)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        return name

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Be the one process that writes, or learn that another one is. A killed process writes no more."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("a") as file:
            if not _try_lock(file.fileno()):
                yield False
                return
            try:
                yield True
            finally:
                _unlock(file.fileno())

    def tidy(self, *, siblings_unused_since: float) -> None:
        """Remove what earlier states, broken-off builds, older formats and other catalogues left. Only while writing.

        Processes that still read a removed segment keep it until they look at the manifest again.

        Args:
            siblings_unused_since: Seconds since the epoch; other catalogues' indexes changed later are kept.
        """
        current = self.read()
        kept = {"manifest.json", "lock", *(current.segments if current else ())}
        for entry in self.path.iterdir():
            if entry.name not in kept:
                with suppress(OSError):  # where a mapped file cannot be removed, the next time
                    entry.unlink()
        for sibling in self.root.iterdir():
            with suppress(OSError):
                if sibling != self.path and sibling.stat().st_mtime < siblings_unused_since:
                    shutil.rmtree(sibling, ignore_errors=True)


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _unlock(descriptor: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
