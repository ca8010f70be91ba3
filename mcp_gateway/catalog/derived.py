"""A folder of files that are made of one catalogue: which state of them is current, and who may write.

    <root>/<layout>-<catalogue id>/
        manifest.json     says what is current; replaced in one step
        lock              held by the one process that writes

Another layout or another catalogue has another folder, so processes that differ in them do not disturb one another.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

MANIFEST = "manifest.json"
LOCK = "lock"


class DerivedFolder:
    """The folder of one catalogue's files.

    Args:
        root: The folder of all of them.
        catalogue_id: The catalogue's id, as `Catalog.version` has it.
        layout: Of the files: raise it whenever what is in the files changes.
    """

    def __init__(self, root: Path, catalogue_id: str, *, layout: int) -> None:
        self.root = root
        self.catalogue_id = catalogue_id
        self.path = root / f"{layout}-{re.sub(r'[^A-Za-z0-9_-]', '', catalogue_id)[:60]}"
        self._manifest_path = self.path / MANIFEST

    def read_facts(self) -> Any:
        """What was published last. Raises OSError or ValueError when that cannot be read."""
        return json.loads(self._manifest_path.read_bytes())

    def publish_facts(self, facts: Mapping[str, Any]) -> None:
        """Make this the current state: all or nothing."""
        draft = self._manifest_path.with_suffix(f".{token_hex(4)}")
        draft.write_text(json.dumps(facts))
        draft.replace(self._manifest_path)

    def stamp(self) -> tuple[int, int] | None:
        """Changes whenever the manifest does; costs a microsecond. None when there is none."""
        try:
            status = os.stat(self._manifest_path)  # noqa: PTH116 - on every search: Path.stat costs three times as much
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Be the one process that writes, or learn that another one is. A killed process writes no more."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOCK).open("a") as file:
            if not _try_lock(file.fileno()):
                yield False
                return
            try:
                yield True
            finally:
                _unlock(file.fileno())

    def remove_siblings(self, *, unused_since: float) -> None:
        """Remove the folders of older formats and other catalogues. Only while writing.

        Args:
            unused_since: Seconds since the epoch; what changed later is kept.
        """
        for sibling in self.root.iterdir():
            with suppress(OSError):
                if sibling != self.path and sibling.stat().st_mtime < unused_since:
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
