"""Makes records of lines. Pure and without heavy imports: for large files it runs in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mcp_gateway.catalog.records import PreparedRecord, SourceRecord
from mcp_gateway.catalog.rows import prepare

from .parsed import BadRecord, Parse


class ReadLine(NamedTuple):
    """What a line turned out to be: records, a parent before its children, or the reason why it is none.

    Attributes:
        parent_keys: For each record the key of its parent; empty when none of them has one.
    """

    records: tuple[PreparedRecord, ...]
    parent_keys: tuple[str | None, ...] = ()
    unknown_fields: tuple[str, ...] = ()
    reason: str = ""


def read_lines(source: str, parse: Parse, lines: Sequence[tuple[bytes, int]]) -> list[ReadLine]:
    """Read lines, each given with its fingerprint."""
    return [_read_line(source, parse, raw, fingerprint) for raw, fingerprint in lines]


def _read_line(source: str, parse: Parse, raw: bytes, fingerprint: int) -> ReadLine:
    try:
        found = parse(raw)
    except BadRecord as error:
        return ReadLine((), reason=str(error))
    # Where a line has several titles, each is told by what is said of it alone.
    mark = fingerprint if len(found) == 1 else None
    records = tuple([prepare(SourceRecord(source + t.variant, t.key, t.facts, t.own_id, mark)) for t in found])
    parents = tuple([title.parent_key for title in found])
    return ReadLine(records, parents if any(parents) else (), found[0].unknown_fields if found else ())
