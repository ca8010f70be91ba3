"""How often search finds what was meant, and what that costs: every query set, through the tool of a running gateway.

Run with `python -m benchmarks.search.bench_accuracy [--data-dir FOLDER] [--sample 100] [--sets title_typos,nl_facets]`.
Without a data folder the real catalogue is taken into a temporary one, which takes a few minutes. With `--semantic`,
which needs the extra of that name, descriptions are found by their meaning too; the first time every overview is
embedded, which takes a quarter of an hour.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import math
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import anyio
import psutil
from mcp_gateway_ingestion import plugin as ingestion
from mcp_gateway_ingestion.jsonl import parse_line
from mcp_gateway_search import plugin as search

from mcp_gateway.api import Call, Unavailable
from mcp_gateway.call import NoClient
from mcp_gateway.catalog.store import SourceRecord
from mcp_gateway.gateway import Gateway
from mcp_gateway.settings import GatewaySection, Settings

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
LIMIT = 10
BATCH = 4000

Question = Mapping[str, Any]
Measure = Callable[[Question, Sequence[str]], Mapping[str, float]]


@dataclass
class Score:
    """What one set reached."""

    values: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)

    def line(self, name: str) -> str:
        """One row of the table."""
        means = "  ".join(f"{key} {sum(v) / len(v):.3f}" for key, v in self.values.items())
        times = sorted(self.seconds)
        p50, p99 = times[len(times) // 2], times[min(len(times) - 1, len(times) * 99 // 100)]
        return f"{name:20} {len(times):5}  {1000 * p50:6.2f} {1000 * p99:6.2f}  {means}"


def _hits(question: Question, ids: Sequence[str]) -> Mapping[str, float]:
    right = set(question["right"])
    place = next((rank for rank, title_id in enumerate(ids) if title_id in right), LIMIT)
    return {"hit@1": float(place < 1), "hit@5": float(place < 5), "hit@10": float(place < 10)}


def _precision(depth: int) -> Measure:
    def measure(question: Question, ids: Sequence[str]) -> Mapping[str, float]:
        right, most = set(question["right"]), min(depth, len(question["right"]))
        return {f"P@{depth}": sum(title_id in right for title_id in ids[:most]) / most}

    return measure


def _gain(question: Question, ids: Sequence[str]) -> Mapping[str, float]:
    """The usual gain, where titles without a grade count for nothing, and that among the titles with one."""
    graded = [title_id for title_id in ids if title_id in question["grades"]]
    return {"NDCG@10": _discounted(question, ids), "of graded": _discounted(question, graded)}


def _discounted(question: Question, ids: Sequence[str]) -> float:
    grades = question["grades"]

    def total(ordered: Sequence[int]) -> float:
        return math.fsum((2**grade - 1) / math.log2(rank + 2) for rank, grade in enumerate(ordered[:10]))

    best = total(sorted(grades.values(), reverse=True))
    return total([grades.get(title_id, 0) for title_id in ids]) / best if best else 1.0


MEASURES: dict[str, Measure] = {
    "exact_titles": _hits,
    "alternative_titles": _hits,
    "title_and_year": _hits,
    "title_typos": _hits,
    "real_misspellings": _hits,
    "person_typos": _precision(5),
    "nl_facets": _precision(10),
    "mit_answerable": _hits,
    "title_judgments": _gain,
    "tot": _hits,
}


def questions_of(name: str, sample: int) -> list[Question]:
    """A repeatable sample of a set; 0 takes all."""
    path = DATA / "queries" / f"{name}.jsonl"
    packed = path.with_suffix(".jsonl.gz")
    text = gzip.decompress(packed.read_bytes()).decode() if packed.exists() else path.read_text()
    lines = text.splitlines()
    chosen = random.Random(7).sample(lines, sample) if 0 < sample < len(lines) else lines  # noqa: S311 - no secret
    return [json.loads(line) for line in chosen]


async def ask(gateway: Gateway, **arguments: Any) -> dict[str, Any]:
    """Call `search_titles` as every face does."""
    outcome = await gateway.registry.invoke(gateway.registry.tool("search_titles"), arguments, Call())
    assert outcome.value is not None
    return outcome.value


async def score(gateway: Gateway, name: str, sample: int) -> Score:
    """Ask a set."""
    result = Score()
    for question in questions_of(name, sample):
        started = process_time()
        answer = await ask(gateway, query=question["query"], limit=LIMIT)
        result.seconds.append(process_time() - started)
        ids = [item["id"] for item in answer["items"]]
        for key, value in MEASURES[name](question, ids).items():
            result.values.setdefault(key, []).append(value)
        if next(iter(MEASURES[name](question, ids).values())) < 1:
            result.misses.append(_miss(question, answer))
    return result


def _miss(question: Question, answer: Mapping[str, Any]) -> str:
    first = [f"{item['title']} ({item.get('year')})" for item in answer["items"][:3]]
    meant = question.get("target_title") or question.get("person") or question.get("filters") or question.get("slots")
    return f"    {question['query'][:150]!r} meant {meant!r}: {answer['total']} {first} {answer['query']}"


_SAME_NAME = ("genres", "year_from", "year_to")
FACETS = {"type": "kinds", "genre": "genres", "decade": "release_year", "certification": "certification"}


async def score_facets(gateway: Gateway, sample: int) -> Score:
    """Ask for counts, and compare each with the right one."""
    result = Score()
    for question in questions_of("facet_counts", sample):
        query = ""
        filters = {key: question["filters"][key] for key in _SAME_NAME if key in question["filters"]}
        if kind := question["filters"].get("type"):
            filters["kinds"] = ["movie" if kind == "movie" else "series"]
        if actors := question["filters"].get("actors"):
            filters["people"] = [f"actor: {name}" for name in actors]
        if certification := question["filters"].get("certification"):
            query = f"rated {certification}"
        started = process_time()
        answer = await ask(gateway, query=query, filters=filters, facets=list(FACETS.values()), limit=LIMIT)
        result.seconds.append(process_time() - started)
        wrong = list(_wrong_counts(question, answer))
        result.values.setdefault("exact", []).append(float(not wrong))
        result.misses += [f"    {question['filters']}: {line}" for line in wrong]
    return result


def _wrong_counts(question: Question, answer: Mapping[str, Any]) -> Iterator[str]:
    if answer["total"] != question["total"]:
        yield f"total {answer['total']} for {question['total']}"
    for theirs, ours in FACETS.items():
        counted = {entry["value"]: entry["count"] for entry in answer["facets"][ours]}
        for value, count in question["facets"].get(theirs, {}).items():
            name = {"tv": "series"}.get(value, f"{value}s" if theirs == "decade" else value)
            if counted.get(name) != count:
                yield f"{ours} {name}: {counted.get(name)} for {count}"


class Lender(NoClient):
    """A client that lends a model which never knows, and counts how often it is asked."""

    can_sample = True

    def __init__(self) -> None:
        self.asked = 0

    async def ask(self, questions: Mapping[str, Any]) -> Mapping[str, Any]:
        """Count, and decline."""
        self.asked += 1
        raise Unavailable("The client's model does not know.")


async def model_calls(gateway: Gateway, sample: int) -> str:
    """How many of the real questions would go to a client's model."""
    client = Lender()
    questions = questions_of("mit_slots", sample or 1000)
    tool = gateway.registry.tool("search_titles")
    for question in questions:
        await gateway.registry.invoke(tool, {"query": question["query"], "limit": 1}, Call(client=client))
    saved = 1 - client.asked / len(questions)
    return f"mit_slots: {saved:.3f} of {len(questions)} questions need no model"


@asynccontextmanager
async def opened(data_dir: Path, *, semantic: bool = False) -> AsyncIterator[Gateway]:
    """A gateway with search over the catalogue in the folder, its index (and its vectors) complete."""
    section = GatewaySection(data_dir=data_dir, strict_plugins=True)
    tables: dict[str, dict[str, Any]] = {"ingestion": {"starter": False}}
    # Search comes after the import: an index that grows with it would say too early that it is complete.
    async with Gateway(Settings(gateway=section, plugins=tables), plugins=[ingestion]).running() as gateway:
        if not (await gateway.catalog.version()).revision:
            await _take_in(gateway)
    settings = Settings(gateway=section, plugins={**tables, "search": {"semantic": semantic}})
    async with Gateway(settings, plugins=[ingestion, search]).running() as gateway:
        while "being built" in ((await ask(gateway, query="dune", limit=1)).get("hint") or ""):  # noqa: ASYNC110
            await anyio.sleep(0.5)
        while not _has_vocabulary(data_dir):  # noqa: ASYNC110
            await anyio.sleep(0.5)
        await ask(gateway, query="a typnig eror to load the vocabluary")
        while semantic and not _has_vectors(data_dir):  # noqa: ASYNC110
            await anyio.sleep(0.5)
        await anyio.sleep(5.0 * semantic)  # vectors of an earlier run wait for the model to be opened
        yield gateway


def _has_vocabulary(data_dir: Path) -> bool:
    return any(data_dir.glob("search/index/*/*/vocabulary-*.bin"))


def _has_vectors(data_dir: Path) -> bool:
    """Whether all overviews have been embedded; that is published when it is done."""
    return any(data_dir.glob("search/vectors/*/*/manifest.json"))


async def _take_in(gateway: Gateway) -> None:
    with gzip.open(DATA / "catalogue.jsonl.gz") as lines:
        batch: list[SourceRecord] = []
        for line in lines:
            title = parse_line(line)
            batch.append(SourceRecord("jsonl", title.key, title.facts, own_id=title.own_id))
            if len(batch) >= BATCH:
                await gateway.catalog.import_records(batch)
                batch = []
        await gateway.catalog.import_records(batch)


async def run(data_dir: Path, names: Sequence[str], *, sample: int, misses: int, semantic: bool) -> None:
    """Ask the sets and print the table."""
    async with opened(data_dir, semantic=semantic) as gateway:
        gc.collect()
        gc.freeze()
        print(f"{'set':20} {'asked':>5}  {'CPU ms p50':>6} {'p99':>3}")
        for name in names:
            facets = name == "facet_counts"
            result = await (score_facets(gateway, sample) if facets else score(gateway, name, sample))
            print(result.line(name), flush=True)
            for line in result.misses[:misses]:
                print(line)
        print(await model_calls(gateway, sample))
        memory = psutil.Process().memory_full_info()
        print(f"private memory of the process {memory.uss / 1e6:.0f} MB")


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--sample", type=int, default=0, help="questions a set; 0 for all")
    parser.add_argument("--sets", default=",".join([*MEASURES, "facet_counts"]))
    parser.add_argument("--semantic", action="store_true", help="find descriptions by their meaning too")
    parser.add_argument("--misses", type=int, default=0, help="failures to show for each set")
    asked = parser.parse_args()
    if not DATA.is_dir():
        print("needs the real catalogue and the query sets of ../shared/data")
        return 1
    with TemporaryDirectory() as folder:
        data_dir = asked.data_dir or Path(folder)

        async def start() -> None:
            names = asked.sets.split(",")
            await run(data_dir, names, sample=asked.sample, misses=asked.misses, semantic=asked.semantic)

        anyio.run(start)
    return 0


if __name__ == "__main__":
    sys.exit(main())
