"""What one measurement found, and how it is taken around a load."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.protocol.servers import Running


@dataclass(frozen=True, slots=True)
class Load:
    """What a client did.

    Attributes:
        latencies: Seconds from sending to the end of the answer, of each call; empty where calls are not told apart.
    """

    calls: int
    seconds: float
    latencies: list[float]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One server under one load.

    Attributes:
        client_share: How busy the client was; near 1, it is the client that was measured.
    """

    calls_per_second: float
    p50_ms: float | None
    p99_ms: float | None
    server_cpu_us: float
    client_share: float


def measure(running: Running, load: Callable[[], Load]) -> Measurement:
    """Put a load on a server."""
    cpu, own = running.cpu_seconds(), time.process_time()
    done = load()
    cpu, own = running.cpu_seconds() - cpu, time.process_time() - own
    return Measurement(
        calls_per_second=done.calls / done.seconds,
        p50_ms=_percentile_ms(done.latencies, 0.5),
        p99_ms=_percentile_ms(done.latencies, 0.99),
        server_cpu_us=cpu / done.calls * 1e6,
        client_share=own / done.seconds,
    )


def _percentile_ms(latencies: list[float], share: float) -> float | None:
    return sorted(latencies)[int(len(latencies) * share)] * 1000 if latencies else None
