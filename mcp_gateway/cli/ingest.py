"""`ingest`: take a catalogue in, with progress on a terminal and a report at the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import anyio
import orjson
import typer

from mcp_gateway.cli.options import ConfigOption, DataDirOption, JsonOption, settings_from
from mcp_gateway.config import Settings
from mcp_gateway.errors import NotFound
from mcp_gateway.gateway import Gateway
from mcp_gateway.interfaces import Importers, IngestProgress
from mcp_gateway.observability.logs import configure


def ingest(
    source: Annotated[str, typer.Argument(help="What kind of file it is, e.g. jsonl.")],
    path: Annotated[Path, typer.Argument(help="The file or folder; - reads standard input.")],
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Take in so many records at most.")] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Take a catalogue in. Safe to repeat, and to go on with after it was interrupted."""
    settings = settings_from(config, data_dir, log={"level": "warning"})
    configure(settings.log)
    report = anyio.run(_ingest, settings, source, path, limit, not json)
    typer.echo(orjson.dumps(report).decode() if json else in_words(report))
    if not report["complete"]:
        raise typer.Exit(1)


async def _ingest(
    settings: Settings, source: str, path: Path, limit: int | None, show_progress: bool
) -> Mapping[str, Any]:
    async with Gateway(settings, only={"ingestion"}).running() as gateway:
        importers = gateway.provided(Importers)
        if source not in importers.sources:
            raise NotFound("source", source, nearest=list(importers.sources))
        with _progress_bar(enabled=show_progress) as on_progress:
            return await importers.ingest(source, path, limit=limit, on_progress=on_progress)


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
    if report["rejected"]:
        lines.append("See why with: media-gateway call list_rejected_records")
    if report.get("unknown_fields"):
        names = ", ".join(f"{name} ({count:,})" for name, count in report["unknown_fields"].items())
        lines.append(f"Unknown fields were left out: {names}.")
    if not report["complete"]:
        lines.append(f"Not complete: {report.get('problem') or 'stopped early'}. What came before is kept.")
    return "\n".join(lines)
