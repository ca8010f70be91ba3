"""How long a client waits for `search_titles` over standard input and output, by the clock on the wall.

Run with `python -m benchmarks.search.bench_stdio [--data-dir FOLDER] [--sample 0]`. A gateway runs as another process
over the real catalogue, with all plugins. One question is in flight at a time, each asked once; a time is from
writing the request until the whole answer has come. Other work on the machine counts too, so leave it alone meanwhile.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, sleep
from typing import Any

import anyio
import psutil

from benchmarks.protocol.pipe import PipeClient
from benchmarks.protocol.servers import Running, Server

from .bench_accuracy import DATA, opened, questions_of

SETS = (
    "exact_titles", "alternative_titles", "title_and_year", "title_typos", "real_misspellings", "person_typos",
    "nl_facets", "mit_slots", "mit_answerable",
)  # fmt: skip
BAR_MS = 5.0
# Of a core; what polling takes is less.
IDLE_SHARE = 0.1
LIMIT = 10
# Loads what is loaded on demand.
WARM_UP = ("dune", "a typnig eror", "90s action movies with keanu reeves", "christopher nolan", "the")

OURS = Server(
    "ours",
    frozenset({"stdio"}),
    lambda _transport, _port, folder: [sys.executable, "-m", "mcp_gateway.main", "serve", "--data-dir", folder],
)


class Asking:
    """Asks `search_titles` of a running gateway."""

    def __init__(self, client: PipeClient) -> None:
        self._client = client
        self._ids = itertools.count(2)

    def ask(self, query: str) -> tuple[float, dict[str, Any]]:
        """Milliseconds until the answer was there, and the answer."""
        arguments = {"query": query, "limit": LIMIT}
        params = {"name": "search_titles", "arguments": arguments}
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": "tools/call", "params": params}
        line = json.dumps(request).encode()
        start = perf_counter()
        told = self._client.ask(line)
        taken = (perf_counter() - start) * 1e3
        answer: dict[str, Any] = json.loads(told)
        assert not answer["result"].get("isError"), answer
        return taken, answer["result"]["structuredContent"]


def run(data_dir: Path, sample: int) -> bool:
    """Ask all sets and print the table; whether the bar was met."""
    questions = {name: [str(one["query"]) for one in questions_of(name, sample)] for name in SETS}
    with Running(OURS, "stdio", data_dir) as running:
        running.place(apart=False)
        asking = Asking(PipeClient(running))
        for query in WARM_UP:
            asking.ask(query)
        _settle(running)
        gc.freeze()
        before, ours_before, started = _busy_seconds(), _ours_seconds(running), perf_counter()
        print(f"{'set':20} {'asked':>5} {'p50 ms':>7} {'p99':>6} {'most':>6}")
        every = [taken for name in SETS for taken in _set(asking, name, questions[name])]
        seconds, ours = perf_counter() - started, _ours_seconds(running) - ours_before
        _line("all", every)
        others = max(0.0, _busy_seconds() - before - ours) / seconds
        print(f"busy processors meanwhile: {ours / seconds:.2f} with this, {others:.2f} with other work")
    met = _percentile(every, 99) <= BAR_MS
    print(f"bar: p99 <= {BAR_MS:g} ms: {'met' if met else 'MISSED'}")
    return met


def _settle(running: Running) -> None:
    """Wait until the gateway has nothing else to do: what it derives after an import takes a core for a minute."""
    before = running.cpu_seconds()
    while True:
        sleep(1.0)
        now = running.cpu_seconds()
        if now - before < IDLE_SHARE:
            return
        before = now


def _busy_seconds() -> float:
    """Of all processors, since the machine started."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def _ours_seconds(running: Running) -> float:
    return running.cpu_seconds() + process_time()


def _set(asking: Asking, name: str, queries: Sequence[str]) -> list[float]:
    taken = [asking.ask(query)[0] for query in queries]
    _line(name, taken)
    return taken


def _line(name: str, taken: Sequence[float]) -> None:
    p50, p99 = _percentile(taken, 50), _percentile(taken, 99)
    print(f"{name:20} {len(taken):5} {p50:7.2f} {p99:6.2f} {max(taken):6.2f}", flush=True)


def _percentile(taken: Sequence[float], part: int) -> float:
    return sorted(taken)[min(len(taken) - 1, len(taken) * part // 100)]


async def prepare(data_dir: Path) -> None:
    """Take the catalogue in and build the index, unless that was done."""
    async with opened(data_dir):
        pass


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, help="where a catalogue has been taken in, or is to be")
    parser.add_argument("--sample", type=int, default=400, help="questions a set; 0 for all")
    asked = parser.parse_args()
    if not DATA.is_dir():
        print("needs the real catalogue and the query sets of ../shared/data")
        return 0
    with TemporaryDirectory() as folder:
        data_dir = asked.data_dir or Path(folder)
        anyio.run(prepare, data_dir)
        return 0 if run(data_dir, asked.sample) else 1


if __name__ == "__main__":
    sys.exit(main())
