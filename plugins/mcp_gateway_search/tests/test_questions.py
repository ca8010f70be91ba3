"""How well real questions are answered, on the small catalogue: names, misspelt ones, people, conditions."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from mcp_gateway_ingestion.jsonl import parse_line

from mcp_gateway.catalog.store import SourceRecord
from mcp_gateway_search.tests.world import World, open_world

DATA = Path(__file__).resolve().parents[3] / "../shared/data"

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="needs the real catalogues of ../shared/data"),
]


@pytest.fixture(scope="module")
async def real(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The 5,000 most popular titles of the real catalogue."""
    with gzip.open(DATA / "catalogue-small.jsonl.gz") as lines:
        parsed = [parse_line(line) for line in lines]
    records = [SourceRecord("jsonl", title.key, title.facts, own_id=title.own_id) for title in parsed]
    async with open_world(tmp_path_factory.mktemp("real"), records) as world:
        await world.build()
        yield world


async def questions(world: World, name: str) -> list[dict[str, Any]]:
    """The questions of a set whose answer is in the small catalogue."""
    lines = (DATA / "queries" / f"{name}.jsonl").read_text().splitlines()
    asked = [json.loads(line) for line in lines]
    known = await world.catalog.get([question["target"] for question in asked])
    return [question for question in asked if question["target"] in known]


@pytest.mark.parametrize(
    ("name", "least"), [("exact_titles", 0.98), ("alternative_titles", 0.98), ("title_and_year", 0.95)]
)
@pytest.mark.parametrize("tool", ["search", "resolve"])
async def test_the_title_asked_for_is_the_first_hit(
    real: World, name: str, least: float, tool: str, record_property: Callable[[str, object], None]
) -> None:
    asked = await questions(real, name)
    wrong = [question["query"] for question in asked if await first(real, tool, question) not in question["right"]]

    share = 1 - len(wrong) / len(asked)
    record_property("hit_at_1", f"{tool} {name}: {share:.3f} of {len(asked)}")
    assert share >= least, wrong


async def first(world: World, tool: str, question: dict[str, Any]) -> str | None:
    """The id that a tool puts first."""
    if tool == "search":
        return next(iter(await world.ids(question["query"], limit=1)), None)
    candidates = (await world.resolve(question["query"])).candidates
    return candidates[0].title.id if candidates else None


async def test_well_known_names_give_what_is_meant(real: World) -> None:
    dark_knight = (await real.search("the dark knight")).model_dump()["items"][0]
    dunes = {candidate.title.id: candidate for candidate in (await real.resolve("Dune")).candidates}

    assert (dark_knight["title"], dark_knight["year"]) == ("The Dark Knight", 2008)
    assert {"tt1160419", "tt0087182"} <= dunes.keys()


async def test_real_pages_keep_to_their_size(real: World) -> None:
    for query in ("the", "love", "star", ""):
        concise = len((await real.search(query, limit=20)).model_dump_json(exclude_none=True).encode())
        detailed = len(
            (await real.search(query, limit=20, detail="detailed")).model_dump_json(exclude_none=True).encode()
        )

        assert concise < 14_000
        assert concise * 3 < detailed < 60_000


async def asked_of(world: World, name: str, most: int) -> list[dict[str, Any]]:
    """Questions of a set with those of their right answers that the small catalogue has."""
    path = DATA / "queries" / name
    text = gzip.decompress(path.read_bytes()).decode() if name.endswith(".gz") else path.read_text()
    asked = [json.loads(line) for line in text.splitlines()]
    ids = {title_id for question in asked for title_id in question["right"]}
    known = await world.catalog.get(list(ids))
    narrowed = [{**question, "right": [i for i in question["right"] if i in known]} for question in asked]
    return [question for question in narrowed if question["right"]][:most]


@pytest.mark.parametrize(("name", "least"), [("title_typos", 0.97), ("real_misspellings", 0.97)])
async def test_a_misspelt_title_is_the_first_hit(
    real: World, name: str, least: float, record_property: Callable[[str, object], None]
) -> None:
    asked = await questions(real, name)
    wrong = [question["query"] for question in asked if await first(real, "search", question) not in question["right"]]

    share = 1 - len(wrong) / len(asked)
    record_property("hit_at_1", f"{name}: {share:.3f} of {len(asked)}")
    assert share >= least, wrong


@pytest.mark.parametrize(
    ("name", "depth", "least"),
    [("person_typos.jsonl", 5, 0.95), ("nl_facets.jsonl.gz", 10, 0.95), ("mit_answerable.jsonl.gz", 1, 0.93)],
)
async def test_what_comes_first_is_right(
    real: World, name: str, depth: int, least: float, record_property: Callable[[str, object], None]
) -> None:
    shares = []
    for question in await asked_of(real, name, 200):
        most = min(depth, len(question["right"]))
        found = await real.ids(question["query"], limit=depth)
        shares.append(sum(title_id in question["right"] for title_id in found[:most]) / most)

    precision = sum(shares) / len(shares)
    record_property("precision", f"{name}: {precision:.3f} of {len(shares)}")
    assert precision >= least


async def test_no_real_name_is_changed(real: World) -> None:
    ids = await real.ids("", limit=100)
    for title in (await real.catalog.get(ids)).values():
        names = (title.name, *(other.name for other in title.alternative_titles), *(c.name for c in title.credits[:3]))
        for name in names:
            assert (await real.search(name, limit=1)).query.corrected is None, name
