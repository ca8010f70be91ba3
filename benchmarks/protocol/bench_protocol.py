"""Tools called and listed over every transport, beside the official SDKs and FastMCP: in the same run, round by round.

`python -m benchmarks.protocol [--cases PATTERN,…] [--servers NAME,…] [--rounds 3] [--seconds 2] [--json FILE]`
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.protocol import report
from benchmarks.protocol.cases import CASES, Bench, Case, bench
from benchmarks.protocol.footprint import cold_start, first_calls, growth_mb, idle_session_kb
from benchmarks.protocol.measurement import Measurement
from benchmarks.protocol.servers import Running, as_installed, install_peers, servers

FOOTPRINTS = ("start", "idle-sse", "idle-http", "growth")
# Left out unless asked for by name.
ONLY_BY_NAME = "MCPServer+uvloop"
IDLE_PEERS = ("ours", "MCPServer")


def main() -> None:
    """Measure, print, and write down what was found."""
    options = _options()
    install_peers()
    wanted = options.servers.split(",") if options.servers else [n for n in servers() if n != ONLY_BY_NAME]
    with TemporaryDirectory() as folder:
        found = _measure_cases(options, wanted, Path(folder))
        footprints = _measure_footprints(options, wanted, Path(folder))
    if options.json:
        options.json.write_text(json.dumps({"cases": found, "footprints": footprints}, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join([*(case.name for case in CASES), *FOOTPRINTS])
    parser.add_argument("--cases", default="*", help=f"which, with * for any: {names}")
    parser.add_argument("--servers", default="", help=f"which: {', '.join(servers())}")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; the median counts")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each measurement takes")
    parser.add_argument("--data-dir", type=Path, help="start ours with this catalogue instead of an empty one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results there")
    return parser.parse_args()


def _chosen(options: argparse.Namespace, name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in options.cases.split(","))


def _measure_cases(options: argparse.Namespace, wanted: Sequence[str], folder: Path) -> dict[str, Any]:
    cases = [case for case in CASES if _chosen(options, case.name)]
    found: dict[str, Any] = {}
    for transport in dict.fromkeys(case.transport for case in cases):
        chosen = [servers()[name] for name in wanted if transport in servers()[name].transports]
        with ExitStack() as stack:
            benches = {s.name: stack.enter_context(bench(Running(s, transport, folder / "data"))) for s in chosen}
            for case in (case for case in cases if case.transport == transport):
                found[case.name] = _measure_case(case, benches, rounds=options.rounds, seconds=options.seconds)
                report.print_case(case, found[case.name])
    return found


def _measure_case(case: Case, benches: dict[str, Bench], *, rounds: int, seconds: float) -> dict[str, Any]:
    """Every server in turn, so that what else the machine does in the meantime meets all of them."""
    taken: dict[str, list[Measurement]] = {name: [] for name in benches}
    for _ in range(rounds):
        for name, one in benches.items():
            taken[name].append(one.measure(case, seconds))
    return {name: _medians([asdict(m) for m in measurements]) for name, measurements in taken.items()}


def _medians(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {key: None if rounds[0][key] is None else median(one[key] for one in rounds) for key in rounds[0]}


def _measure_footprints(options: argparse.Namespace, wanted: Sequence[str], folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if _chosen(options, "start"):
        found["start"] = _measure_start(options, wanted, folder)
        report.print_start(found["start"])
    for name, transport in (("idle-sse", "sse"), ("idle-http", "http")):
        if _chosen(options, name):
            peers = [servers()[peer] for peer in IDLE_PEERS if peer in wanted]
            found[name] = {peer.name: idle_session_kb(peer, transport, folder / "data") for peer in peers}
            report.print_idle(name, found[name])
    if _chosen(options, "growth") and "ours" in wanted:
        found["growth"] = growth_mb(servers()["ours"], folder / "data")
        report.print_growth(*found["growth"])
    return found


def _measure_start(options: argparse.Namespace, wanted: Sequence[str], folder: Path) -> dict[str, Any]:
    chosen = {name: server for name, server in as_installed().items() if name in wanted}
    data_dir, calls = options.data_dir or folder / "data", first_calls(chosen)
    for name, server in chosen.items():  # once for nothing: to compile, and to create an empty catalogue
        cold_start(server, data_dir, calls[name])
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    for _ in range(options.rounds):
        for name, server in chosen.items():
            rounds[name].append(asdict(cold_start(server, data_dir, calls[name])))
    return {name: _medians(starts) for name, starts in rounds.items()}


if __name__ == "__main__":
    main()
