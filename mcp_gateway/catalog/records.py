"""What goes into the catalogue and what comes back: a source's record, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import orjson

from mcp_gateway.catalog.models import TitleFacts, TitleId

Change = Literal["created", "updated", "unchanged"]


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """What one record of a source says about a title.

    Attributes:
        source: Who says so, e.g. `jsonl`, `imdb`, `platform:netflix`.
        key: The record's id within the source. One source does not list one work under two keys.
        own_id: Keep this as our id when the title is first seen here.
        fingerprint: Changes when, and only when, the record does; see `fingerprint_of`. None: taken of the facts.
    """

    source: str
    key: str
    facts: TitleFacts
    own_id: TitleId | None = None
    fingerprint: int | None = None


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What became of a record.

    Attributes:
        title_id: The title it speaks of.
        change: What the record did to that title.
        evidence: What tied the record to the title, in words; empty when the record is as it was.
    """

    title_id: TitleId
    change: Change
    evidence: str


@dataclass(frozen=True, slots=True)
class CatalogVersion:
    """The state of a catalogue.

    Attributes:
        id: Random, made with the catalogue's tables: another database is another catalogue.
        revision: Grows with every change.
    """

    id: str
    revision: int


def fingerprint_of(raw: bytes) -> int:
    """A signed 64-bit digest of a record's bytes."""
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "big", signed=True)


def fingerprint_of_facts(facts: TitleFacts) -> int:
    """The fingerprint of a record whose source has no bytes of its own."""
    return fingerprint_of(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS))
