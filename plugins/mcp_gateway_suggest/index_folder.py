"""The index on disk: which segments are current, and who may write.

<data folder>/index/<format>-<catalogue id>/
    manifest.json      names the segments; replaced in one step
    lock               held by the one process that writes
    <name>.segment     written under another name, then renamed: what has the name is whole
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex

from mcp_gateway.catalog.derived import LOCK, MANIFEST, DerivedFolder

from .segment_file import FORMAT
from .segment_writer import SegmentWriter

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


class IndexFolder(DerivedFolder):
    """The folder of one catalogue's index.

    Args:
        root: The folder of all indexes.
        catalogue_id: The catalogue's id, as `Catalog.version` has it.
    """

    def __init__(self, root: Path, catalogue_id: str) -> None:
        super().__init__(root, catalogue_id, layout=FORMAT)

    def read(self) -> Manifest | None:
        """The manifest; None when there is none, or it makes no sense."""
        try:
            told = self.read_facts()
            manifest = Manifest(tuple(told["segments"]), told["revision"])
        except (OSError, ValueError, TypeError, LookupError):
            return None
        sound = all(isinstance(name, str) and _NAME.fullmatch(name) for name in manifest.segments)
        return manifest if sound and isinstance(manifest.revision, int) else None

    def publish(self, manifest: Manifest) -> None:
        """Make this the current state: all or nothing."""
        self.publish_facts(asdict(manifest))

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

    def tidy(self, *, siblings_unused_since: float) -> None:
        """Remove what earlier states, broken-off builds, older formats and other catalogues left. Only while writing.

        Processes that still read a removed segment keep it until they look at the manifest again.

        Args:
            siblings_unused_since: Seconds since the epoch; other catalogues' indexes changed later are kept.
        """
        current = self.read()
        kept = {MANIFEST, LOCK, *(current.segments if current else ())}
        for entry in self.path.iterdir():
            if entry.name not in kept:
                with suppress(OSError):  # where a mapped file cannot be removed, the next time
                    entry.unlink()
        self.remove_siblings(unused_since=siblings_unused_since)
