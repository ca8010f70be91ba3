"""The servers that are measured, each as a process of its own, started as its documentation says."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"
INSTALLED = HERE.parents[1] / ".cache/benchmarks"
PLUGINS = HERE / "plugins"
START_SECONDS = 60.0

_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@dataclass(frozen=True, slots=True)
class Server:
    """A server that can be started.

    Attributes:
        transports: What it is measured over: `stdio`, `sse`, `http` (sessions with a handshake), `modern` (2026-07-28).
        command: What starts it, of transport, port and data folder.
        sse_path: Where its stream of events is.
    """

    name: str
    transports: frozenset[str]
    command: Callable[[str, int, Path], Sequence[str | Path]]
    sse_path: str = "/sse"


class Running:
    """A server process. A context manager that ends it."""

    def __init__(self, server: Server, transport: str, data_dir: Path) -> None:
        self.server = server
        self.transport = transport
        self.port = 0 if transport == "stdio" else _free_port()
        pipe = subprocess.PIPE if transport == "stdio" else subprocess.DEVNULL
        self.process = subprocess.Popen(
            [*server.command(transport, self.port, data_dir)],
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            bufsize=0,
        )
        if self.port:
            self._wait_until_listening()

    def cpu_seconds(self) -> float:
        """Processor time it has used, its children included."""
        times = (process.cpu_times() for process in self._family())
        return float(sum(t.user + t.system + t.children_user + t.children_system for t in times))

    def memory_bytes(self) -> int:
        """Memory that is resident, its children's included."""
        return int(sum(process.memory_info().rss for process in self._family()))

    def place(self, *, apart: bool) -> None:
        """Say where it runs: on a core of its own, with ours left to the client, or wherever the system puts both.

        Apart, they do not take time from each other. But then every message wakes another core, which takes longer
        than a whole answer; a client with one request in flight would measure that.
        """
        if len(_CORES) < 2:
            return
        server, client = ({_CORES[0]}, {_CORES[1]}) if apart else (set(_CORES), set(_CORES))
        os.sched_setaffinity(0, client)
        for process in self._family():
            for thread in process.threads():
                with suppress(OSError):  # it has ended meanwhile
                    os.sched_setaffinity(thread.id, server)

    def _family(self) -> list[psutil.Process]:
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    def _wait_until_listening(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.01)
        self.close()
        raise RuntimeError(f"{self.server.name} does not listen")

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _environment() -> dict[str, str]:
    """Ours, with what the tools of ours need. Installed programs are compiled, so nothing may keep Python from that."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "BENCHMARK_TOOLS": str(PLUGINS / "benchmark_tools")}


def install_peers() -> None:
    """Install the others, unless they are there."""
    subprocess.run(["sh", PEERS / "install.sh"], check=True, stderr=subprocess.DEVNULL)


def servers() -> dict[str, Server]:
    """All that can be measured here, ours first: it loads all its plugins, and offers what the others have."""
    python = frozenset({"stdio", "sse", "http", "modern"})
    found = [
        Server("ours", python, _ours),
        Server("MCPServer", python, _python("sdk", "sdk.py", "all")),
        Server("FastMCP", python, _python("fastmcp", "fastmcp_server.py", "all")),
    ]
    if shutil.which("node") and (INSTALLED / "typescript/node_modules").is_dir():
        found.append(Server("TypeScript 1", frozenset({"stdio", "sse", "http"}), _node("v1.mjs")))
        found.append(Server("TypeScript 2", frozenset({"stdio", "modern"}), _node("v2.mjs")))
    # As if `pip install uvloop httptools` had been done for it, which its package does not ask for.
    found.append(Server("MCPServer+uvloop", python, _with_uvloop))
    return {server.name: server for server in found}


def as_installed() -> dict[str, Server]:
    """Ours with what it brings, all of it offered; the Python peers with a single tool, which start fastest so."""
    stdio = frozenset({"stdio"})
    return {
        "ours": Server("ours", stdio, lambda _, __, data_dir: [*_gateway(data_dir), "--profile", "full"]),
        "MCPServer": Server("MCPServer", stdio, _python("sdk", "sdk.py", "echo")),
        "FastMCP": Server("FastMCP", stdio, _python("fastmcp", "fastmcp_server.py", "echo")),
    }


def _ours(transport: str, port: int, data_dir: Path) -> Sequence[str | Path]:
    http = ["--transport", "http", "--port", str(port)] if port else []
    return [*_gateway(data_dir), *http, "--plugins-dir", PLUGINS, "--profile", "benchmark_tools"]


def _gateway(data_dir: Path) -> Sequence[str | Path]:
    return [Path(sys.executable).with_name("media-gateway"), "serve", "--data-dir", data_dir]


def _python(venv: str, script: str, tools: str) -> Callable[[str, int, Path], Sequence[str | Path]]:
    python = INSTALLED / venv / "bin/python"
    return lambda transport, port, _: [python, PEERS / "python" / script, _served(transport), str(port), tools]


def _with_uvloop(transport: str, port: int, data_dir: Path) -> Sequence[str | Path]:
    return [sys.executable, PEERS / "python/sdk.py", _served(transport), str(port), "all"]


def _node(script: str) -> Callable[[str, int, Path], Sequence[str | Path]]:
    return lambda transport, port, _: ["node", INSTALLED / "typescript" / script, _served(transport), str(port)]


def _served(transport: str) -> str:
    """2026-07-28 is served at the same place as the revisions with sessions."""
    return "http" if transport == "modern" else transport


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
