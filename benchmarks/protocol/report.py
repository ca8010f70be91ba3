"""What was found, in words and ratios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.protocol.cases import Case
from benchmarks.protocol.footprint import FEW_CALLS, MANY_CALLS

BASELINE = "MCPServer"
# From here on it is rather the client that was measured.
BUSY = 0.9
_HEADINGS = f"{'calls/s':>9}{'ratio':>8}{'p50 ms':>9}{'p99 ms':>9}{'ratio':>8}{'cpu us':>9}{'ratio':>8}{'client':>8}"


def print_case(case: Case, found: Mapping[str, Mapping[str, Any]]) -> None:
    """A line for each server, with ratios to the baseline."""
    base, ours = found.get(BASELINE), found.get("ours")
    verdict = f"  must {case.must:g} x, aim {case.aim:g} x"
    if base and ours:
        ratio = ours["calls_per_second"] / base["calls_per_second"]
        reached = "aim" if ratio >= case.aim else "must" if ratio >= case.must else "MISSED"
        verdict += f": {reached}"
    print(f"\n{case.name}{verdict}", flush=True)
    print(f"  {'':17}{_HEADINGS}")
    for name, one in found.items():
        print(f"  {name:17}{_row(one, base)}", flush=True)


def print_start(found: Mapping[str, Mapping[str, float]]) -> None:
    """Times from spawning to the first answers, and memory after the handshake and after the first answer."""
    print("\nstart, ours with all plugins, the others with one tool; first answer of ours <= 0.6 x FastMCP's")
    for name, one in found.items():
        print(
            f"  {name:17}initialize {one['initialize_ms']:6.0f} ms{_of(one, found, BASELINE, 'initialize_ms')}, "
            f"first answer {one['first_answer_ms']:6.0f} ms{_of(one, found, 'FastMCP', 'first_answer_ms')}, "
            f"memory {one['started_mb']:5.1f} MB{_of(one, found, 'FastMCP', 'started_mb')}, "
            f"then {one['memory_mb']:5.1f} MB{_of(one, found, 'FastMCP', 'memory_mb')}",
            flush=True,
        )


def print_idle(name: str, found: Mapping[str, float]) -> None:
    """Memory of a session."""
    base = found.get(BASELINE)
    shown = (f"{server} {kb:.1f} KB" + (f" ({kb / base:.2f} x)" if base else "") for server, kb in found.items())
    print(f"\n{name}, memory of a session: {', '.join(shown)}", flush=True)


def print_growth(few: float, many: float) -> None:
    """Memory after few calls and after many."""
    print(f"\ngrowth: {few:.1f} MB after {FEW_CALLS:,} calls, {many:.1f} MB after {MANY_CALLS:,}", flush=True)


def _row(one: Mapping[str, Any], base: Mapping[str, Any] | None) -> str:
    busy = " the client is the limit" if one["client_share"] > BUSY else ""
    return (
        f"{one['calls_per_second']:9.0f}{_ratio(one, base, 'calls_per_second')}"
        f"{_number(one['p50_ms'])}{_number(one['p99_ms'])}{_ratio(one, base, 'p99_ms')}"
        f"{one['server_cpu_us']:9.0f}{_ratio(one, base, 'server_cpu_us')}{one['client_share']:8.0%}{busy}"
    )


def _number(value: float | None) -> str:
    return f"{'-':>9}" if value is None else f"{value:9.2f}"


def _ratio(one: Mapping[str, Any], base: Mapping[str, Any] | None, key: str) -> str:
    return f"{'-':>8}" if base is None or one[key] is None else f"{one[key] / base[key]:8.2f}"


def _of(one: Mapping[str, float], found: Mapping[str, Mapping[str, float]], base: str, key: str) -> str:
    return f" ({one[key] / found[base][key]:.2f} x {base})" if base in found else ""
