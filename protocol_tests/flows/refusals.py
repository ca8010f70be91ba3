"""What a command that is refused may print, and what its database looks like afterwards."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

SECRET = "hunter2-hunter2"
DATABASE = "media-gateway.sqlite3"


def told(done: subprocess.CompletedProcess[str], code: int) -> str:
    """What a command that failed prints: one or two lines, and nothing that is nobody's business."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    lines = done.stderr.splitlines()
    assert 1 <= len(lines) <= 2, done.stderr
    assert all(line.startswith("media-gateway: ") for line in lines), done.stderr
    assert not [word for word in (SECRET, "Traceback", "SELECT", "INSERT", "errno") if word in done.stderr]
    return done.stderr


def at_once(calls: Iterable[Callable[[], T]]) -> list[T]:
    """The results of commands that run side by side: most of their time is Python's start."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def whole(folder: Path) -> bool:
    """Whether the database opens and is not damaged."""
    return ask(folder, "PRAGMA integrity_check") == [("ok",)]


def ask(folder: Path, statement: str) -> list[tuple[object, ...]]:
    """The rows that the database of a data folder answers with."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        return connection.execute(statement).fetchall()


def films(count: int) -> str:
    """Lines of a catalogue, half a kilobyte each."""
    plot = "A long story of things that happen. " * 10
    rows = (
        {"id": f"film{n}", "type": "movie", "title": f"Film {n}", "year": 2000, "overview": plot} for n in range(count)
    )
    return "".join(json.dumps(row) + "\n" for row in rows)


def written(path: Path, content: str | bytes) -> Path:
    """A file with this content."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
