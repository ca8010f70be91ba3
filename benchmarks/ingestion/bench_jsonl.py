"""How fast a whole catalogue goes into SQLite, beside a plain `executemany` of the very rows that it becomes.

Run with `python -m benchmarks.ingestion.bench_jsonl [FILE] [--limit N]`. Each step is a process of its own, so that its
peak memory is its own too. The baseline knows all rows beforehand: it parses nothing, looks nothing up, and commits
once, or as often as the import.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time
from types import SimpleNamespace
from typing import Any

from mcp_gateway_ingestion import plugin
from mcp_gateway_ingestion.importing import FileImporters
from mcp_gateway_ingestion.pipeline import BATCH_LINES
from mcp_gateway_ingestion.settings import IngestionSettings
from mcp_gateway_ingestion.store import RejectedStore

from mcp_gateway.catalog.store import Catalog
from mcp_gateway.clock import SystemClock
from mcp_gateway.storage.engine import open_database
from mcp_gateway.storage.migrations import CORE_BRANCH, migrate

DATA = Path(__file__).resolve().parents[3] / "shared/data/catalogue.jsonl.gz"
PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32768; PRAGMA wal_autocheckpoint=4000"

# In the order in which the import wrote them, which for all but the titles themselves is not that of their keys.
ROWS = {
    "titles": "SELECT * FROM titles ORDER BY rowid",
    "people": "SELECT p.* FROM people p JOIN title_people l ON l.person_id = p.id"
    " JOIN titles t ON t.id = l.title_id GROUP BY p.id ORDER BY min(t.rowid)",
    "title_people": "SELECT l.* FROM titles t CROSS JOIN title_people l ON l.title_id = t.id ORDER BY t.rowid",
    "external_ids": "SELECT e.* FROM titles t CROSS JOIN external_ids e ON e.title_id = t.id ORDER BY t.rowid",
    "title_sources": "SELECT s.* FROM titles t CROSS JOIN title_sources s ON s.title_id = t.id ORDER BY t.rowid",
    "outbox": "SELECT * FROM outbox ORDER BY id",
}


def main() -> None:
    """Measure and print, or run one of the steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=DATA)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--step", choices=["import", "executemany"], help=argparse.SUPPRESS)
    parser.add_argument("--database", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--commits", type=int, default=1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step == "import":
        print(json.dumps(asyncio.run(take_in(given.database, given.file, given.limit))))
    elif given.step == "executemany":
        print(json.dumps(insert_plainly(given.database, given.commits)))
    elif not given.file.is_file():
        print(f"skipped: there is no catalogue at {given.file}")
    else:
        measure(given.file, given.limit)


def measure(file: Path, limit: int | None) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "gateway.sqlite3"
        limits = ["--limit", str(limit)] if limit else []
        first = _step("import", database, str(file), *limits)
        second = _step("import", database, str(file), *limits)
        _make_links_searchable(database)
        once = _step("executemany", database)
        often = _step("executemany", database, "--commits", str(-(-first["titles"] // BATCH_LINES)))
    print(f"{'':34}{'titles':>9}{'seconds':>9}{'titles/s':>10}{'CPU s':>8}{'peak MB':>9}{'of baseline':>13}")
    for name, found in (
        ("executemany, one transaction", once),
        (f"executemany, {BATCH_LINES} titles each", often),
        ("import", first),
        ("import again, nothing changed", second),
    ):
        rate = first["titles"] / found["seconds"]
        print(
            f"{name:34}{first['titles']:>9,}{found['seconds']:>9.2f}{rate:>10,.0f}{found['cpu']:>8.2f}"
            f"{found['peak_mb']:>9.0f}{once['seconds'] / found['seconds']:>12.0%}"
        )


async def take_in(database: Path, file: Path, limit: int | None) -> dict[str, float]:
    """Take a file in."""
    async with open_database(f"sqlite:///{database}") as db:
        await migrate(db, {**dict([CORE_BRANCH]), "ingestion": plugin.register_migrations()})
        services: Any = SimpleNamespace(db=db, clock=SystemClock())
        importers = FileImporters(
            Catalog(db, SystemClock()),
            RejectedStore(services),
            SystemClock(),
            platforms={},
            settings=IngestionSettings(),
            replaces=None,
        )
        with _Measured() as found:
            report = await importers.ingest("jsonl", file, limit=limit, on_progress=lambda _: None)
    return {**found.values, "titles": report["read"]}


def insert_plainly(database: Path, commits: int) -> dict[str, float]:
    """Insert the rows of a database into an empty one with the same tables and indexes."""
    target = database.with_name("plain.sqlite3")
    target.unlink(missing_ok=True)
    source, plain = sqlite3.connect(database), sqlite3.connect(target)
    plain.executescript(PRAGMAS)
    for (statement,) in source.execute(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    ):
        if "links_of_titles" not in statement and "ids_of_titles" not in statement:
            plain.execute(statement)
    rows = {table: source.execute(query).fetchall() for table, query in ROWS.items()}
    with _Measured() as found:
        for part in range(commits):
            for table, all_rows in rows.items():
                _executemany(plain, table, _part(all_rows, part, commits))
            plain.commit()
    assert all(plain.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == len(r) for table, r in rows.items())
    return found.values


def _executemany(plain: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        plain.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)


def _part(rows: Sequence[tuple[Any, ...]], part: int, parts: int) -> Sequence[tuple[Any, ...]]:
    return rows[len(rows) * part // parts : len(rows) * (part + 1) // parts]


def _make_links_searchable(database: Path) -> None:
    """Indexes by which the rows can be read in the order of the titles; the baseline does without."""
    with sqlite3.connect(database) as source:
        source.execute("CREATE INDEX links_of_titles ON title_people (title_id)")
        source.execute("CREATE INDEX ids_of_titles ON external_ids (title_id)")


class _Measured:
    """Seconds, CPU seconds and peak memory of a block."""

    values: dict[str, float]

    def __enter__(self) -> _Measured:
        self._started = perf_counter(), process_time()
        return self

    def __exit__(self, *_: object) -> None:
        peak = (
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        )
        self.values = {
            "seconds": perf_counter() - self._started[0],
            "cpu": process_time() - self._started[1],
            "peak_mb": peak / 1024,
        }


def _step(step: str, database: Path, *arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.ingestion.bench_jsonl", "--step", step, "--database", str(database)]
    done = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


if __name__ == "__main__":
    main()
