"""How fast a dump in the shape of IMDb's seven files goes into SQLite, and in how much memory.

Run with `python -m benchmarks.ingestion.bench_imdb [--titles 1000000] [--kill]`. The dump is invented. `--kill` ends
the import in the middle without warning, runs it again, and compares the catalogue with that of an undisturbed run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from mcp_gateway_ingestion.tests.synthetic_imdb import write

SETTINGS = {"MEDIA_GATEWAY_PLUGINS__INGESTION__STARTER": "false"}
COMPARED = {
    "titles": "id, kind, name, year, parent_id, season_number, episode_number, ratings, revision",
    "title_people": "*",
    "external_ids": "*",
    "title_sources": "source, key, title_id, fingerprint",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--titles", type=int, default=1_000_000)
    parser.add_argument("--kill", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write(folder / "dump", given.titles)
        print(f"{'':24}{'titles':>10}{'seconds':>9}{'titles/s':>10}{'CPU s':>8}{'peak MB':>9}")
        _show("import", _measured(folder, "whole"))
        _show("again, nothing changed", _measured(folder, "whole"))
        if given.kill:
            _kill(folder, at_titles=given.titles // 2)
            _show("after a kill half-way", _measured(folder, "killed"))
            same = _digest(folder / "whole") == _digest(folder / "killed")
            print(f"the catalogue after the kill is {'the same' if same else 'ANOTHER'}")


def _measured(folder: Path, name: str) -> dict[str, Any]:
    """Take the dump in, in a process of its own."""
    started = monotonic()
    process = _import(folder, name)
    assert process.stdout
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit("the import failed")
    cpu = usage.ru_utime + usage.ru_stime
    return {**json.loads(output), "seconds": monotonic() - started, "cpu": cpu, "peak_mb": usage.ru_maxrss / 1024}


def _kill(folder: Path, *, at_titles: int) -> None:
    """End an import when it has written so many titles, in the middle of whatever it does."""
    process = _import(folder, "killed")
    threading.Thread(target=process.communicate, daemon=True).start()
    while process.poll() is None and _count(folder / "killed") < at_titles:
        sleep(0.5)
    process.kill()
    process.wait()


def _import(folder: Path, name: str) -> subprocess.Popen[bytes]:
    gateway = Path(sys.executable).with_name("media-gateway")
    command = [str(gateway), "ingest", "imdb", str(folder / "dump"), "--json", "--data-dir", str(folder / name)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **SETTINGS})


def _count(data: Path) -> int:
    file = data / "media-gateway.sqlite3"
    if not file.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as conn:
            return int(conn.execute("SELECT coalesce(max(rowid), 0) FROM titles").fetchone()[0])
    except sqlite3.OperationalError:  # its tables are not made yet
        return 0


def _digest(data: Path) -> str:
    """What the catalogue says, whatever the order of its rows."""
    found = hashlib.blake2b()
    with sqlite3.connect(f"file:{data / 'media-gateway.sqlite3'}?mode=ro", uri=True) as conn:
        for table, columns in COMPARED.items():
            count = len(conn.execute(f"SELECT {columns} FROM {table} LIMIT 1").description)
            order = ", ".join(map(str, range(1, count + 1)))
            for row in conn.execute(f"SELECT {columns} FROM {table} ORDER BY {order}"):
                found.update(repr(row).encode())
    return found.hexdigest()


def _show(name: str, found: dict[str, Any]) -> None:
    rate = found["read"] / found["seconds"]
    print(
        f"{name:24}{found['read']:>10,}{found['seconds']:>9.1f}{rate:>10,.0f}{found['cpu']:>8.1f}{found['peak_mb']:>9.0f}"
    )


if __name__ == "__main__":
    main()
