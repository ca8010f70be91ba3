"""Makes records of lines. Pure and without heavy imports: for large files it runs in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mcp_gateway.catalog.records import PreparedRecord, SourceRecord
from mcp_gateway.catalog.rows import prepare

from .jsonl import BadRecord, parse_line


class ReadLine(NamedTuple):
    """What a line turned out to be: a record, or the reason why it is none."""

    record: PreparedRecord | None
    unknown_fields: tuple[str, ...] = ()
    reason: str = ""


def read_lines(source: str, lines: Sequence[tuple[bytes, int]]) -> list[ReadLine]:
    """Read lines, each given with its fingerprint."""
    return [_read_line(source, raw, fingerprint) for raw, fingerprint in lines]


def _read_line(source: str, raw: bytes, fingerprint: int) -> ReadLine:
    try:
        title = parse_line(raw)
    except BadRecord as error:
        return ReadLine(None, (), str(error))
    record = SourceRecord(source, title.id, title.facts, title.id, fingerprint)
    return ReadLine(prepare(record), title.unknown_fields)
