"""Records that could not be used: kept with the reason until a corrected one comes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from mcp_gateway.catalog.records import fingerprint_of

MAX_RAW_CHARACTERS = 2000
MAX_REASON_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record of a file that cannot be used.

    Attributes:
        line_number: From 1.
        reason: Which fields are wrong, and how.
        raw: The record as it came; only its beginning is kept.
        key: The record's id within the source, None when it cannot be read.
    """

    line_number: int
    reason: str
    raw: bytes
    key: str | None = None

    @property
    def digest(self) -> int:
        """Changes when the record or the reason does."""
        return fingerprint_of(self.reason.encode() + b"\0" + self.raw)

    @property
    def shown(self) -> str:
        """The beginning of the record as text that every database can keep."""
        return (
            self.raw[: 4 * MAX_RAW_CHARACTERS].decode("utf-8", "replace").replace("\0", "\ufffd")[:MAX_RAW_CHARACTERS]
        )


class Place(NamedTuple):
    """Where a rejected record stands."""

    file: str
    line_number: int


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A rejected record, as it is kept."""

    source: str
    file: str
    line_number: int
    reason: str
    raw: str
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Changes:
    """What has to be written after a batch of lines."""

    healed: list[Place]
    rejected: list[Rejection]

    def __bool__(self) -> bool:
        return bool(self.healed or self.rejected)


@dataclass(slots=True)
class Standing:
    """The rejected records of a source as they stand in the database, while one of its files is read.

    Attributes:
        file: The file that is read.
        digests: By place.
        places: Where records with a key stand, by key.
    """

    file: str
    digests: dict[Place, int] = field(default_factory=dict)
    places: dict[str, set[Place]] = field(default_factory=dict)

    def changes(self, rejections: Sequence[Rejection], accepted: Collection[str], good_lines: Sequence[int]) -> Changes:
        """Compare with what a batch brought.

        Args:
            rejections: The batch's bad lines.
            accepted: The keys of its good lines: rejected records with these in other files have been corrected.
            good_lines: Their numbers: what stood there in this file has been corrected.
        """
        fresh = [r for r in rejections if self.digests.get(Place(self.file, r.line_number)) != r.digest]
        if not self.digests:
            return Changes([], fresh)
        healed = [place for line in good_lines if (place := Place(self.file, line)) in self.digests]
        for key in self.places.keys() & set(accepted):
            healed.extend(place for place in self.places[key] if place.file != self.file)
        return Changes(healed, fresh)

    def beyond(self, last_line: int) -> Changes:
        """What to forget once the whole file was read: lines that it no longer has."""
        gone = [place for place in self.digests if place.file == self.file and place.line_number > last_line]
        return Changes(gone, [])

    def apply(self, changes: Changes) -> None:
        """Note what was written."""
        for place in changes.healed:
            self.digests.pop(place, None)
        for rejection in changes.rejected:
            self.digests[Place(self.file, rejection.line_number)] = rejection.digest
