"""Gateways to be mistreated, with little beside the fixture plugins, and how much memory they take."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from protocol_tests.gateways import COMMAND, ROOT, HttpGateway, environment, http_gateway

PLUGINS = ROOT / "fixtures"
# Whatever a fuzzed message makes a tool do is over soon.
SETTINGS = {
    "MEDIA_GATEWAY_GATEWAY__DISABLED": "ingestion,search,suggest",
    "MEDIA_GATEWAY_GATEWAY__CALL_SECONDS": "1",
    "MEDIA_GATEWAY_MCP__ASK_SECONDS": "1",
    "MEDIA_GATEWAY_LIMITS__CALLS_PER_MINUTE": "100000000",
    "MEDIA_GATEWAY_LOG__LEVEL": "warning",
    # Connections wait while the messages are made, on a busy machine for long.
    "MEDIA_GATEWAY_HTTP__HEADER_SECONDS": "60",
}


def over_http(folder: Path, plugins: Path = PLUGINS, **settings: str) -> AbstractContextManager[HttpGateway]:
    """One that listens."""
    return http_gateway(folder / "data", ["--plugins-dir", str(plugins)], **{**SETTINGS, **settings})


@contextmanager
def over_stdio(folder: Path, plugins: Path = PLUGINS, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """One that reads its standard input. Its log goes to the file `log` in the folder."""
    command = [COMMAND, "serve", "--plugins-dir", str(plugins), "--data-dir", str(folder / "data")]
    pipe = subprocess.PIPE
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command, env=environment(**{**SETTINGS, **settings}), stdin=pipe, stdout=pipe, stderr=log, bufsize=0
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def memory_mb(pid: int) -> float:
    """What a process holds in memory now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6
