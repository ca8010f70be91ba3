"""Gateways as users run them: the installed command, as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue

ROOT = Path(__file__).resolve().parents[1]
COMMAND = str(Path(sys.executable).with_name("media-gateway"))
READY_SECONDS = 60.0

# Root reads and writes everything. Without these powers permissions count for it as for everybody; another user could
# not be used, because the libraries may lie where only root can read.
_POWERS = "-dac_override,-dac_read_search,-net_bind_service"
WITHOUT_PRIVILEGES = ("setpriv", f"--bounding-set={_POWERS}") if os.geteuid() == 0 else ()


@dataclass
class HttpGateway:
    """A gateway that listens on a free port."""

    url: str
    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)


# What `make test` hands down would make a `make` that is tested say more than it does by itself.
FOREIGN = ("MEDIA_GATEWAY_", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")


def environment(**more: str) -> dict[str, str]:
    """The environment of a gateway under test: nobody's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, **more}


def run(
    *arguments: str, data_dir: Path, under: Sequence[str] = (), given: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end.

    Args:
        under: What runs it, e.g. `WITHOUT_PRIVILEGES`.
        given: Its standard input.
        more: Variables.
    """
    return subprocess.run(
        [*under, COMMAND, *arguments],
        env=environment(MEDIA_GATEWAY_DATA_DIR=str(data_dir), **more),
        cwd=data_dir.parent,
        input=given,
        capture_output=True,
        text=True,
        timeout=READY_SECONDS,
        check=False,
    )


@contextmanager
def http_gateway(data_dir: Path, arguments: Sequence[str] = (), **more: str) -> Iterator[HttpGateway]:
    """Serve over HTTP until the block is left; the address is read off what the command prints."""
    process = subprocess.Popen(
        [COMMAND, "serve", "--transport", "http", "--port", "0", "--data-dir", str(data_dir), *arguments],
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: Queue[str] = Queue()
    log: list[str] = []
    threads = [
        threading.Thread(target=_drain, args=(process.stdout, lines.put), daemon=True),
        threading.Thread(target=_drain, args=(process.stderr, log.append), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield HttpGateway(_address(lines, log), process, log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for thread in threads:
            thread.join(timeout=5)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _drain(stream: Iterator[str], take: object) -> None:
    for line in stream:
        if callable(take):
            take(line)


def _address(lines: Queue[str], log: list[str]) -> str:
    while True:
        try:
            line = lines.get(timeout=READY_SECONDS)
        except Empty:
            raise AssertionError("the gateway did not start:\n" + "".join(log)) from None
        if found := re.search(r"listens on (http://\S+)", line):
            return found[1]
