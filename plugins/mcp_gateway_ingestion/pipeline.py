"""Takes a file of titles in: batch by batch, each whole or not at all.

There is no note of how far a run came. The catalogue knows the fingerprint of every record it has, so a run after one
that was killed passes over what is there already without even parsing it, and ends where an undisturbed one does.
"""

from __future__ import annotations

import gc
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio import to_thread

from mcp_gateway.api import Clock, IngestProgress, InvalidParams
from mcp_gateway.catalog.store import Catalog, SourceRecord, fingerprint_of

from .jsonl import FORMAT_VERSION, BadRecord, ParsedTitle, parse_line
from .lines import MAX_LINE_BYTES, Line, Lines
from .rejects import Rejection, Standing
from .store import RejectedStore

BATCH_LINES = 4000
"""Each batch is a transaction: larger ones write the same pages less often, but hold up other writers longer."""

LINES_THAT_TELL = 100
"""So many lines without a single title are no catalogue."""

_MAX_FIELD_NAMES = 50
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
        }


@dataclass(frozen=True, slots=True)
class _Marked:
    """A line with its fingerprint, and its key where that stands in front."""

    line: Line
    key: str | None
    fingerprint: int


@dataclass(slots=True)
class _Sorted:
    """A batch of lines, sorted by what has to be done with them."""

    records: list[SourceRecord] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    accepted_keys: list[str] = field(default_factory=list)
    accepted_lines: list[int] = field(default_factory=list)
    unchanged: int = 0


class FileIngest:
    """Takes one file in."""

    def __init__(
        self,
        catalog: Catalog,
        rejected: RejectedStore,
        clock: Clock,
        *,
        source: str = "jsonl",
        batch_lines: int = BATCH_LINES,
    ) -> None:
        self._catalog = catalog
        self._rejected = rejected
        self._clock = clock
        self._source = source
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
        started = self._clock.monotonic()
        with await to_thread.run_sync(Lines, path) as lines, _fewer_collections():
            report = IngestReport(self._source, lines.file)
            standing = await self._rejected.standing(self._source, lines.file)
            while batch := await to_thread.run_sync(lines.read, self._next_size(limit, lines.last_number)):
                await self._take_in(batch, report, standing)
                report.seconds = self._clock.monotonic() - started
                if on_progress:
                    on_progress(IngestProgress(lines.done_bytes, lines.total_bytes, report.read, report.rejected))
            await self._finish(lines, report, standing, limit)
        report.seconds = self._clock.monotonic() - started
        return report

    def _next_size(self, limit: int | None, read: int) -> int:
        return self._batch_lines if limit is None else min(self._batch_lines, limit - read)

    async def _take_in(self, lines: Sequence[Line], report: IngestReport, standing: Standing) -> None:
        marked = [_mark(line) for line in lines if line.raw.strip()]
        same = await self._catalog.unchanged(self._source, [(m.key, m.fingerprint) for m in marked if m.key])
        batch = await to_thread.run_sync(self._sort, marked, same, report.unknown_fields)
        if report.read == 0 and len(batch.rejections) == len(marked) >= LINES_THAT_TELL:
            first = batch.rejections[0]
            raise InvalidParams("path", f"is not in our jsonl format; line {first.line_number}: {first.reason}")
        outcomes = await self._catalog.import_records(batch.records) if batch.records else []
        changes = standing.changes(batch.rejections, batch.accepted_keys, batch.accepted_lines)
        await self._rejected.write(self._source, report.file, changes)
        standing.apply(changes)
        count = Counter(outcome.change for outcome in outcomes)
        report.read += len(marked)
        report.created += count["created"]
        report.updated += count["updated"]
        report.unchanged += count["unchanged"] + batch.unchanged
        report.rejected += len(batch.rejections)

    def _sort(self, marked: Sequence[_Marked], same: set[tuple[str, int]], unknown: Counter[str]) -> _Sorted:
        batch = _Sorted()
        for mark in marked:
            try:
                parsed = None if (mark.key, mark.fingerprint) in same else _parse(mark.line)
                key = parsed.id if parsed else mark.key
                assert key is not None  # noqa: S101 - only a line with a key is known to be the same
                is_first = self._is_first(key, mark.fingerprint)
            except BadRecord as error:
                batch.rejections.append(Rejection(mark.line.number, str(error), mark.line.raw, mark.key))
                continue
            batch.accepted_keys.append(key)
            batch.accepted_lines.append(mark.line.number)
            if parsed is None or not is_first:
                batch.unchanged += 1
            else:
                batch.records.append(SourceRecord(self._source, parsed.id, parsed.facts, parsed.id, mark.fingerprint))
                _count_names(unknown, parsed)
        return batch

    def _is_first(self, key: str, fingerprint: int) -> bool:
        """Whether the file has not had this record yet.

        Raises:
            BadRecord: It had another with the same id. The first counts: would the last, each run would change
                the title twice.
        """
        standing = self._seen.get(key)
        if standing is None:
            self._seen[key] = fingerprint
        elif standing != fingerprint:
            raise BadRecord("id: stands in an earlier line already, which says something else")
        return standing is None

    async def _finish(self, lines: Lines, report: IngestReport, standing: Standing, limit: int | None) -> None:
        if lines.damage is not None:
            report.complete, report.problem = False, lines.damage
        elif limit is None or lines.last_number < limit:
            changes = standing.beyond(lines.last_number)
            await self._rejected.write(self._source, report.file, changes)


def _mark(line: Line) -> _Marked:
    found = _KEY.match(line.raw)
    return _Marked(line, found[1].decode() if found else None, fingerprint_of(FORMAT_VERSION + line.raw))


def _parse(line: Line) -> ParsedTitle:
    if line.too_long:
        raise BadRecord(f"longer than {MAX_LINE_BYTES} bytes")
    return parse_line(line.raw)


def _count_names(unknown: Counter[str], parsed: ParsedTitle) -> None:
    for name in (name[:100] for name in parsed.unknown_fields):
        if name in unknown or len(unknown) < _MAX_FIELD_NAMES:
            unknown[name] += 1


@contextmanager
def _fewer_collections() -> Iterator[None]:
    """Look for garbage cycles seldom: a batch makes a hundred thousand objects that all stay until its end."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
