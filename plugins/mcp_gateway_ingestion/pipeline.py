"""Takes a file of titles in: batch by batch, each whole or not at all.

There is no note of how far a run came. The catalogue knows the fingerprint of every record it has, so a run after one
that was killed passes over what is there already without even parsing it, and ends where an undisturbed one does.
"""

from __future__ import annotations

import gc
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio import create_memory_object_stream, create_task_group, to_process, to_thread
from anyio.streams.memory import MemoryObjectSendStream

from mcp_gateway.api import Clock, IngestProgress, InvalidParams
from mcp_gateway.catalog.store import Catalog, PreparedRecord, fingerprint_of

from .jsonl import FORMAT_VERSION
from .lines import MAX_LINE_BYTES, Line, Lines
from .reading import ReadLine, read_lines
from .rejects import Rejection, Standing
from .store import RejectedStore

BATCH_LINES = 4000
"""Each batch is a transaction: larger ones write the same pages less often, but hold up other writers longer."""

LINES_THAT_TELL = 100
"""So many lines without a single title are no catalogue."""

LINES_WORTH_A_PROCESS = 1000
"""Fewer are read sooner than another process could start."""

_MAX_FIELD_NAMES = 50
_TOO_LONG = ReadLine(None, (), f"longer than {MAX_LINE_BYTES} bytes")
_KEY = re.compile(rb'\s*\{\s*"id"\s*:\s*"([A-Za-z0-9][A-Za-z0-9._-]{0,63})"')


@dataclass(slots=True)
class IngestReport:
    """What an import did.

    Attributes:
        file: The file's name.
        read: Lines read, empty ones left out.
        unknown_fields: Names that the format does not have, with how many records had them.
        complete: Whether the file was read to its end, or to the limit.
        problem: Why not.
        replaced: The source whose titles gave way to these, `starter`.
    """

    source: str
    file: str
    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    unknown_fields: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    complete: bool = True
    problem: str | None = None
    replaced: str | None = None

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.read / self.seconds if self.seconds else 0.0

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "source": self.source,
            "file": self.file,
            "read": self.read,
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "rejected": self.rejected,
            "unknown_fields": dict(sorted(self.unknown_fields.items())),
            "seconds": round(self.seconds, 3),
            "rate": round(self.rate, 1),
            "complete": self.complete,
            "problem": self.problem,
            "replaced": self.replaced,
        }


@dataclass(frozen=True, slots=True)
class _Marked:
    """A line with its fingerprint, and its key where that stands in front."""

    line: Line
    key: str | None
    fingerprint: int


@dataclass(frozen=True, slots=True)
class _Batch:
    """Lines, what was read from those that are new, and how many bytes of the file that took."""

    lines: Sequence[_Marked]
    read: Mapping[int, ReadLine]
    done_bytes: int


@dataclass(slots=True)
class _Sorted:
    """A batch, sorted by what has to be done."""

    records: list[PreparedRecord] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    accepted_keys: list[str] = field(default_factory=list)
    accepted_lines: list[int] = field(default_factory=list)
    unchanged: int = 0


class FileIngest:
    """Takes one file in, once.

    Args:
        replaces: A source that gives way when the catalogue has nothing else.
    """

    def __init__(
        self,
        catalog: Catalog,
        rejected: RejectedStore,
        clock: Clock,
        *,
        source: str = "jsonl",
        replaces: str | None = None,
        batch_lines: int = BATCH_LINES,
    ) -> None:
        self._catalog = catalog
        self._rejected = rejected
        self._clock = clock
        self._source = source
        self._replaces = replaces
        self._batch_lines = batch_lines
        self._seen: dict[str, int] = {}

    async def run(
        self, path: Path, *, limit: int | None = None, on_progress: Callable[[IngestProgress], None] | None = None
    ) -> IngestReport:
        """Take a file in; running it again goes on, or changes nothing.

        Args:
            path: A `.jsonl` file, compressed with gzip or not; `-` is standard input.
            limit: Lines to read at most.
            on_progress: Called after each batch.

        Raises:
            Unavailable: The file cannot be read, or the database is away.
            InvalidParams: The file is no catalogue.
        """
        try:
            with await to_thread.run_sync(Lines, path) as lines, _fewer_collections():
                return await self._run(lines, limit, on_progress or (lambda _: None))
        except ExceptionGroup as group:  # of the two tasks, the one that failed first
            raise _first(group) from None

    async def _run(
        self, lines: Lines, limit: int | None, on_progress: Callable[[IngestProgress], None]
    ) -> IngestReport:
        started = self._clock.monotonic()
        report = IngestReport(self._source, lines.file)
        standing = await self._rejected.standing(self._source, lines.file)
        send, receive = create_memory_object_stream[_Batch](1)
        async with create_task_group() as tasks, receive:
            tasks.start_soon(self._read, lines, limit, send)
            async for batch in receive:
                await self._take_in(batch, report, standing)
                report.seconds = self._clock.monotonic() - started
                on_progress(IngestProgress(batch.done_bytes, lines.total_bytes, report.read, report.rejected))
        await self._finish(lines, report, standing, limit)
        report.seconds = self._clock.monotonic() - started
        return report

    async def _read(self, lines: Lines, limit: int | None, send: MemoryObjectSendStream[_Batch]) -> None:
        """Read ahead: while a batch is written, the next is made ready."""
        elsewhere = False
        async with send:
            while raw := await to_thread.run_sync(lines.read, self._next_size(limit, lines.last_number)):
                marked = [_mark(line) for line in raw if line.raw.strip()]
                same = await self._catalog.unchanged(self._source, [(m.key, m.fingerprint) for m in marked if m.key])
                fresh = [mark for mark in marked if (mark.key, mark.fingerprint) not in same]
                read = await self._read_lines([mark for mark in fresh if not mark.line.too_long], elsewhere=elsewhere)
                await send.send(_Batch(marked, read, lines.done_bytes))
                elsewhere = True

    async def _read_lines(self, marked: Sequence[_Marked], *, elsewhere: bool) -> dict[int, ReadLine]:
        """Read lines, by number; many of them in another process, for this one is busy writing."""
        given = [(mark.line.raw, mark.fingerprint) for mark in marked]
        run_sync = to_process.run_sync if elsewhere and len(given) >= LINES_WORTH_A_PROCESS else to_thread.run_sync
        read = await run_sync(read_lines, self._source, given) if given else []
        return {mark.line.number: line for mark, line in zip(marked, read, strict=True)}

    def _next_size(self, limit: int | None, read: int) -> int:
        return self._batch_lines if limit is None else min(self._batch_lines, limit - read)

    async def _take_in(self, given: _Batch, report: IngestReport, standing: Standing) -> None:
        batch = self._sort(given, report.unknown_fields)
        if report.read == 0 and len(batch.rejections) == len(given.lines) >= LINES_THAT_TELL:
            first = batch.rejections[0]
            raise InvalidParams("path", f"is not in our jsonl format; line {first.line_number}: {first.reason}")
        if batch.records:
            await self._replace(report)
        outcomes = await self._catalog.import_records(batch.records) if batch.records else []
        changes = standing.changes(batch.rejections, batch.accepted_keys, batch.accepted_lines)
        await self._rejected.write(self._source, report.file, changes)
        standing.apply(changes)
        count = Counter(outcome.change for outcome in outcomes)
        report.read += len(given.lines)
        report.created += count["created"]
        report.updated += count["updated"]
        report.unchanged += count["unchanged"] + batch.unchanged
        report.rejected += len(batch.rejections)

    async def _replace(self, report: IngestReport) -> None:
        source, self._replaces = self._replaces, None
        if source is not None and await self._catalog.make_way(source):
            report.replaced = source

    def _sort(self, given: _Batch, unknown: Counter[str]) -> _Sorted:
        batch = _Sorted()
        for mark in given.lines:
            read = _TOO_LONG if mark.line.too_long else given.read.get(mark.line.number)
            key = read.record.key if read and read.record else mark.key
            earlier = self._seen.get(key) if key else None
            reason = read.reason if read else ""
            if not reason and earlier not in {None, mark.fingerprint}:
                # The first counts: would the last, each run would change the title twice.
                reason = "id: stands in an earlier line already, which says something else"
            if reason or key is None:
                batch.rejections.append(Rejection(mark.line.number, reason, mark.line.raw, mark.key))
                continue
            self._seen[key] = mark.fingerprint
            batch.accepted_keys.append(key)
            batch.accepted_lines.append(mark.line.number)
            if read is None or read.record is None or earlier is not None:
                batch.unchanged += 1
            else:
                batch.records.append(read.record)
                _count_names(unknown, read.unknown_fields)
        return batch

    async def _finish(self, lines: Lines, report: IngestReport, standing: Standing, limit: int | None) -> None:
        if lines.damage is not None:
            report.complete, report.problem = False, lines.damage
        elif limit is None or lines.last_number < limit:
            changes = standing.beyond(lines.last_number)
            await self._rejected.write(self._source, report.file, changes)


def _mark(line: Line) -> _Marked:
    found = _KEY.match(line.raw)
    return _Marked(line, found[1].decode() if found else None, fingerprint_of(FORMAT_VERSION + line.raw))


def _count_names(unknown: Counter[str], names: Iterable[str]) -> None:
    for name in (name[:100] for name in names):
        if name in unknown or len(unknown) < _MAX_FIELD_NAMES:
            unknown[name] += 1


def _first(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


@contextmanager
def _fewer_collections() -> Iterator[None]:
    """Look for garbage cycles seldom: a batch makes a hundred thousand objects that all stay until its end."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
