"""`ingest`: take a catalogue in, with progress on a terminal and a report at the end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import anyio
import orjson
import typer

from mcp_gateway.cli.options import ConfigOption, DataDirOption, JsonOption, log_when_asked, settings_from
from mcp_gateway.cli.starting import started
from mcp_gateway.errors import InvalidParams, StartupError, nearest
from mcp_gateway.interfaces import Importers, IngestProgress
from mcp_gateway.settings import Settings

END_SECONDS = 2.0
INTERRUPTED = 130


def ingest(
    source: Annotated[
        str,
        typer.Argument(
            help="What kind of file it is: jsonl, imdb, movielens, tmdb, wikipedia, streaming-availability, or "
            "platform:KEY for the rows of a platform, e.g. platform:netflix."
        ),
    ],
    path: Annotated[Path | None, typer.Argument(help="The file or folder; - reads standard input.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Take in so many records at most.")] = None,
    region: Annotated[
        str | None, typer.Option("--region", help="Country (ISO 3166-1) of offers, where the file does not say.")
    ] = None,
    observed_at: Annotated[
        datetime | None,
        typer.Option(
            "--observed-at",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%z"],
            help="When offers were seen, e.g. 2024-05-01; else it is when the file was written. UTC.",
        ),
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch the official files first, to PATH or the data folder; for imdb.")
    ] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Take a catalogue in. Safe to repeat, and to go on with after it was interrupted."""
    settings = settings_from(config, data_dir)
    log_when_asked(settings.log)
    wanted = _Wanted(source, path, limit, country(region), _moment(observed_at), download)
    if path is None and Path(source).exists():
        raise InvalidParams("source", f"is missing; say what kind of file it is: ingest jsonl {source}")
    if not download:
        _refuse_missing(path)
    report = anyio.run(_until_interrupted, partial(_ingest, settings, wanted, not json))
    typer.echo(orjson.dumps(report).decode() if json else in_words(report))
    if problem := _problem(report):
        raise StartupError(problem)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the command line asks for."""

    source: str
    path: Path | None
    limit: int | None
    region: str | None
    observed_at: datetime | None
    download: bool


async def _until_interrupted(work: Callable[[], Awaitable[Mapping[str, Any]]]) -> Mapping[str, Any]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_cancel_when_interrupted, tasks.cancel_scope)
        report = await work()
        tasks.cancel_scope.cancel()
        return report
    raise KeyboardInterrupt


async def _cancel_when_interrupted(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT) as signals:
        async for _ in signals:
            break
    typer.echo("media-gateway: Interrupted. What came before is kept; run it again to go on.", err=True)
    # A read from a pipe that has nothing cannot be cancelled. An import may be killed at any moment.
    end = threading.Timer(END_SECONDS, os._exit, [INTERRUPTED])
    end.daemon = True
    end.start()
    scope.cancel()


async def _ingest(settings: Settings, wanted: _Wanted, show_progress: bool) -> Mapping[str, Any]:
    source = wanted.source
    # Any plugin may read a platform; but none of the others has to be started for that.
    reads_platform = source.startswith("platform:")
    async with started(settings, only={"ingestion"}, platforms_of_all=reads_platform, one_shot=True) as gateway:
        importers = gateway.provided(Importers)
        if source not in importers.sources:
            known = sorted(importers.sources)
            raise InvalidParams(
                "source", f"{source[:50]!r} is not known", allowed=known, nearest=nearest(source, known)
            )
        path = wanted.path
        if wanted.download:
            with _progress_bar(enabled=show_progress) as on_progress:
                path = await importers.download(source, path, on_progress)
        if path is None:
            raise InvalidParams("path", "is missing")
        with _progress_bar(enabled=show_progress) as on_progress:
            return await importers.ingest(
                source,
                path,
                limit=wanted.limit,
                on_progress=on_progress,
                region=wanted.region,
                observed_at=wanted.observed_at,
            )


def country(region: str | None) -> str | None:
    """A country as it was typed. Raises InvalidParams."""
    if region is None or (len(region) == 2 and region.isascii() and region.isalpha()):
        return region.upper() if region else None
    raise InvalidParams("region", f"{region[:20]!r} is no country like US, ISO 3166-1 alpha-2")


def _moment(given: datetime | None) -> datetime | None:
    if given is None:
        return None
    moment = given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)
    if moment > datetime.now(UTC):
        raise InvalidParams("observed-at", "is in the future")
    return moment


def _refuse_missing(path: Path | None) -> None:
    if path is None:
        raise InvalidParams("path", "is missing; name the file or folder, or - for standard input")
    if path == Path("-"):
        if sys.stdin is None:
            raise InvalidParams("path", "standard input is closed; pipe the file into it, or name the file")
    elif not os.path.exists(path):  # noqa: PTH110 - unlike Path.exists(), False in a folder that may not be entered
        raise InvalidParams("path", f"there is no {path}, or this user cannot see it")


def _problem(report: Mapping[str, Any]) -> str | None:
    if not report["complete"]:
        return f"{report['file']}: {report.get('problem') or 'stopped early'}. What came before is kept."
    if report["read"] and report["rejected"] == report["read"]:
        return f"{report['file']}: nothing in it can be used. See why with: media-gateway call list_rejected_records"
    return None


class _progress_bar:  # noqa: N801 - a context manager, used like a function
    """Calls that draw a bar on a terminal, and do nothing elsewhere."""

    def __init__(self, *, enabled: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.fields[records]:,} titles"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]:,.0f}/s, left"),
            TimeRemainingColumn(),
            console=console,
            disable=not (enabled and console.is_terminal),
        )

    def __enter__(self) -> Any:
        self._bar.start()
        task = self._bar.add_task("", total=None, records=0, rate=0.0)

        def show(progress: IngestProgress) -> None:
            elapsed = self._bar.tasks[0].elapsed or 0
            rate = progress.records / elapsed if elapsed else 0.0
            self._bar.update(task, completed=progress.done, total=progress.total, records=progress.records, rate=rate)

        return show

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()


def in_words(report: Mapping[str, Any]) -> str:
    """The report for people."""
    rate = report["read"] / report["seconds"] if report["seconds"] else 0
    counts = ", ".join(
        f"{report[key]:,} {word}"
        for key, word in (
            ("created", "new"),
            ("updated", "changed"),
            ("unchanged", "as they were"),
            ("rejected", "rejected"),
        )
    )
    lines = [f"{report['read']:,} titles read in {report['seconds']:.1f} s ({rate:,.0f}/s): {counts}."]
    if report.get("replaced"):
        lines.append(f"The {report['replaced']} catalogue gave way to it.")
    if report.get("faulty"):
        lines.append(f"{report['faulty']:,} of them have an offer that cannot be, and were taken in without it.")
    if report["rejected"] or report.get("faulty"):
        lines.append("See why with: media-gateway call list_rejected_records")
    if report.get("offers"):
        lines.append(f"{report['offers']:,} offers are new or different.")
    if report.get("unknown_fields"):
        lines.append(f"Unknown fields were left out: {_counted(report['unknown_fields'])}.")
    if report.get("left_out"):
        lines.append(f"Not taken in: {_counted(report['left_out'])}.")
    return "\n".join(lines)


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in numbers.items())
