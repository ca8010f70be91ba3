"""Draws what bench_peers.py found: `plot.py FIGURES.json PLOT.svg HEADING`. Runs where matplotlib is installed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib import pyplot


def draw(found: list[dict[str, Any]], path: Path, heading: str) -> None:
    """Left: accuracy over time, best in the upper left corner. Right: accuracy for each set."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(13, 5))
    for one in found:
        left.plot([one["p50_ms"], one["p99_ms"]], [one["first"]] * 2, marker="o", label=one["name"])
    left.set(xscale="log", ylim=(0, 1.02), xlabel="milliseconds, p50 to p99", ylabel="right title first, mean of sets")
    left.legend(loc="lower left")
    sets = list(found[0]["hits"])
    width = 0.8 / len(found)
    for number, one in enumerate(found):
        places = [place + number * width for place in range(len(sets))]
        right.bar(places, [one["hits"][name][0] for name in sets], width, label=one["name"])
    middles = [place + 0.4 - width / 2 for place in range(len(sets))]
    right.set_xticks(middles, [name.replace("_", "\n") for name in sets])
    right.set(ylabel="right title first", ylim=(0, 1.02))
    figure.suptitle(heading)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), sys.argv[3])
