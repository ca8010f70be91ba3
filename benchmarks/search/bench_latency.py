"""What search and suggest cost: building, understanding a query, searching, facets, memory, a change; against the bars.

Run with `python -m benchmarks.search.bench_latency [--titles 1000000] [--folder FOLDER]`. Times are CPU times of one
process, each question asked once (a term that was counted before costs less), in milliseconds. Beyond the titles of
the real catalogue, others are recombined from them. A folder keeps what was built for the next run.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import random
import resource
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import anyio
import psutil
from mcp_gateway_search.building import build as build_search
from mcp_gateway_search.index import TitleIndex
from mcp_gateway_search.index_folder import IndexFolder
from mcp_gateway_search.keeper import IndexKeeper
from mcp_gateway_search.models import Filters, SearchParams
from mcp_gateway_search.names import IndexNames
from mcp_gateway_search.reader import QueryReader
from mcp_gateway_search.searching import TitleSearch
from mcp_gateway_search.understanding.lexicon import Lexicon
from mcp_gateway_search.understanding.processor import QueryProcessor
from mcp_gateway_search.vocabulary import VocabularyShelf
from mcp_gateway_suggest.building import build as build_suggest
from mcp_gateway_suggest.index import SuggestIndex
from mcp_gateway_suggest.index_folder import IndexFolder as SuggestFolder
from mcp_gateway_suggest.index_folder import Manifest

from mcp_gateway.api import Call, Cursors
from mcp_gateway.catalog.models import TitleFacts
from mcp_gateway.clock import SystemClock
from mcp_gateway.elsewhere import OBJECTS_BETWEEN_COLLECTIONS

from .recombined import DATA, Recombined

REAL_TITLES = 137_736
SETS = (
    "exact_titles", "alternative_titles", "title_and_year", "title_typos", "real_misspellings", "person_typos",
    "nl_facets", "mit_slots", "mit_answerable",
)  # fmt: skip
MOST_OF_A_SET = 600
FACETED = ("exact_titles", "title_typos", "nl_facets", "mit_answerable")
FACETS = ["genres", "kinds", "release_year", "rating", "platforms"]
CHANGES = 20
# The keeper looks at all files once, when it starts.
LOOKS_AT_FILES_SECONDS = 3.0
# After a change it rests as long as that took: at most half of the time goes into it.
REST_SECONDS = 0.2

# At the real size and at a million titles; milliseconds, megabytes, seconds.
BARS = {
    "understanding p99": (1.0, 3.0),
    "search p99": (2.0, 6.0),
    "facets add p99": (0.5, 2.0),
    "memory MB": (80.0, 400.0),
    "build s": (None, 120.0),
    "change, same process": (100.0, 100.0),
    "change, another": (1000.0, 1000.0),
}


def main() -> int:
    """Run the phases, each in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--titles", type=int, default=REAL_TITLES)
    parser.add_argument("--folder", type=Path, help="where to keep what is built")
    parser.add_argument("--phase", choices=sorted(PHASES), help="only this one, and print its figures as JSON")
    asked = parser.parse_args()
    if not DATA.is_dir():
        print("needs the real catalogue and the query sets of ../shared/data")
        return 1
    if asked.phase:
        print(json.dumps(anyio.run(PHASES[asked.phase], asked.folder, asked.titles)))
        return 0
    with TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        figures: dict[str, float] = {}
        for phase in PHASES:
            if phase != "build" or not (folder / "search").exists():
                figures |= _in_a_process_of_its_own(phase, folder, asked.titles)
    _print_table(figures, asked.titles)
    return 0


def _in_a_process_of_its_own(phase: str, folder: Path, titles: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.search.bench_latency", "--phase", phase, "--folder", str(folder)]
    told = subprocess.run([*command, "--titles", str(titles)], check=True, capture_output=True, text=True).stdout
    figures: dict[str, float] = json.loads(told.splitlines()[-1])
    return figures


def _print_table(figures: dict[str, float], titles: int) -> None:
    print(f"{titles:,} titles")
    for name, figure in figures.items():
        bar = BARS.get(name, (None, None))[titles > REAL_TITLES]
        verdict = f"  bar {bar:7.1f}  {figure / bar:5.2f} of it{'' if figure <= bar else '  MISSED'}" if bar else ""
        print(f"  {name:36} {figure:9.2f}{verdict}")


async def build(folder: Path, titles: int) -> dict[str, float]:
    """Both indexes, as the processes that build them do. Making the titles themselves is not counted."""
    catalog = Recombined(titles)
    start = process_time()
    async for _ in catalog.changed_since(0, batch_size=1000):
        pass
    await catalog.offers(())
    made = process_time() - start
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    figures: dict[str, float] = {}
    catalogue_id = (await catalog.version()).id
    suggest = SuggestFolder(folder / "suggest", catalogue_id)
    suggest.path.mkdir(parents=True, exist_ok=True)
    works: dict[str, Callable[[], Awaitable[object]]] = {
        "suggest": lambda: build_suggest(catalog, suggest.root),
        "search": lambda: build_search(catalog, folder / "search"),
    }
    for name, work in works.items():
        cpu, wall = process_time(), perf_counter()
        built = await work()
        figures[f"build {name} CPU s"] = process_time() - cpu - made
        figures[f"build {name} wall s"] = perf_counter() - wall - made
        figures[f"build {name} peak resident MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        if isinstance(built, Manifest):
            suggest.publish(built)
    figures["build s"] = figures["build search wall s"]
    for name in ("search", "suggest"):
        files = (path.stat().st_size for path in (folder / name).rglob("*") if path.is_file())
        figures[f"{name} on disk MB"] = sum(files) / 1e6
    return figures


async def ask(folder: Path, titles: int) -> dict[str, float]:
    """Every question once: understood, searched, and some of them with facets."""
    questions = {name: _questions(name) for name in SETS}
    beginnings = [question[:6] for asked in questions.values() for question in asked[:100]]
    gc.collect()
    before, written_before = _own_megabytes(), _written_megabytes()
    catalog = Recombined(titles)
    version = await catalog.version()
    index = TitleIndex(IndexFolder(folder / "search", version.id))
    lexicon = Lexicon.read()
    reader = QueryReader(index, lexicon)
    search = TitleSearch(index, catalog, Cursors([b"0" * 32], SystemClock()), reader)
    figures = {"memory after opening MB": _own_megabytes() - before}
    cpu, wall = process_time(), perf_counter()
    await search.search(SearchParams(query="a typnig eror"), Call())
    figures["first misspelt query CPU"] = (process_time() - cpu) * 1e3
    figures["first misspelt query wall"] = (perf_counter() - wall) * 1e3
    gc.collect()
    gc.freeze()
    figures |= await _understanding(index, lexicon, questions)
    index.turn_to(index.folder)  # forget what was counted
    figures |= await _searches(search, questions)
    figures |= await _facets(search, questions)
    suggest = SuggestIndex(SuggestFolder(folder / "suggest", version.id))
    suggest.refresh()
    figures |= _percentiles("suggest", [_milliseconds(lambda q=q: suggest.suggest(q, 10)) for q in beginnings])  # type: ignore[misc]  # mypy cannot infer a lambda's default
    figures["memory MB"] = _own_megabytes() - before
    figures["memory but mapped files MB"] = _written_megabytes() - written_before
    figures["memory of the process MB"] = _own_megabytes()
    return figures


def _questions(name: str) -> list[str]:
    path = DATA / "queries" / f"{name}.jsonl"
    packed = path.with_suffix(".jsonl.gz")
    text = gzip.decompress(packed.read_bytes()).decode() if packed.exists() else path.read_text()
    asked = [json.loads(line)["query"] for line in text.splitlines()]
    return random.Random(7).sample(asked, MOST_OF_A_SET) if len(asked) > MOST_OF_A_SET else asked  # noqa: S311 - no secret


async def _understanding(index: TitleIndex, lexicon: Lexicon, questions: dict[str, list[str]]) -> dict[str, float]:
    vocabulary = await VocabularyShelf(index).current(10)
    processor = QueryProcessor(IndexNames(index), lexicon)
    figures: dict[str, float] = {}
    every: list[float] = []
    for name, asked in questions.items():
        times = [_milliseconds(lambda q=q: processor.understand(q, vocabulary)) for q in asked]  # type: ignore[misc]  # as above
        every += times
        figures |= _percentiles(f"understanding {name}", times)
    return figures | _percentiles("understanding", every)


async def _searches(search: TitleSearch, questions: dict[str, list[str]]) -> dict[str, float]:
    figures: dict[str, float] = {}
    every: list[float] = []
    for name, asked in questions.items():
        times = [await _cpu_of_search(search, SearchParams(query=query, limit=10)) for query in asked]
        every += times
        figures |= _percentiles(f"search {name}", times)
    return figures | _percentiles("search", every)


async def _facets(search: TitleSearch, questions: dict[str, list[str]]) -> dict[str, float]:
    """What five facets add to the same question, asked right before without them; also to very wide ones.

    No counts are remembered from an earlier question: each is asked once.
    """
    added = []
    for query in ["", "the", "love", "drama", *(query for name in FACETED for query in questions[name][:150])]:
        for filters in (Filters(), Filters(kinds=["movie"])):
            params = SearchParams(query=query, limit=10, filters=filters)
            counted = params.model_copy(update={"facets": FACETS})
            without = await _cpu_of_search(search, params)
            added.append(await _cpu_of_search(search, counted) - without)
    return _percentiles("facets add", added)


async def _cpu_of_search(search: TitleSearch, params: SearchParams) -> float:
    start = process_time()
    await search.search(params, Call())
    return (process_time() - start) * 1e3


def _milliseconds(work: Callable[[], object]) -> float:
    start = process_time()
    work()
    return (process_time() - start) * 1e3


def _percentiles(name: str, times: Sequence[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {f"{name} p{part}": ordered[min(len(ordered) - 1, len(ordered) * part // 100)] for part in (50, 95, 99)}


def _own_megabytes() -> float:
    return float(psutil.Process().memory_full_info().uss) / 1e6


def _written_megabytes() -> float:
    """Private memory but pages of files, which the system may take back at any time."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")) / 1e3


async def change(folder: Path, titles: int) -> dict[str, float]:
    """How long after a change it is found, in this process and in another."""
    version = await Recombined(titles).version()
    index = TitleIndex(IndexFolder(folder / "search", version.id))
    index.refresh()
    assert index.manifest is not None
    catalog = Recombined(titles, revision=index.manifest.revision)
    keeper = IndexKeeper(catalog, index, SystemClock())
    command = [sys.executable, "-c", WATCH, str(folder / "search"), version.id]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:  # noqa: ASYNC220 - nothing else runs meanwhile
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keeper.run)
            await catalog.offers(())  # read once
            await anyio.sleep(LOOKS_AT_FILES_SECONDS)
            with anyio.fail_after(60):
                seen = [await _one_change(catalog, keeper, index, other) for _ in range(CHANGES)]
            tasks.cancel_scope.cancel()
        other.kill()
    ours, theirs = (sorted(times) for times in zip(*seen, strict=True))
    usual = {"change, same process p50": ours[CHANGES // 2], "change, another p50": theirs[CHANGES // 2]}
    return usual | {"change, same process": ours[-1], "change, another": theirs[-1]}


async def _one_change(
    catalog: Recombined, keeper: IndexKeeper, index: TitleIndex, other: subprocess.Popen[str]
) -> tuple[float, float]:
    """Milliseconds until a new title is found here, and in the process that watches."""
    assert other.stdin is not None
    assert other.stdout is not None
    await anyio.sleep(REST_SECONDS)
    word = f"unheardof{random.Random().randrange(10**9)}"  # noqa: S311 - another one each time
    print(word, file=other.stdin, flush=True)
    assert other.stdout.readline() == "watching\n"
    start = perf_counter()
    await keeper.title_changed(catalog.change(TitleFacts(kind="movie", name=word, year=2026), word))
    while not index.knows(word):  # noqa: ASYNC110 - as another caller would see it
        await anyio.sleep(0.001)
    ours = perf_counter() - start
    assert other.stdout.readline() == "found\n"
    return ours * 1e3, (perf_counter() - start) * 1e3


WATCH = """
import sys
from pathlib import Path
from time import sleep
from mcp_gateway_search.index import TitleIndex
from mcp_gateway_search.index_folder import IndexFolder
index = TitleIndex(IndexFolder(Path(sys.argv[1]), sys.argv[2]))
for word in sys.stdin:
    index.knows(word.strip())
    print("watching", flush=True)
    while not index.knows(word.strip()):
        sleep(0.005)
    print("found", flush=True)
"""

Phase = Callable[[Path, int], Awaitable[dict[str, float]]]
PHASES: dict[str, Phase] = {"build": build, "ask": ask, "change": change}


if __name__ == "__main__":
    sys.exit(main())
