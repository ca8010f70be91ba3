"""Runs every benchmark, or those whose names are given: `python -m benchmarks [ingestion search ...]`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run the benchmarks one after the other, each in a process of its own; how many failed."""
    here = Path(__file__).parent
    wanted = set(sys.argv[1:])
    failed = 0
    for path in sorted(here.glob("*/bench_*.py")):
        if wanted and path.parent.name not in wanted:
            continue
        module = f"benchmarks.{path.parent.name}.{path.stem}"
        print(f"\n== {module}", flush=True)
        failed += subprocess.run([sys.executable, "-m", module], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
