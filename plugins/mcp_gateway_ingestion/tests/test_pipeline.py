"""Files of titles: taken in batch by batch, whatever they contain, and the same however often."""

from __future__ import annotations

import gzip
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.api import IngestProgress, InvalidParams, Unavailable
from mcp_gateway.tests.catalogues import StandingClock, events_of, rows_of
from mcp_gateway_ingestion import lines as reader
from mcp_gateway_ingestion import taking
from mcp_gateway_ingestion.starter_catalogue import load_starter
from mcp_gateway_ingestion.tests.conftest import Ingestion, as_bytes, title

pytestmark = pytest.mark.anyio

Write = Callable[..., Path]
DATA = Path(__file__).resolve().parents[3] / "../shared/data/catalogue-small.jsonl.gz"


@pytest.mark.parametrize("name", ["titles.jsonl", "titles.jsonl.gz", "no-suffix"])
async def test_a_file_is_taken_in_and_reported(ingestion: Ingestion, write: Write, name: str) -> None:
    path = write([title(f"t{n}", cast=[{"name": "Ann Oh"}], zz=1) for n in range(10)], name)

    report = await ingestion.run(path)

    assert (report.read, report.created, report.updated, report.unchanged, report.rejected) == (10, 10, 0, 0, 0)
    assert (report.complete, report.problem, report.unknown_fields) == (True, None, {"zz": 10})
    assert await ingestion.catalog.counts() == {"movie": 10, "people": 1, "offers": 0}


async def test_a_second_run_changes_nothing(ingestion: Ingestion, write: Write) -> None:
    path = write([title("a"), "{", title("b"), title("a"), title("c"), title("a", year=1999)])
    first = await ingestion.run(path)
    before = await rows_of(ingestion.db), await events_of(ingestion.db), await ingestion.rejects()

    second = await ingestion.run(path)

    assert (first.created, first.unchanged, first.rejected) == (3, 1, 2)
    assert (second.created, second.updated, second.unchanged, second.rejected) == (0, 0, 4, 2)
    assert (await rows_of(ingestion.db), await events_of(ingestion.db), await ingestion.rejects()) == before


async def test_only_the_lines_that_changed_are_written(ingestion: Ingestion, write: Write) -> None:
    await ingestion.run(write([title("a"), title("b"), title("c")]))

    report = await ingestion.run(write([title("a"), title("b", overview="New."), title("c"), title("d")]))

    assert (report.created, report.updated, report.unchanged) == (1, 1, 2)
    assert await events_of(ingestion.db) == ["a:1", "b:1", "c:1", "b:2", "d:3"]


async def test_a_bad_line_is_kept_with_its_reason_and_the_import_goes_on(ingestion: Ingestion, write: Write) -> None:
    path = write([title("a"), title("b", year="1999"), "", b"\xff\xfe", title("c")])

    report = await ingestion.run(path)

    assert (report.read, report.created, report.rejected, report.complete) == (4, 2, 2, True)
    rejects = await ingestion.rejects()
    assert [(r.source, r.file.rpartition("/")[2], r.line_number, r.reason, r.raw) for r in rejects] == [
        ("jsonl", "titles.jsonl", 2, "year: should be a valid integer", as_bytes(title("b", year="1999")).decode()),
        ("jsonl", "titles.jsonl", 4, "not UTF-8: byte 1 of the line", "\ufffd\ufffd"),
    ]


async def test_a_corrected_line_leaves_the_rejected_records(ingestion: Ingestion, write: Write) -> None:
    await ingestion.run(write([title("a", year=None), "{", title("c", year=None), "{"]))

    await ingestion.run(write([title("a"), title("b")]))
    assert [r.line_number for r in await ingestion.rejects()] == []


async def test_a_line_that_is_bad_in_another_way_is_kept_with_the_new_reason(
    ingestion: Ingestion, write: Write
) -> None:
    await ingestion.run(write([title("a", year=None)]))

    await ingestion.run(write([title("a", title="")]))

    assert [r.reason for r in await ingestion.rejects()] == ["title: string should have at least 1 character"]


async def test_a_record_that_comes_corrected_in_another_file_leaves_the_rejected_records(
    ingestion: Ingestion, write: Write
) -> None:
    await ingestion.run(write([title("a", year=None), title("b", year=None)], "old.jsonl"))

    await ingestion.run(write([title("a")], "new.jsonl"))

    assert [(r.file.rpartition("/")[2], r.line_number) for r in await ingestion.rejects()] == [("old.jsonl", 2)]


async def test_of_two_lines_with_one_id_the_first_counts(ingestion: Ingestion, write: Write) -> None:
    path = write([title("a", overview="First."), title("b"), title("c"), title("a", overview="Second."), title("d")])

    report = await ingestion.run(path)

    assert (report.created, report.rejected) == (4, 1)
    assert (await ingestion.catalog.get(["a"]))["a"].overview == "First."
    (reject,) = await ingestion.rejects()
    assert (reject.line_number, reject.reason) == (
        4,
        "id: stands in an earlier line already, which says something else",
    )


async def test_the_starter_catalogue_gives_way_to_the_first_file_and_stays_away(
    ingestion: Ingestion, write: Write
) -> None:
    await load_starter(ingestion.catalog, StandingClock())
    before = await ingestion.catalog.version()

    first = await ingestion.run(write([title("tt0468569"), title("b")]), replaces="starter")
    again = await ingestion.run(write([title("c")]), replaces="starter")

    assert (first.replaced, first.created, again.replaced) == ("starter", 2, None)
    assert (await ingestion.catalog.counts())["movie"] == 3
    assert (await ingestion.catalog.counts())["offers"] == 0
    assert (await ingestion.catalog.version()).id != before.id


async def test_a_file_without_a_usable_line_replaces_nothing(ingestion: Ingestion, write: Write) -> None:
    await load_starter(ingestion.catalog, StandingClock())
    before = await ingestion.catalog.counts()

    report = await ingestion.run(write(["no title"]), replaces="starter")

    assert report.replaced is None
    assert await ingestion.catalog.counts() == before


async def test_only_a_catalogue_of_nothing_else_gives_way(ingestion: Ingestion, write: Write) -> None:
    await ingestion.run(write([title("a")]))
    await load_starter(ingestion.catalog, StandingClock())

    report = await ingestion.run(write([title("b")]), replaces="starter")

    assert report.replaced is None
    assert set(await ingestion.catalog.get(["a", "b", "tt0468569"])) == {"a", "b", "tt0468569"}


async def test_the_limit_ends_the_import(ingestion: Ingestion, write: Write) -> None:
    path = write([title(f"t{n}") for n in range(10)] + ["{"])

    report = await ingestion.run(path, limit=4)

    assert (report.read, report.created, report.complete) == (4, 4, True)


async def test_progress_tells_bytes_and_records(ingestion: Ingestion, write: Write) -> None:
    path = write([title(f"t{n}") for n in range(6)] + ["{"])
    heard: list[IngestProgress] = []

    await ingestion.run(path, on_progress=heard.append)

    size = path.stat().st_size
    assert [(p.records, p.rejected, p.total) for p in heard] == [(3, 0, size), (6, 0, size), (7, 1, size)]
    assert heard[-1].done == size


async def test_a_cut_off_gzip_keeps_what_came_before_and_says_so(ingestion: Ingestion, write: Write) -> None:
    noise = os.urandom(40_000).hex()
    whole = write([title(f"t{n}", overview=noise[n * 4000 : n * 4000 + 4000]) for n in range(20)], "titles.jsonl.gz")
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])

    report = await ingestion.run(whole)

    assert 5 < report.created < 15
    assert report.complete is False
    assert report.problem == "the gzip file is cut off: fetch it again, then run this again"
    assert await ingestion.rejects() == []


async def test_a_damaged_gzip_says_so(ingestion: Ingestion, write: Write) -> None:
    path = write([title(f"t{n}") for n in range(5)], "titles.jsonl.gz")
    path.write_bytes(path.read_bytes()[:-8] + b"\0" * 8)

    report = await ingestion.run(path)

    assert (report.complete, report.problem) == (False, "the gzip file is damaged: fetch it again, then run this again")


@pytest.mark.parametrize("name", ["titles.jsonl", "titles.jsonl.gz"])
async def test_an_endless_line_is_rejected_without_being_read_into_memory(
    ingestion: Ingestion, write: Write, name: str
) -> None:
    path = write([title("a"), '{"id": "huge", "title": "' + "x" * (10 * 1024 * 1024) + '"}', title("b")], name)

    report = await ingestion.run(path)

    (reject,) = await ingestion.rejects()
    assert (report.created, report.rejected) == (2, 1)
    assert (reject.line_number, reject.reason) == (2, f"longer than {reader.MAX_LINE_BYTES} bytes")
    assert len(reject.raw) == 2000


async def test_a_file_that_cannot_be_read_is_one_clear_error(ingestion: Ingestion, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="There is no file"):
        await ingestion.run(tmp_path / "missing.jsonl")
    with pytest.raises(InvalidParams, match="is a folder"):
        await ingestion.run(tmp_path)


async def test_a_file_that_is_no_catalogue_is_one_clear_error(
    ingestion: Ingestion, write: Write, tmp_path: Path
) -> None:
    csv = write([f"id,title,{n}" for n in range(200)], "titles.csv")
    utf16 = tmp_path / "utf16.jsonl"
    utf16.write_text('{"id": "a"}', "utf-16")

    with pytest.raises(InvalidParams, match="is not in our jsonl format; line 1: not valid JSON"):
        await ingestion.run(csv, batch_lines=100)
    with pytest.raises(InvalidParams, match="is UTF-16 text; save it as UTF-8"):
        await ingestion.run(utf16)

    assert await ingestion.rejects() == []


async def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(ingestion: Ingestion, tmp_path: Path) -> None:
    path = tmp_path / "windows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + as_bytes(title("a")) + b"\r\n" + as_bytes(title("b")))

    assert (await ingestion.run(path)).created == 2


async def test_an_empty_file_is_complete(ingestion: Ingestion, write: Write) -> None:
    report = await ingestion.run(write([]))

    assert (report.read, report.complete) == (0, True)


async def test_standard_input_is_read(ingestion: Ingestion, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = io.BytesIO(gzip.compress(as_bytes(title("a")) + b"\n"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(packed))

    report = await ingestion.run(Path("-"))

    assert (report.file, report.created) == ("-", 1)
    assert not packed.closed


async def test_lines_that_another_process_reads_become_the_same(
    ingestion: Ingestion, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write([title(f"t{n}", zz=1, external_ids={"justwatch": f"tm{n % 4}"}) for n in range(7)] + ["{", title("u")])
    monkeypatch.setattr(taking, "LINES_WORTH_A_PROCESS", 1)

    report = await ingestion.run(path)

    assert (report.created, report.rejected, report.unknown_fields) == (8, 1, {"zz": 7})
    assert (await ingestion.catalog.get(["t3", "t6"]))["t3"].external_ids == {"justwatch": "tm3"}
    assert [r.reason for r in await ingestion.rejects()] == ["not valid JSON: unexpected end of data (column 2)"]


@pytest.mark.data
async def test_a_real_catalogue_goes_in_whole_and_twice_without_change(ingestion: Ingestion) -> None:
    if not DATA.is_file():
        pytest.skip("the real catalogue is not here")

    first = await ingestion.run(DATA, batch_lines=2000)
    before = await rows_of(ingestion.db)
    second = await ingestion.run(DATA, batch_lines=1500)

    assert (first.read, first.created, first.rejected) == (5000, 5000, 0)
    assert (second.unchanged, second.rejected) == (5000, 0)
    assert await rows_of(ingestion.db) == before
    titles = await ingestion.catalog.get(["tt0468569"])
    assert (titles["tt0468569"].name, titles["tt0468569"].year) == ("The Dark Knight", 2008)


def test_helpers_write_what_they_say(write: Any) -> None:
    assert gzip.decompress(write([title("a")], "a.gz").read_bytes()) == as_bytes(title("a")) + b"\n"
