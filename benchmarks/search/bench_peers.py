"""Search beside other engines on one catalogue: how often each finds what was meant, and how long it takes.

Run with `python -m benchmarks.search.bench_peers [--titles 1000000] [--sample 100] [--folder FOLDER]`. Beside ours:
SQLite FTS5, tantivy alone, symspellpy before tantivy, rapidfuzz over all names, and PostgreSQL's full text with
pg_trgm. All take in the same titles and answer the same questions with ten ids. Times are CPU times of this process;
for PostgreSQL, which is another, times on the wall. Ours also makes the cards, counts, and explains corrections.

Figures (JSON) and a plot (SVG) go to `.cache/benchmarks/`. A folder keeps the index of ours for the next run.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from math import log
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import anyio
from mcp_gateway_search.building import build as build_index
from mcp_gateway_search.index import TitleIndex
from mcp_gateway_search.index_folder import IndexFolder
from mcp_gateway_search.models import SearchParams
from mcp_gateway_search.reader import QueryReader
from mcp_gateway_search.searching import TitleSearch
from mcp_gateway_search.understanding.lexicon import Lexicon

from mcp_gateway.api import Call, Cursors
from mcp_gateway.clock import SystemClock

from .bench_accuracy import Question, questions_of
from .peers.embedded import EMBEDDED, INSTALLED
from .peers.entries import LIMIT, Ask, Entries, Peer, read
from .peers.postgresql import postgresql
from .recombined import DATA, Recombined

HERE = Path(__file__).resolve().parent
SETS = ("exact_titles", "alternative_titles", "title_typos", "real_misspellings", "person_typos")
REAL_TITLES = 137_736
# Loads what is loaded on demand.
WARM_UP = ("dune", "a typnig eror", "christopher nolan", "keanu reves", "the lord of the rings", "qwertz uiop")
BAR_CHARS = 40


@dataclass(frozen=True, slots=True)
class Figures:
    """What one engine reached.

    Attributes:
        build_seconds: From reading the catalogue until the first question.
        hits: For each set the shares of questions whose right title came first, and among the first ten.
        p50_ms: Of all questions.
        clock: `CPU` or `wall`.
    """

    name: str
    build_seconds: float
    hits: Mapping[str, tuple[float, float]]
    p50_ms: float
    p99_ms: float
    clock: str

    @property
    def first(self) -> float:
        """The mean over the sets of how often the right one came first."""
        return sum(first for first, _ in self.hits.values()) / len(self.hits)


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--titles", type=int, default=REAL_TITLES)
    parser.add_argument("--sample", type=int, default=0, help="questions a set; 0 for all")
    parser.add_argument("--folder", type=Path, help="where to keep the index of ours")
    asked = parser.parse_args()
    if not DATA.is_dir():
        print("needs the real catalogue and the query sets of ../shared/data")
        return 0
    subprocess.run(["sh", HERE / "peers/install.sh"], check=True, stderr=subprocess.DEVNULL)
    with TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        found = anyio.run(run, folder, Path(temporary), asked.titles, asked.sample)
    print_bars(found)
    keep(found, asked.titles)
    return 0


async def run(folder: Path, scratch: Path, titles: int, sample: int) -> list[Figures]:
    """Build and ask each engine in turn, ours first."""
    questions = {name: questions_of(name, sample) for name in SETS}
    catalog = Recombined(titles)
    print(f"{titles:,} titles, {sum(map(len, questions.values()))} questions; hit@1/hit@10")
    _print_head()
    found = [await _measured(Peer("ours", _ours(folder, catalog)), scratch, Entries(), questions)]
    _print_row(found[0], found[0])
    started = process_time()
    entries = await read(catalog)
    reading = process_time() - started
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(postgresql())
        for peer in (*EMBEDDED, server):
            if peer is not None:
                one = await _measured(peer, scratch, entries, questions)
                found.append(replace(one, build_seconds=reading + one.build_seconds))
                _print_row(found[-1], found[0])
    return found


def _ours(folder: Path, catalog: Recombined) -> Callable[[Path, Entries], Awaitable[Ask]]:
    async def build(_: Path, __: Entries) -> Ask:
        version = await catalog.version()
        index = TitleIndex(IndexFolder(folder / "search", version.id))
        await build_index(catalog, folder / "search")
        search = TitleSearch(index, catalog, Cursors([b"0" * 32], SystemClock()), QueryReader(index, Lexicon.read()))

        async def ask(query: str) -> list[str]:
            items = (await search.search(SearchParams(query=query, limit=LIMIT), Call())).items
            return [item.id for item in items]

        return ask

    return build


async def _measured(
    peer: Peer, scratch: Path, entries: Entries, questions: Mapping[str, Sequence[Question]]
) -> Figures:
    folder = scratch / peer.name.replace(" ", "-")
    folder.mkdir()
    clock = perf_counter if peer.clock == "wall" else process_time
    started = clock()
    ask = await peer.build(folder, entries)
    built = clock() - started
    for query in WARM_UP:
        await ask(query)
    gc.collect()
    gc.freeze()
    times: list[float] = []
    hits: dict[str, tuple[float, float]] = {}
    for name, asked in questions.items():
        places = []
        for one in asked:
            start = clock()
            ids = await ask(one["query"])
            times.append((clock() - start) * 1e3)
            places.append(_place(ids, set(one["right"])))
        hits[name] = (_share(places, 1), _share(places, LIMIT))
    times.sort()
    p50, p99 = (times[min(len(times) - 1, len(times) * part // 100)] for part in (50, 99))
    return Figures(peer.name, built, hits, p50, p99, peer.clock)


def _place(ids: Sequence[str], right: set[str]) -> int:
    return next((place for place, title_id in enumerate(ids) if title_id in right), LIMIT)


def _share(places: Sequence[int], depth: int) -> float:
    return sum(place < depth for place in places) / len(places)


def _print_head() -> None:
    sets = "".join(f"{name:>20}" for name in SETS)
    print(f"{'':20}{sets}{'p50 ms':>9}{'of ours':>9}{'p99 ms':>9}{'of ours':>9}{'clock':>6}{'build s':>9}")


def _print_row(one: Figures, ours: Figures) -> None:
    sets = "".join(f"{f'{first:.3f}/{ten:.3f}':>20}" for first, ten in one.hits.values())
    p50, p99 = one.p50_ms / ours.p50_ms, one.p99_ms / ours.p99_ms
    times = f"{one.p50_ms:9.2f}{p50:8.2f}x{one.p99_ms:9.2f}{p99:8.2f}x"
    print(f"{one.name:20}{sets}{times}{one.clock:>6}{one.build_seconds:9.0f}", flush=True)


def print_bars(found: Sequence[Figures]) -> None:
    """The same as bars: how often the right title came first, and times on a logarithmic scale."""
    longest = max(one.p99_ms for one in found)
    print("\nright title first, mean of the sets")
    for one in found:
        _print_bar(one.name, one.first, f"{one.first:.3f}")
    print("\np99, logarithmic")
    for one in found:
        _print_bar(one.name, _logarithmic(one.p99_ms, longest), f"{one.p99_ms:.1f} ms")


def _print_bar(name: str, share: float, text: str) -> None:
    print(f"  {name:20}{'█' * round(BAR_CHARS * share):{BAR_CHARS}} {text}")


def _logarithmic(milliseconds: float, longest: float) -> float:
    """From 0 at a tenth of a millisecond to 1 at the longest."""
    return max(0.0, log(milliseconds / 0.1) / log(longest / 0.1))


def keep(found: Sequence[Figures], titles: int) -> None:
    """Write the figures, and the plot of them."""
    path = INSTALLED.parent / f"search-peers-{titles}.json"
    path.write_text(json.dumps([{**asdict(one), "first": one.first} for one in found], indent=1))
    plot = path.with_suffix(".svg")
    heading = f"{titles:,} titles"
    subprocess.run([INSTALLED / "bin/python", HERE / "peers/plot.py", path, plot, heading], check=True)
    print(f"\nwritten to {INSTALLED.parent.relative_to(HERE.parents[1])}: {path.name}, {plot.name}")


if __name__ == "__main__":
    sys.exit(main())
