"""What goes into the catalogue and what comes back: a source's record, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import orjson

from mcp_gateway.catalog.models import Kind, PersonId, TitleFacts, TitleId

Change = Literal["created", "updated", "unchanged"]
Row = Sequence[Any]


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


class ExternalId(NamedTuple):
    """An id in somebody else's catalogue; `namespace` as `identity.namespace_of` says."""

    scheme: str
    namespace: str
    value: str

    def __str__(self) -> str:
        return ":".join(part for part in self if part)


class PreparedRecord(NamedTuple):
    """A source's record in the form of the rows that it becomes; `rows.prepare` makes it.

    That is half the work of an import and needs no database, so it may be done in another process: a tuple of
    plain values gets from there to here in a fraction of the time.

    Attributes:
        row: Of `titles`, without id and revision.
        name_keys: The folded names that its title is looked for by: the display name's, then other names'.
        people: Rows of `people`, by id.
        external_ids: Most trusted first.
        overview: The description, folded; empty where there is none.
    """

    source: str
    key: str
    own_id: TitleId | None
    fingerprint: int
    kind: Kind
    name_keys: tuple[str, ...]
    year: int | None
    runtime_minutes: int | None
    external_ids: tuple[ExternalId, ...]
    people: dict[PersonId, Row]
    overview: str
    row: Row

    @property
    def name_key(self) -> str:
        """The display name, folded."""
        return self.name_keys[0]


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
