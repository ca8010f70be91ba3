"""How well titles of several sources are joined when no external id ties them.

Run with `python -m benchmarks.ingestion.bench_joining [--sample 300] [--misses]`. Rows whose IMDb id is known lose all
their external ids, and are matched against the catalogue; the id then says whether they were joined to the right title.
Of each source so many rows whose title the catalogue has, and as many of others, which should not be joined.
Precision: of the rows that were joined to a title with an IMDb id, or should have been, how many to the right one.
Recall: of the rows whose title the catalogue has, how many were joined to it.

A work may have two IMDb ids, and then stand twice in the catalogue. Lists of different dates show it: they give both to
one JustWatch id. Either title is the right one then.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
from mcp_gateway_ingestion import plugin
from mcp_gateway_ingestion.documents import open_documents
from mcp_gateway_ingestion.importers import imdb, movielens, tmdb
from mcp_gateway_ingestion.importers.imdb_files import ImdbFiles
from mcp_gateway_ingestion.importers.movielens_files import MovieLensFiles
from mcp_gateway_ingestion.importing import FileImporters
from mcp_gateway_ingestion.lines import RecordFile
from mcp_gateway_ingestion.parsed import BadRecord
from mcp_gateway_ingestion.platform_files import open_listing
from mcp_gateway_ingestion.platforms import BUILT_IN
from mcp_gateway_ingestion.settings import IngestionSettings
from mcp_gateway_ingestion.store import RejectedStore

from mcp_gateway.catalog.models import TitleFacts
from mcp_gateway.catalog.platforms import PlatformRecord, Sighting
from mcp_gateway.catalog.records import ImportOutcome
from mcp_gateway.catalog.store import Catalog, SourceRecord
from mcp_gateway.clock import SystemClock
from mcp_gateway.storage.engine import open_database
from mcp_gateway.storage.migrations import CORE_BRANCH, migrate

DATA = Path(__file__).resolve().parents[3] / "shared/data"
SEEN = Sighting(observed_at=datetime(2026, 1, 1, tzinfo=UTC), region="US")
BATCH = 4000
PLATFORMS = {each.key: each for each in BUILT_IN}
LISTS = {
    "netflix_2023": "netflix",
    "hbo_max_2022": "hbo_max",
    "hbo_max_2023": "hbo_max",
    "disney_plus_2023": "disney_plus",
    "apple_tv_plus_2023": "apple_tv",
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A title without its external ids, and the IMDb id that says which it is."""

    source: str
    key: str
    facts: TitleFacts
    imdb: str


@dataclass(frozen=True, slots=True)
class Score:
    """What became of the rows of one source."""

    name: str
    rows: int
    known: int
    joined: int
    right: int
    misses: Sequence[str]

    def __str__(self) -> str:
        counts = f"{self.name:28}{self.rows:>7,}{self.known:>8,}{self.joined:>8,}{self.right:>8,}"
        return f"{counts}{self.right / max(self.joined, 1):>11.2%}{self.right / max(self.known, 1):>9.2%}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=300, help="rows of each source; 0: all of them")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--catalogue", type=Path, default=DATA / "catalogue.jsonl.gz")
    parser.add_argument("--misses", action="store_true", help="list what was not joined, or wrongly")
    given = parser.parse_args()
    if not given.catalogue.is_file():
        print(f"skipped: there is no catalogue at {given.catalogue}")
        return
    print(f"{'':28}{'rows':>7}{'known':>8}{'joined':>8}{'right':>8}{'precision':>11}{'recall':>9}")
    for score in asyncio.run(measure(given.catalogue, given.sample, given.seed)):
        print(score)
        if given.misses:
            print("".join(f"    {miss}\n" for miss in score.misses), end="")


async def measure(catalogue: Path, sample: int, seed: int) -> list[Score]:
    """The scores of all sources."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_database(f"sqlite:///{folder}/gateway.sqlite3") as db:
            await migrate(db, {**dict([CORE_BRANCH]), "ingestion": plugin.register_migrations()})
            clock = SystemClock()
            services: Any = SimpleNamespace(db=db, clock=clock)
            catalog = Catalog(db, clock)
            importers = FileImporters(
                catalog,
                RejectedStore(services),
                clock,
                platforms=PLATFORMS,
                settings=IngestionSettings(),
                replaces=None,
            )
            await importers.ingest("jsonl", catalogue, limit=None, on_progress=lambda _: None)
            known = await _titles_of_ids(catalog)
            return [await _score(name, rows, catalog, known, sample, seed) for name, rows in _sources()]


async def _score(
    name: str, rows: Iterator[Labelled], catalog: Catalog, known: Mapping[str, Set[str]], sample: int, seed: int
) -> Score:
    chosen = _chosen(rows, known, sample, random.Random(seed))  # noqa: S311 - not for secrets
    outcomes: list[ImportOutcome] = []
    for first in range(0, len(chosen), BATCH):
        records = [SourceRecord(row.source, row.key, row.facts) for row in chosen[first : first + BATCH]]
        outcomes.extend(await catalog.import_records(records, dry_run=True))
    labelled = set().union(*known.values())
    pairs = [(row, outcome, known.get(row.imdb, set())) for row, outcome in zip(chosen, outcomes, strict=True)]
    joined = [
        (o.title_id, right) for _, o, right in pairs if o.change != "created" and (right or o.title_id in labelled)
    ]
    misses = [
        _miss(row, o, right) for row, o, right in pairs if o.title_id not in right and (right or o.title_id in labelled)
    ]
    return Score(
        name,
        rows=len(chosen),
        known=sum(bool(right) for _, _, right in pairs),
        joined=len(joined),
        right=sum(title_id in right for title_id, right in joined),
        misses=misses,
    )


def _chosen(
    rows: Iterator[Labelled], known: Mapping[str, Set[str]], sample: int, dice: random.Random
) -> list[Labelled]:
    """So many rows whose title the catalogue has, and so many others; 0: all."""
    halves: tuple[list[Labelled], list[Labelled]] = ([], [])
    for row in rows:
        halves[row.imdb not in known].append(row)
    return [row for half in halves for row in (dice.sample(half, min(sample, len(half))) if sample else half)]


def _miss(row: Labelled, outcome: ImportOutcome, right: Set[str]) -> str:
    facts = row.facts
    what = "not joined" if outcome.change == "created" else f"joined to {outcome.title_id} by {outcome.evidence}"
    people = len(facts.credits)
    return (
        f"{facts.kind} {facts.name!r} {facts.year} {facts.runtime_minutes} min, {people} people: {what}; "
        f"is {', '.join(sorted(right)) or row.imdb}"
    )


async def _titles_of_ids(catalog: Catalog) -> dict[str, Set[str]]:
    """The catalogue's titles of the work that an IMDb id names, by that id."""
    titles: dict[str, str] = {}
    async for batch in catalog.changed_since(0):
        titles.update((title.external_ids["imdb"], title.id) for title in batch if "imdb" in title.external_ids)
    works = _works()
    return {imdb: {titles[each] for each in works.get(imdb, {imdb}) if each in titles} for imdb in titles}


def _works() -> dict[str, set[str]]:
    """The IMDb ids of one work, by each of them: those that lists give to one JustWatch id."""
    by_key: dict[str, set[str]] = defaultdict(set)
    for name, platform in LISTS.items():
        for row in _listed(name, platform):
            by_key[row.key].add(row.imdb)
    works: dict[str, set[str]] = defaultdict(set)
    for ids in by_key.values():
        for each in ids:
            works[each] |= ids
    return works


def _sources() -> Iterator[tuple[str, Iterator[Labelled]]]:
    yield "JustWatch, all platforms", chain.from_iterable(_listed(name, platform) for name, platform in LISTS.items())
    for name, platform in LISTS.items():
        yield f"JustWatch {name}", _listed(name, platform)
    yield "IMDb", _of_imdb(DATA / "imdb")
    yield "TMDB, found by id", _of_tmdb(DATA / "tmdb/find_by_imdb_responses.jsonl.gz")
    yield "MovieLens latest", _of_movielens(DATA / "movielens/ml-latest_movies.csv.gz")
    yield "Streaming Availability v2", _streaming(DATA / "availability_samples/streaming_availability_v2.jsonl.gz")


def _listed(name: str, platform: str) -> Iterator[Labelled]:
    for raw in _records(open_listing(DATA / f"platforms/{name}_titles.csv.gz")):
        yield from _normalised(f"platform:{platform}", platform, raw)


def _streaming(path: Path) -> Iterator[Labelled]:
    for raw in _records(open_listing(path)):
        yield from _normalised("streaming-availability:generic", "generic", raw)


def _normalised(source: str, platform: str, raw: bytes) -> Iterator[Labelled]:
    record = PLATFORMS[platform].normalize(orjson.loads(raw), SEEN)
    if isinstance(record, PlatformRecord):
        for title in record.titles:
            yield from _labelled(source, title.key, title.facts)


def _of_imdb(folder: Path) -> Iterator[Labelled]:
    for raw in _records(ImdbFiles(folder)):
        for title in imdb.parse(raw):
            yield from _labelled("imdb", title.key, title.facts)


def _of_movielens(movies: Path) -> Iterator[Labelled]:
    for raw in _records(MovieLensFiles(movies)):
        try:
            titles = movielens.parse(raw)
        except BadRecord:
            continue
        for title in titles:
            yield from _labelled("movielens", title.key, title.facts)


def _of_tmdb(path: Path) -> Iterator[Labelled]:
    for raw in _records(open_documents(path, tmdb.unfold)):
        try:
            titles = tmdb.parse(raw)
        except BadRecord:
            continue
        for title in titles:
            yield from _labelled("tmdb", title.key, title.facts)


def _labelled(source: str, key: str, facts: TitleFacts) -> Iterator[Labelled]:
    if label := facts.external_ids.get("imdb"):
        yield Labelled(source, key, replace(facts, external_ids={}), label)


def _records(file: RecordFile) -> Iterator[bytes]:
    with ExitStack() as stack:
        stack.callback(file.close)
        file.prepare()
        while lines := file.read(2000):
            yield from (line.raw for line in lines if not line.fault)


if __name__ == "__main__":
    main()
