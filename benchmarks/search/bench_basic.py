"""The search index beside SQLite FTS5, on the same real catalogue in one run: build, open, search, follow a change.

Run with `python -m benchmarks.search.bench_basic [--titles 20000]`. The ratios matter, not the times: both sides
read the same catalogue, answer the same questions with the same words, and return 20 titles and their total.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import anyio
import psutil
from mcp_gateway_ingestion.jsonl import parse_line
from mcp_gateway_search.cards import card_of
from mcp_gateway_search.index import TitleIndex
from mcp_gateway_search.index_folder import IndexFolder
from mcp_gateway_search.keeper import IndexKeeper
from mcp_gateway_search.models import ResolveParams, SearchParams
from mcp_gateway_search.reader import QueryReader
from mcp_gateway_search.resolve import Resolver
from mcp_gateway_search.searching import TitleSearch
from mcp_gateway_search.understanding.lexicon import Lexicon

from mcp_gateway.api import Call, Cursors
from mcp_gateway.catalog.models import Title, TitleFacts, TitleId, normalise_name
from mcp_gateway.catalog.store import Catalog, SourceRecord
from mcp_gateway.clock import SystemClock
from mcp_gateway.storage.engine import open_database
from mcp_gateway.storage.migrations import CORE_BRANCH, migrate

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
SETS = ("exact_titles", "alternative_titles", "title_and_year")
# What people ask besides names: people, genres, words of plots, one very common word.
OTHER_QUERIES = (
    "christopher nolan", "keanu reeves action", "time travel", "heist gone wrong", "science fiction aliens", "love",
    "the man", "dreams within dreams", "french comedy", "war drama 1998", "serial killer detective", "the",
)  # fmt: skip
ROUNDS = 3

OPEN_IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from time import perf_counter
from mcp_gateway_search.index import TitleIndex
from mcp_gateway_search.index_folder import IndexFolder
from tantivy import Query
start = perf_counter()
index = TitleIndex(IndexFolder(Path(sys.argv[1]), sys.argv[2]))
assert index.search(Query.all_query(), limit=1).total
print((perf_counter() - start) * 1000)
"""


def main() -> None:
    """Run, or say why not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--titles", type=int, default=None, help="only the most popular so many; all by default")
    options = parser.parse_args()
    if not DATA.is_dir():
        print("skipped: needs the real catalogue of ../shared/data")
        return
    with TemporaryDirectory() as folder:
        anyio.run(run, Path(folder), options.titles)


async def run(folder: Path, titles: int | None) -> None:
    """Measure everything on a fresh catalogue in this folder."""
    async with open_database(f"sqlite:///{folder / 'catalogue.sqlite3'}") as db:
        await migrate(db, dict([CORE_BRANCH]))
        catalog = Catalog(db, SystemClock())
        count = await _load(catalog, titles)
        version = await catalog.version()
        index = TitleIndex(IndexFolder(folder / "index", version.id))
        keeper = IndexKeeper(catalog, index, SystemClock())
        print(f"{count:,} titles")
        with closing(sqlite3.connect(folder / "fts5.sqlite3")) as fts5:
            await _build(catalog, keeper, fts5)
            _sizes(folder)
            _open(folder, version.id)
            await _search(index, catalog, fts5)
        await _change(catalog, keeper, index)


async def _load(catalog: Catalog, titles: int | None) -> int:
    count = 0
    with gzip.open(DATA / "catalogue.jsonl.gz") as lines:
        parsed = map(parse_line, islice(lines, titles))
        while batch := [SourceRecord("jsonl", t.key, t.facts, own_id=TitleId(t.key)) for t in islice(parsed, 2000)]:
            await catalog.import_records(batch)
            count += len(batch)
    return count


async def _build(catalog: Catalog, keeper: IndexKeeper, fts5: sqlite3.Connection) -> None:
    reading = await _seconds(lambda: _read(catalog))
    before = psutil.Process().memory_info().rss
    ours = await _seconds(keeper.catch_up)
    memory = (psutil.Process().memory_info().rss - before) / 1e6
    theirs = await _seconds(lambda: _build_fts5(catalog, fts5))
    print(f"build: {ours:.1f} s, {memory:.0f} MB more resident (mapped files included); FTS5 {theirs:.1f} s", end="; ")
    print(f"of both, {reading:.1f} s are reading the catalogue; ratio {ours / theirs:.2f}")


async def _read(catalog: Catalog) -> None:
    async for _ in catalog.changed_since(0):
        pass


async def _build_fts5(catalog: Catalog, fts5: sqlite3.Connection) -> None:
    fts5.execute(
        "CREATE VIRTUAL TABLE titles USING fts5(name, alternatives, people, rest, id UNINDEXED, card UNINDEXED)"
    )
    async for batch in catalog.changed_since(0):
        fts5.executemany("INSERT INTO titles VALUES (?, ?, ?, ?, ?, ?)", map(_fts5_row, batch))
    fts5.execute("INSERT INTO titles(titles) VALUES ('optimize')")
    fts5.commit()


def _fts5_row(title: Title) -> tuple[str, ...]:
    alternatives = " ".join(other.name for other in title.alternative_titles)
    people = " ".join(credit.name for credit in title.credits)
    rest = " ".join((*title.keywords, *title.genres, str(title.year), title.tagline or "", title.overview or ""))
    texts = (normalise_name(text) for text in (title.name, alternatives, people, rest))
    return (*texts, title.id, card_of(title).model_dump_json(exclude_none=True))


def _sizes(folder: Path) -> None:
    ours = sum(path.stat().st_size for path in (folder / "index").rglob("*") if path.is_file())
    theirs = (folder / "fts5.sqlite3").stat().st_size
    print(f"disk: {ours / 1e6:.0f} MB; FTS5 {theirs / 1e6:.0f} MB; ratio {ours / theirs:.2f}")


def _open(folder: Path, catalogue_id: str) -> None:
    command = [sys.executable, "-c", OPEN_IN_ANOTHER_PROCESS, str(folder / "index"), catalogue_id]
    times = [float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(5)]
    print(f"open and search in another process, after imports: {min(times):.1f} ms")


async def _search(index: TitleIndex, catalog: Catalog, fts5: sqlite3.Connection) -> None:
    reader = QueryReader(index, Lexicon.read())
    searching = TitleSearch(index, catalog, Cursors([b"0" * 32], SystemClock()), reader)
    resolver = Resolver(index)
    call = Call()

    async def search(query: str) -> str | None:
        items = (await searching.search(SearchParams(query=query), call)).items
        return items[0].id if items else None

    async def resolve(query: str) -> str | None:
        found = (await resolver.resolve(ResolveParams(name=query), call)).candidates
        return found[0].title.id if found else None

    async def ask_fts5(query: str) -> str | None:
        return _search_fts5(fts5, query)

    asked = list(_questions())
    queries = [*(question["query"] for question in asked), *OTHER_QUERIES]
    print(f"{len(queries)} queries, CPU time; hit@1 of {len(asked)} plain names, other names, names with year")
    theirs = await _report("FTS5", ask_fts5, queries, asked)
    await _report("search_titles", search, queries, asked, theirs)
    await _report("resolve_title", resolve, queries, asked, theirs)


def _questions() -> Iterator[dict[str, Any]]:
    for name in SETS:
        yield from map(json.loads, (DATA / "queries" / f"{name}.jsonl").read_text().splitlines())


async def _report(
    name: str,
    ask: Callable[[str], Awaitable[str | None]],
    queries: Sequence[str],
    asked: Sequence[dict[str, Any]],
    peer: tuple[float, float] | None = None,
) -> tuple[float, float]:
    """Print the times of one engine and how many questions it answers; p50 and p99 in milliseconds."""
    times = []
    for query in [*queries] * ROUNDS:
        start = process_time()
        await ask(query)
        times.append((process_time() - start) * 1000)
    times.sort()
    p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    right = [await ask(question["query"]) in question["right"] for question in asked]
    ratios = f", ratio p50 {p50 / peer[0]:.2f}, p99 {p99 / peer[1]:.2f}" if peer else ""
    print(f"  {name:13} p50 {p50:7.2f} ms, p99 {p99:7.2f} ms{ratios}; hit@1 {sum(right) / len(right):.3f}")
    return p50, p99


def _search_fts5(fts5: sqlite3.Connection, query: str) -> str | None:
    match = " ".join(f'"{word}"' for word in normalise_name(query).split())
    if not match:
        return None
    fts5.execute("SELECT count(*) FROM titles WHERE titles MATCH ?", (match,)).fetchone()
    best = "SELECT id, card FROM titles WHERE titles MATCH ? ORDER BY bm25(titles, 20, 10, 3, 1) LIMIT 20"
    rows = fts5.execute(best, (match,)).fetchall()
    return str(rows[0][0]) if rows else None


async def _change(catalog: Catalog, keeper: IndexKeeper, index: TitleIndex) -> None:
    """How long after a change the index has it, once the keeper looks."""
    times = []
    for number in range(20):
        name = f"Unheardof{number}"
        facts = TitleFacts(kind="movie", name=name, year=2026)
        await catalog.import_records([SourceRecord("benchmark", name, facts, own_id=TitleId(name.lower()))])
        times.append(await _seconds(keeper.catch_up))
        assert index.knows(name.lower())
    times.sort()
    print(f"a changed title is found after p50 {times[10] * 1000:.0f} ms, at most {times[-1] * 1000:.0f} ms")


async def _seconds(work: Callable[[], Awaitable[object]]) -> float:
    start = perf_counter()
    await work()
    return perf_counter() - start


if __name__ == "__main__":
    main()
