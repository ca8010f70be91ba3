"""Takes a file of titles in: batch by batch, each whole or not at all.

There is no note of how far a run came. The catalogue knows the fingerprint of every record it has, so a run after one
that was killed passes over what is there already without even parsing it, and ends where an undisturbed one does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio import create_memory_object_stream, create_task_group, to_thread
from anyio.streams.memory import MemoryObjectSendStream

from mcp_gateway.api import Clock, IngestProgress, InvalidParams
from mcp_gateway.catalog.store import Catalog

from .garbage import fewer_collections
from .lines import Line, RecordFile
from .rejects import Standing
from .store import RejectedStore
from .taking import MAX_FIELD_NAMES, Taken, Taker

BATCH_LINES = 4000
"""Each batch is a transaction: larger ones write the same pages less often, but hold up other writers longer."""

LINES_THAT_TELL = 100
"""So many lines without a single title are no catalogue."""

PREPARING_SECONDS = 0.5
"""How often to say how far the preparation of a file is."""


@dataclass(slots=True)
class IngestReport:
    """What an import did.

    Attributes:
        file: The file's name.
        read: Records read, empty lines left out.
        created, updated, unchanged: Titles; a record may speak of several.
        faulty: Records that were taken in but for an offer that could not be used.
        offers: Offers that are new, different or gone.
        unknown_fields: Names that the format does not have and values that were not understood, with how often.
        left_out: Records that are not meant to be taken in, by what they are.
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
    faulty: int = 0
    offers: int = 0
    unknown_fields: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    complete: bool = True
    problem: str | None = None
    replaced: str | None = None

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.read / self.seconds if self.seconds else 0.0

    def count(self, lines: int, taken: Taken) -> None:
        """Add a batch."""
        self.read += lines
        self.created += taken.changes["created"]
        self.updated += taken.changes["updated"]
        self.unchanged += taken.changes["unchanged"]
        self.rejected += len(taken.rejections)
        self.faulty += len(taken.faults)
        self.offers += taken.offers
        self.left_out += taken.left_out
        for name, number in taken.unknown.items():
            if name in self.unknown_fields or len(self.unknown_fields) < MAX_FIELD_NAMES:
                self.unknown_fields[name] += number

    def plus(self, other: IngestReport) -> IngestReport:
        """This report and that of one more file that is taken in with it."""
        counts = ("read", "created", "updated", "unchanged", "rejected", "faulty", "offers", "seconds")
        return IngestReport(
            self.source,
            self.file,
            **{name: getattr(self, name) + getattr(other, name) for name in counts},
            unknown_fields=self.unknown_fields + other.unknown_fields,
            left_out=self.left_out + other.left_out,
            complete=self.complete and other.complete,
            problem=self.problem or other.problem,
            replaced=self.replaced or other.replaced,
        )

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
            "faulty": self.faulty,
            "offers": self.offers,
            "unknown_fields": dict(sorted(self.unknown_fields.items())),
            "left_out": dict(sorted(self.left_out.items())),
            "seconds": round(self.seconds, 3),
            "rate": round(self.rate, 1),
            "complete": self.complete,
            "problem": self.problem,
            "replaced": self.replaced,
        }


@dataclass(frozen=True, slots=True)
class _Batch:
    """Lines, made ready, and how many bytes of the file that took."""

    lines: int
    ready: Any
    done_bytes: int


class FileIngest:
    """Takes one file in, once.

    Args:
        source: Whose records these are.
        taker: Takes a batch in.
        about: What the file should be in, for the message when it is not: `our jsonl format`.
        replaces: A source that gives way when the catalogue has nothing else.
    """

    def __init__(
        self,
        catalog: Catalog,
        rejected: RejectedStore,
        clock: Clock,
        *,
        source: str,
        taker: Taker[Any],
        about: str,
        replaces: str | None = None,
        batch_lines: int = BATCH_LINES,
    ) -> None:
        self._catalog = catalog
        self._rejected = rejected
        self._clock = clock
        self._source = source
        self._taker = taker
        self._about = about
        self._replaces = replaces
        self._batch_lines = batch_lines

    async def run(
        self,
        path: Path,
        open_file: Callable[[Path], RecordFile],
        *,
        limit: int | None = None,
        on_progress: Callable[[IngestProgress], None] | None = None,
    ) -> IngestReport:
        """Take a file in; running it again goes on, or changes nothing.

        Args:
            path: The file or folder; `-` is standard input.
            open_file: Opens it.
            limit: Records to read at most.
            on_progress: Called after each batch.

        Raises:
            Unavailable: The file cannot be read, or the database is away.
            InvalidParams: The file is no catalogue.
        """
        file = await to_thread.run_sync(open_file, path)
        try:
            with fewer_collections():
                return await self._run(file, place_of(path, file), limit, on_progress or (lambda _: None))
        except ExceptionGroup as group:  # of the two tasks, the one that failed first
            raise _first(group) from None
        finally:
            file.close()

    async def _run(
        self, file: RecordFile, place: str, limit: int | None, on_progress: Callable[[IngestProgress], None]
    ) -> IngestReport:
        started = self._clock.monotonic()
        report = IngestReport(self._source, file.file)
        await _prepare(file, on_progress)
        standing = await self._rejected.standing(self._source, place)
        send, receive = create_memory_object_stream[_Batch](1)
        async with create_task_group() as tasks, receive:
            tasks.start_soon(self._read, file, limit, send)
            async for batch in receive:
                await self._take_in(batch, report, standing)
                report.seconds = self._clock.monotonic() - started
                on_progress(IngestProgress(batch.done_bytes, file.total_bytes, report.read, report.rejected))
        report.left_out.update(file.left_out)
        await self._finish(file, report, standing, limit)
        report.seconds = self._clock.monotonic() - started
        return report

    async def _read(self, file: RecordFile, limit: int | None, send: MemoryObjectSendStream[_Batch]) -> None:
        """Read ahead: while a batch is written, the next is made ready."""
        read = 0
        async with send:
            while lines := await to_thread.run_sync(file.read, self._next_size(limit, read)):
                read += len(lines)
                given = [line for line in lines if not _is_blank(line)]
                await send.send(_Batch(len(given), await self._taker.ready(given), file.done_bytes))

    def _next_size(self, limit: int | None, read: int) -> int:
        return self._batch_lines if limit is None else min(self._batch_lines, limit - read)

    async def _take_in(self, batch: _Batch, report: IngestReport, standing: Standing) -> None:
        async def make_way() -> None:
            source, self._replaces = self._replaces, None
            if source is not None and await self._catalog.make_way(source):
                report.replaced = source

        taken = await self._taker.take(batch.ready, make_way)
        if report.read == 0 and len(taken.rejections) == batch.lines >= LINES_THAT_TELL:
            first = taken.rejections[0]
            raise InvalidParams("path", f"is not in {self._about}; line {first.line_number}: {first.reason}")
        kept = [*taken.rejections, *taken.faults]
        changes = standing.changes(kept, taken.accepted_keys, taken.accepted_lines)
        await self._rejected.write(self._source, standing.file, changes)
        standing.apply(changes)
        report.count(batch.lines, taken)

    async def _finish(self, file: RecordFile, report: IngestReport, standing: Standing, limit: int | None) -> None:
        if file.damage is not None:
            report.complete, report.problem = False, file.damage
        elif limit is None or report.read < limit:
            changes = standing.beyond(file.last_number)
            await self._rejected.write(self._source, standing.file, changes)


def place_of(path: Path, file: RecordFile) -> str:
    """What tells a file from others of its name, and says nothing of the machine: its folder's name and its own."""
    if not path.name:
        return file.file
    return "/".join(part for part in (path.resolve().parent.name, file.file) if part)


def _is_blank(line: Line) -> bool:
    return line.fault is None and not line.raw.strip()


async def _prepare(file: RecordFile, on_progress: Callable[[IngestProgress], None]) -> None:
    async def tell() -> None:
        while True:
            await anyio.sleep(PREPARING_SECONDS)
            on_progress(IngestProgress(file.done_bytes, file.total_bytes, 0, 0))

    async with create_task_group() as tasks:
        tasks.start_soon(tell)
        await to_thread.run_sync(file.prepare)
        tasks.cancel_scope.cancel()


def _first(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
