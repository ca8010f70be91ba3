"""The plugin in a gateway: its tools, what it lends to the command line, and the starter catalogue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.api import Call, Caller, Importers, InvalidCursor, InvalidParams
from mcp_gateway.gateway import Gateway
from mcp_gateway.settings import Settings
from mcp_gateway.tests.catalogues import StandingClock
from mcp_gateway_ingestion.starter_catalogue import TITLES, load_starter, read_starter
from mcp_gateway_ingestion.tests.conftest import Ingestion, as_bytes, title

pytestmark = pytest.mark.anyio

Write = Callable[..., Path]


@asynccontextmanager
async def gateway(tmp_path: Path, *, starter: bool = False) -> AsyncIterator[Gateway]:
    settings = Settings(
        gateway={"data_dir": tmp_path, "profile": "full"},
        plugins={"ingestion": {"starter": starter}},
    )
    async with Gateway(settings, only={"ingestion"}).running() as running:
        yield running


async def call(gateway: Gateway, tool: str, *, who: Caller | None = None, **arguments: Any) -> Any:
    registered = gateway.registry.tool(tool)
    asked = Call(clock=gateway.clock, caller=who or Call().caller)
    return (await gateway.registry.invoke(registered, arguments, asked)).value


async def test_an_empty_catalogue_is_filled_with_the_starter_catalogue_once(tmp_path: Path) -> None:
    expected = len(TITLES.read_bytes().splitlines())

    async with gateway(tmp_path, starter=True) as running:
        counts = await running.catalog.counts()
        version = await running.catalog.version()
    async with gateway(tmp_path, starter=True) as running:
        assert await running.catalog.version() == version

    assert counts["movie"] + counts["series"] == expected
    assert counts["offers"] > 0


async def test_the_starter_catalogue_can_be_left_out(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        assert (await running.catalog.version()).revision == 0


async def test_the_starter_catalogue_loads_with_ids_facts_and_offers_and_twice_without_change(
    ingestion: Ingestion,
) -> None:
    count = await load_starter(ingestion.catalog, StandingClock())
    version = await ingestion.catalog.version()
    again = await load_starter(ingestion.catalog, StandingClock())

    records, offers = read_starter(TITLES, StandingClock().now())
    found = await ingestion.catalog.get([record.key for record in records])
    kept = await ingestion.catalog.offers(found)
    assert (count, again) == (len(records), len(records))
    assert await ingestion.catalog.version() == version
    assert {record.key: record.facts.name for record in records} == {key: t.name for key, t in found.items()}
    assert sum(map(len, kept.values())) == len(offers)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "line 2: unexpected end of data"),
        (as_bytes(title("b", year=None)), "line 2: year: should be a valid integer"),
        (as_bytes(title("b", offers=[{"platform": "x", "monetization": "gift"}])), "line 2: 'gift' is not a valid"),
        (as_bytes(title("b", offers=[{"platform": "No!", "monetization": "ads"}])), "line 2: 1 validation error"),
    ],
)
async def test_a_fault_in_a_starter_file_names_the_line(tmp_path: Path, line: bytes, problem: str) -> None:
    path = tmp_path / "titles.jsonl"
    path.write_bytes(as_bytes(title("a")) + b"\n" + line + b"\n")

    with pytest.raises(ValueError, match=problem.replace("(", r"\(")):
        read_starter(path, StandingClock().now())


async def test_the_command_lines_importer_reads_our_own_format(tmp_path: Path, write: Write) -> None:
    path = write([title("a"), "{"])

    async with gateway(tmp_path / "data") as running:
        importers = running.provided(Importers)
        report = await importers.ingest("jsonl", path, limit=None, on_progress=lambda _: None)
        with pytest.raises(InvalidParams, match="Allowed: imdb, jsonl, "):
            await importers.ingest("no source", path, limit=None, on_progress=lambda _: None)

    formats = {"jsonl", "imdb", "movielens", "tmdb", "wikipedia", "streaming-availability"}
    assert formats <= importers.sources.keys()
    assert all(name in formats or name.startswith("platform:") for name in importers.sources)
    expected = {"source": "jsonl", "file": "titles.jsonl", "read": 2, "created": 1, "rejected": 1, "complete": True}
    assert expected.items() <= report.items()


async def test_titles_in_a_call_are_taken_in_and_bad_ones_are_named(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        titles = [title("a"), {"id": "b"}, title("c", zz=1), title("a")]
        tried = await call(running, "ingest_titles", titles=titles, dry_run=True)
        before = await running.catalog.counts()
        done = await call(running, "ingest_titles", titles=titles)
        again = await call(running, "ingest_titles", titles=titles)
        names = {key: found.name for key, found in (await running.catalog.get(["a", "b", "c"])).items()}

    assert before == {"people": 0, "offers": 0}
    assert {**tried, "dry_run": False} == done
    assert (done["created"], done["unchanged"], done["unknown_fields"]) == (2, 1, ["zz"])
    assert [(item["id"], item["change"]) for item in done["items"]] == [
        ("a", "created"), ("c", "created"), ("a", "unchanged"),
    ]  # fmt: skip
    assert done["rejected"] == [
        {"position": 1, "reason": "type: field required; title: field required; year: field required"}
    ]
    assert (again["created"], again["unchanged"]) == (0, 3)
    assert names == {"a": "Film a", "c": "Film c"}


async def test_rejected_records_are_listed_page_by_page(tmp_path: Path, write: Write) -> None:
    async with gateway(tmp_path / "data") as running:
        path = write([title("a"), *(title(f"b{n}", year=n) for n in range(7))])
        await running.provided(Importers).ingest("jsonl", path, limit=None, on_progress=lambda _: None)
        lines: list[int] = []
        page: dict[str, Any] = {"has_more": True}
        while page["has_more"]:
            rest = {"cursor": page["next_cursor"]} if "next_cursor" in page else {}
            page = await call(running, "list_rejected_records", who=None, limit=3, source="jsonl", **rest)
            lines.extend(item["line"] for item in page["items"])
        nothing = await call(running, "list_rejected_records", source="imdb")
        first = await call(running, "list_rejected_records", limit=1)
        with pytest.raises(InvalidCursor):
            await call(running, "list_rejected_records", limit=1, source="jsonl", cursor=first["next_cursor"])
        with pytest.raises(InvalidCursor):
            someone = Caller("someone else", everything=True)
            await call(running, "list_rejected_records", who=someone, limit=1, cursor=first["next_cursor"])

    assert lines == [2, 3, 4, 5, 6, 7, 8]
    assert (page["total"], page["has_more"]) == (7, False)
    assert (nothing["total"], nothing["items"]) == (0, [])
    assert first["items"][0]["reason"] == "year: should be greater than or equal to 1870"


async def test_rejected_records_of_a_file_that_will_not_come_again_are_forgotten(tmp_path: Path, write: Write) -> None:
    async with gateway(tmp_path / "data") as running:
        for name in ("old.jsonl", "new.jsonl"):
            path = write([title("a"), title(f"{name}-b", year=1)], name)
            await running.provided(Importers).ingest("jsonl", path, limit=None, on_progress=lambda _: None)
        listed = await call(running, "list_rejected_records")
        old = next(item["file"] for item in listed["items"] if "old" in item["file"])
        one = await call(running, "forget_rejected_records", source="jsonl", file=old)
        left = await call(running, "list_rejected_records")
        others = await call(running, "forget_rejected_records", source="imdb")
        rest = await call(running, "forget_rejected_records", source="jsonl")

    assert (listed["total"], one, others, rest) == (2, {"forgotten": 1}, {"forgotten": 0}, {"forgotten": 1})
    assert ["new" in item["file"] for item in left["items"]] == [True]
