"""Tables: rows by the header's names, and faults that cost one row each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcp_gateway.api import InvalidParams
from mcp_gateway_ingestion.csv_rows import CsvRows
from mcp_gateway_ingestion.lines import MAX_LINE_BYTES, Line


def rows_of(path: Path, content: str | bytes) -> list[Line]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    found: list[Line] = []
    with CsvRows(path) as rows:
        while lines := rows.read(2):
            found.extend(lines)
    return found


def test_a_row_becomes_an_object_by_the_headers_names(tmp_path: Path) -> None:
    found = rows_of(tmp_path / "a.csv", 'id,title,\r\n1,"Yes, ""really""",x\r\n\r\n2,"over\r\ntwo lines",y\r\n3,é,z')

    assert [json.loads(row.raw) for row in found] == [
        {"id": "1", "title": 'Yes, "really"', "": "x"},
        {"id": "2", "title": "over\ntwo lines", "": "y"},
        {"id": "3", "title": "é", "": "z"},
    ]
    assert [row.number for row in found] == [2, 4, 6]


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (b'2,"never closed', "a quote in it is never closed"),
        (b"2", "has 1 columns, the header has 2"),
        (b"2,b,c", "has 3 columns, the header has 2"),
        (b"2,caf\xe9", "not UTF-8: byte 6 of the row"),
        (b"2," + b"x" * (MAX_LINE_BYTES + 5), f"longer than {MAX_LINE_BYTES} bytes"),
    ],
)
def test_a_fault_costs_the_row_in_which_it_is(tmp_path: Path, bad: bytes, fault: str) -> None:
    found = rows_of(tmp_path / "a.csv", b"id,title\n1,a\n" + bad + b"\n3,c\n4,d\n")

    assert [(row.number, row.fault) for row in found] == [(2, None), (3, fault), (4, None), (5, None)]
    assert json.loads(found[2].raw) == {"id": "3", "title": "c"}


def test_a_file_without_a_header_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidParams, match="has no header line"):
        rows_of(tmp_path / "a.csv", "")
