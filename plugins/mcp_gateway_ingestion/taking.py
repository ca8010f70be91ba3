"""Takes batches of records into the catalogue: what may be done ahead, and what is written in its turn."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from anyio import to_process, to_thread

from mcp_gateway.catalog.records import Change
from mcp_gateway.catalog.store import Catalog, PreparedRecord, fingerprint_of
from mcp_gateway.catalog.writing import with_parent

from .lines import Line
from .parsed import Parse
from .reading import ReadLine, read_lines
from .rejects import Rejection
from .seen import SeenMarks

LINES_WORTH_A_PROCESS = 1000
"""Fewer are read sooner than another process could start."""

MAX_FIELD_NAMES = 50

B = TypeVar("B")


@dataclass(slots=True)
class Taken:
    """What became of a batch of lines.

    Attributes:
        changes: Titles by what happened to them.
        offers: How many offers were new, different or gone.
        accepted_keys: Keys of the lines that could be used.
        accepted_lines: Their numbers.
        faults: Of records that were taken in, what could not be used of them.
        unknown: What was not understood, with how many records had it.
        left_out: Records that are not meant to be taken in, by what they are.
    """

    changes: Counter[Change] = field(default_factory=Counter)
    offers: int = 0
    rejections: list[Rejection] = field(default_factory=list)
    accepted_keys: list[str] = field(default_factory=list)
    accepted_lines: list[int] = field(default_factory=list)
    faults: list[Rejection] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)


class Taker(Protocol[B]):
    """Takes the records of one kind of file in."""

    async def ready(self, lines: Sequence[Line]) -> B:
        """Make a batch ready, while the one before it is written."""
        ...

    async def take(self, batch: B, before_writing: Callable[[], Awaitable[None]]) -> Taken:
        """Write a batch; `before_writing` is awaited first, if there is something to write."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """How the records of a source are read.

    Attributes:
        source: Its name.
        parse: Reads a record; a function of a module, for it may be called in another process.
        version: Part of each record's fingerprint. Changes when the same record is read differently than before.
        key_of: Finds the key in a record's bytes without parsing it.
        each_once: The file is known not to have a key twice, so that nothing has to be remembered to find out.
        may_repeat: Several records of a title are no fault; the first counts, the others are left out.
    """

    source: str
    parse: Parse
    version: bytes = b"1"
    key_of: re.Pattern[bytes] | None = None
    each_once: bool = False
    may_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Marked:
    """A line with its fingerprint, and its key where that is known without parsing."""

    line: Line
    key: str | None
    fingerprint: int


@dataclass(frozen=True, slots=True)
class TitleBatch:
    """Lines, and what was read from those that are new, by number."""

    lines: Sequence[Marked]
    read: Mapping[int, ReadLine]


@dataclass(slots=True)
class _Sorted(Taken):
    """A batch, sorted by what has to be done.

    Attributes:
        records: To be written.
        parents: The keys of their parents, by key.
        lines: Where those with a parent stand, by key.
    """

    records: list[PreparedRecord] = field(default_factory=list)
    parents: dict[str, str] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)


class TitleTaker:
    """Takes records in that speak of titles only."""

    def __init__(self, catalog: Catalog, format: Format) -> None:  # noqa: A002 - the word for it
        self._catalog = catalog
        self._format = format
        self._seen = SeenMarks()
        self._elsewhere = False

    async def ready(self, lines: Sequence[Line]) -> TitleBatch:
        """Parse what is new."""
        marked = [self._mark(line) for line in lines]
        source = self._format.source
        same = await self._catalog.unchanged(source, [(m.key, m.fingerprint) for m in marked if m.key])
        fresh = [mark for mark in marked if mark.line.fault is None and (mark.key, mark.fingerprint) not in same]
        read = await self._read(fresh)
        self._elsewhere = True
        return TitleBatch(marked, read)

    async def take(self, batch: TitleBatch, before_writing: Callable[[], Awaitable[None]]) -> Taken:
        """Write what is new."""
        found = self._sort(batch)
        if found.records:
            await before_writing()
            await self._write(found)
        return found

    def _mark(self, line: Line) -> Marked:
        key = line.key
        if key is None and self._format.key_of is not None and (match := self._format.key_of.match(line.raw)):
            key = match[1].decode()
        return Marked(line, key, fingerprint_of(self._format.version + line.raw))

    async def _read(self, marked: Sequence[Marked]) -> dict[int, ReadLine]:
        """Read lines, by number; many of them in another process, for this one is busy writing."""
        given = [(mark.line.raw, mark.fingerprint) for mark in marked]
        elsewhere = self._elsewhere and len(given) >= LINES_WORTH_A_PROCESS
        run_sync = to_process.run_sync if elsewhere else to_thread.run_sync
        read = await run_sync(read_lines, self._format.source, self._format.parse, given) if given else []
        return {mark.line.number: line for mark, line in zip(marked, read, strict=True)}

    def _sort(self, given: TitleBatch) -> _Sorted:
        batch = _Sorted()
        for mark in given.lines:
            read = given.read.get(mark.line.number)
            reason = mark.line.fault or (read.reason if read else "") or self._add(batch, mark, read)
            if reason:
                batch.rejections.append(Rejection(mark.line.number, reason, mark.line.raw, mark.key))
        return batch

    def _add(self, batch: _Sorted, mark: Marked, read: ReadLine | None) -> str:
        """Note what a line says, or that it says nothing new when it was not read; returns why it cannot be used."""
        records = read.records if read else ()
        marks = {(r.source, r.key): r.fingerprint for r in records}
        if read is None:
            marks = {(self._format.source, mark.key or ""): mark.fingerprint}
        seen = {key: self._seen.get("\0".join(key)) for key in marks} if len(self._seen) else {}
        earlier = {key for key, first in seen.items() if first is not None}
        if any(seen[key] != marks[key] for key in earlier):
            # The first counts: would the last, each run would change the title twice.
            if not self._format.may_repeat:
                return "id: stands in an earlier line already, which says something else"
            batch.left_out["records of a title that another record spoke of"] += 1
            return ""
        fresh = [record for record in records if (record.source, record.key) not in earlier]
        batch.records.extend(fresh)
        batch.changes["unchanged"] += len(marks) - len(fresh)
        batch.accepted_keys.extend(key for _, key in marks)
        batch.accepted_lines.append(mark.line.number)
        if not self._format.each_once:
            for key, fingerprint in marks.items():
                self._seen.first("\0".join(key), fingerprint)
        if read and fresh:
            count_names(batch.unknown, read.unknown_fields)
            self._note_parents(batch, mark, read)
        return ""

    def _note_parents(self, batch: _Sorted, mark: Marked, read: ReadLine) -> None:
        for record, parent in zip(read.records, read.parent_keys, strict=False):
            if parent is not None:
                batch.parents[record.key] = parent
                batch.lines[record.key] = mark.line

    async def _write(self, found: _Sorted) -> None:
        """Write parents before their children, whose rows need the id that the parent gets."""
        ready = [record for record in found.records if record.key not in found.parents]
        waiting = [record for record in found.records if record.key in found.parents]
        while ready or waiting:
            if ready:
                outcomes = await self._catalog.import_records(ready)
                found.changes.update(outcome.change for outcome in outcomes)
            if not waiting:
                return
            ids = await self._catalog.keyed(self._format.source, {found.parents[record.key] for record in waiting})
            ready = [with_parent(r, ids[found.parents[r.key]]) for r in waiting if found.parents[r.key] in ids]
            waiting = [record for record in waiting if found.parents[record.key] not in ids]
            if not ready:
                break
        _reject_orphans(found, waiting)


def _reject_orphans(found: _Sorted, orphans: Collection[PreparedRecord]) -> None:
    for record in orphans:
        line = found.lines[record.key]
        reason = f"{record.kind} {record.key}: its series, {found.parents[record.key]}, is not in the catalogue"
        found.accepted_keys.remove(record.key)
        if line.number in found.accepted_lines:
            found.accepted_lines.remove(line.number)
            found.rejections.append(Rejection(line.number, reason, line.raw, record.key))


def count_names(unknown: Counter[str], names: Iterable[str]) -> None:
    """Count names, but not endlessly many of them."""
    for name in (name[:100] for name in names):
        if name in unknown or len(unknown) < MAX_FIELD_NAMES:
            unknown[name] += 1
