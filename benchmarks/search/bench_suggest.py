"""Suggestions beside SQLite FTS5, tantivy with edge n-grams and a trie, on the same catalogue in one run.

Run with `python -m benchmarks.search.bench_suggest [--titles 1000000] [--no-trie]`. The ratios matter, not the times.
All answer the same typed beginnings with ten names; only ours mends errors, and suggests people and genres too. Beyond
the titles of the real catalogue, names are recombined from halves of real ones.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import psutil
from mcp_gateway_ingestion.jsonl import parse_line
from mcp_gateway_suggest.drafts import Draft, draft_of
from mcp_gateway_suggest.index import SuggestIndex
from mcp_gateway_suggest.index_folder import IndexFolder, Manifest
from mcp_gateway_suggest.segment_writer import SegmentWriter
from mcp_gateway_suggest.words import fold, whole_keys, word_keys
from tantivy import Document, Index, Order, Query, SchemaBuilder

from mcp_gateway.catalog.models import Title, TitleId

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
SETS = ("autocomplete", "autocomplete_typo")
ROUNDS = 5
LIMIT = 10
LONGEST_GRAM = 12

OPEN_IN_ANOTHER_PROCESS = """
import sys
from itertools import product
from pathlib import Path
from string import ascii_lowercase
from time import perf_counter
import psutil
from mcp_gateway_suggest.index import SuggestIndex
from mcp_gateway_suggest.index_folder import IndexFolder
def own():
    memory = psutil.Process().memory_info()
    return (memory.rss - memory.shared) / 1e6
before = own()
start = perf_counter()
index = SuggestIndex(IndexFolder(Path(sys.argv[1]), "benchmark"))
index.refresh()
assert index.suggest("the dark k", 10)
print((perf_counter() - start) * 1000)
for letters in product(ascii_lowercase, repeat=3):
    index.suggest("".join(letters), 10)
print(own() - before)
"""

Ask = Callable[[str], Sequence[str]]
Questions = dict[str, list[dict[str, Any]]]


def main() -> None:
    """Run, or say why not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--titles", type=int, default=None, help="so many; those of the real catalogue by default")
    parser.add_argument("--no-trie", action="store_true", help="leave out the trie, which takes gigabytes")
    options = parser.parse_args()
    if not DATA.is_dir():
        print("skipped: needs the real catalogue of ../shared/data")
        return
    questions = {
        name: list(map(json.loads, (DATA / f"queries/{name}.jsonl").read_text().splitlines())) for name in SETS
    }
    with TemporaryDirectory() as folder:
        run(Path(folder), options.titles, questions, with_trie=not options.no_trie)


def run(folder: Path, titles: int | None, questions: Questions, *, with_trie: bool) -> None:
    """Build, open and ask each engine in turn."""
    ours = report("suggest_titles", build_ours(folder, titles), questions)
    open_again(folder)
    peers: list[tuple[str, Callable[[Path, int | None], Ask]]] = [
        ("tantivy edge n-grams", build_tantivy),
        ("FTS5", build_fts5),
    ]
    if with_trie:
        peers.append(("trie of dicts", build_trie))
    for name, build in peers:
        report(name, build(folder, titles), questions, ours)


def drafts(titles: int | None) -> Iterator[Draft]:
    """The titles of the real catalogue, then recombined ones."""
    real: list[Draft] = []
    with gzip.open(DATA / "catalogue.jsonl.gz") as lines:
        for line in islice(lines, titles):
            parsed = parse_line(line)
            facts = {name: getattr(parsed.facts, name) for name in parsed.facts.__dataclass_fields__}
            title = Title(id=TitleId(parsed.key), **facts)
            real.append(draft_of(title))
            yield real[-1]
    dice = random.Random(1)  # noqa: S311 - the same names every time
    for number in range((titles or 0) - len(real)):
        one, other = dice.choice(real), dice.choice(real)
        front, back = one.name.split(), other.name.split()
        name = " ".join((*front[: len(front) // 2 + 1], *back[len(back) // 2 :]))
        yield replace(
            one, id=f"x{number}", name=name, popularity=round(one.popularity * dice.random() * 0.3, 4), others=()
        )


def build_ours(folder: Path, titles: int | None) -> Ask:
    """The plugin's index."""
    home = IndexFolder(folder / "index", "benchmark")
    home.path.mkdir(parents=True)
    before, taken = psutil.Process().memory_info().rss, 0.0
    writer = SegmentWriter(home.path)
    for draft in drafts(titles):
        start = process_time()
        writer.add(draft)
        taken += process_time() - start
    start = process_time()
    name = home.write_segment(writer)
    taken += process_time() - start
    home.publish(Manifest((name,), 1))
    size = (home.path / name).stat().st_size / 1e6
    peak = (psutil.Process().memory_info().rss - before) / 1e6
    print(
        f"{writer.titles:,} titles; ours built in {taken:.0f} s of CPU, with {peak:.0f} MB more resident; {size:.0f} MB"
    )
    index = SuggestIndex(home)
    index.refresh()
    return lambda typed: [item.id for item in index.suggest(typed, LIMIT)]


def open_again(folder: Path) -> None:
    """How long until another process has its first answer, and what it then holds of its own."""
    command = [sys.executable, "-c", OPEN_IN_ANOTHER_PROCESS, str(folder / "index")]
    told = [subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() for _ in range(3)]
    fastest, most = min(float(ready) for ready, _ in told), max(float(memory) for _, memory in told)
    print(f"another process: ready and asked {fastest:.1f} ms after imports; {most:.1f} MB of its own after use")


def keys_of(draft: Draft) -> set[str]:
    """The texts by which the peers are to find a title."""
    folded = fold(draft.name)
    return {*whole_keys(folded), *word_keys(folded)}


def build_tantivy(folder: Path, titles: int | None) -> Ask:
    """Every beginning of every key is a term."""
    path = folder / "tantivy"
    path.mkdir()
    schema = (
        SchemaBuilder().add_text_field("id", stored=True, tokenizer_name="raw")
        .add_text_field("gram", tokenizer_name="raw", index_option="basic")
        .add_unsigned_field("popularity", fast=True).build()
    )  # fmt: skip
    index = Index(schema, path=str(path))
    start = process_time()
    writer = index.writer(200_000_000, 1)
    for draft in drafts(titles):
        grams = {key[:length] for key in keys_of(draft) for length in range(2, min(len(key), LONGEST_GRAM) + 1)}
        facts = {"id": draft.id, "gram": sorted(grams), "popularity": int(draft.popularity * 10_000)}
        writer.add_document(Document.from_dict(facts, schema))
    writer.commit()
    writer.wait_merging_threads()
    built("tantivy", start, path)
    index.reload()
    searcher = index.searcher()

    def ask(typed: str) -> list[str]:
        query = Query.term_query(schema, "gram", fold(typed)[:LONGEST_GRAM])
        hits = searcher.search(query, LIMIT, count=False, order_by_field="popularity", order=Order.Desc).hits
        return [str(searcher.doc(address).get_first("id")) for _, address in hits]

    return ask


def build_fts5(folder: Path, titles: int | None) -> Ask:
    """A phrase of which the last word may go on."""
    path = folder / "fts5.sqlite3"
    start = process_time()
    base = sqlite3.connect(path)
    base.execute("CREATE VIRTUAL TABLE names USING fts5(name, id UNINDEXED, popularity UNINDEXED, prefix='2 3 4')")
    base.executemany("INSERT INTO names VALUES (?, ?, ?)", ((fold(d.name), d.id, d.popularity) for d in drafts(titles)))
    base.execute("INSERT INTO names(names) VALUES ('optimize')")
    base.commit()
    built("FTS5", start, path)

    def ask(typed: str) -> list[str]:
        words = fold(typed)
        if not words:
            return []
        sql = "SELECT id FROM names WHERE names MATCH ? ORDER BY CAST(popularity AS REAL) DESC LIMIT ?"
        return [str(row[0]) for row in base.execute(sql, (f'"{words}"*', LIMIT))]

    return ask


def build_trie(folder: Path, titles: int | None) -> Ask:
    """At each node the ten best: the fastest there is, in memory and in every process anew."""
    start, before = process_time(), psutil.Process().memory_info().rss
    root: dict[str, Any] = {}
    for draft in sorted(drafts(titles), key=lambda one: -one.popularity):
        for key in keys_of(draft):
            node = root
            for letter in key[:24]:
                node = node.setdefault(letter, {})
                best = node.setdefault("", [])
                if len(best) < LIMIT and draft.id not in best:
                    best.append(draft.id)
    memory = (psutil.Process().memory_info().rss - before) / 1e6
    print(f"trie: built in {process_time() - start:.0f} s of CPU, {memory:.0f} MB more resident")

    def ask(typed: str) -> list[str]:
        node = root
        for letter in fold(typed)[:24]:
            node = node.get(letter, {})
        return node.get("", [])  # type: ignore[no-any-return]

    return ask


def built(name: str, start: float, path: Path) -> None:
    """Say what a build took."""
    files = [path] if path.is_file() else list(path.iterdir())
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"{name}: built in {process_time() - start:.0f} s of CPU, {size:.0f} MB on disk")


def report(name: str, ask: Ask, questions: Questions, ours: float | None = None) -> float:
    """Print the CPU times and how many targets are among the first five; of peers also the ratio to ours; the p95."""
    asked = [question for those in questions.values() for question in those]
    times = []
    gc.collect()
    gc.freeze()  # what was loaded is not looked through again, as in a gateway that has started
    for question in asked * ROUNDS:
        start = process_time()
        ask(question["query"])
        times.append((process_time() - start) * 1e6)
    times = sorted(times[len(asked) :])  # the first round warms up
    p50, p95, p99 = (times[len(times) * part // 100] for part in (50, 95, 99))
    hits = {n: sum(q["target"] in ask(q["query"])[:5] for q in those) / len(those) for n, those in questions.items()}
    told = ", ".join(f"{set_name} hit@5 {share:.3f}" for set_name, share in hits.items())
    print(
        f"  {name:21} p50 {p50:6.0f} p95 {p95:6.0f} p99 {p99:6.0f} us, p95 {p95 / (ours or p95):5.2f} of ours; {told}"
    )
    return p95


if __name__ == "__main__":
    main()
