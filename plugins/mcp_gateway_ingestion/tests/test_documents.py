"""JSON files of every shape: arrays, lines, single documents, pages."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_gateway_ingestion import documents, files
from mcp_gateway_ingestion.documents import open_documents
from mcp_gateway_ingestion.importers.tmdb import unfold
from mcp_gateway_ingestion.lines import Line, RecordFile

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8) | st.sampled_from(['"', "\\", '\\"', "[,]}{"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def all_of(file: RecordFile, at_most: int = 3) -> list[Line]:
    found: list[Line] = []
    while lines := file.read(at_most):
        found.extend(lines)
    file.close()
    return found


def values_of(path: Path) -> list[Any]:
    return [json.loads(line.raw) for line in all_of(open_documents(path))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(values=st.lists(VALUES, max_size=6), indent=st.sampled_from([None, 1]), size=st.integers(1, 40))
def test_an_array_is_taken_apart_wherever_the_chunks_end(
    tmp_path: Path, values: list[Any], indent: int | None, size: int
) -> None:
    path = tmp_path / "array.json"
    path.write_text(json.dumps(values, indent=indent, ensure_ascii=False), "utf-8")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_CHUNK_BYTES", size)
        found = all_of(open_documents(path))

    assert [json.loads(line.raw) for line in found] == values
    assert [line.number for line in found] == list(range(1, len(values) + 1))


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_an_object_a_line_is_read_line_by_line_even_if_one_is_broken(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = b'{"a": 1}\n{"a": \n{"a": 3}\n'
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)

    found = all_of(open_documents(path))

    assert [line.raw for line in found] == [b'{"a": 1}', b'{"a": ', b'{"a": 3}']


def test_a_document_over_many_lines_is_one_record(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"a": {"b": [1, 2]}}, indent=2))

    assert values_of(path) == [{"a": {"b": [1, 2]}}]


def test_a_page_stands_for_what_is_in_it_and_its_records_are_numbered_through(tmp_path: Path) -> None:
    path = tmp_path / "pages.jsonl"
    page = {"page": 1, "results": [{"id": 1, "title": "A"}, {"id": 2, "title": "B"}]}
    path.write_text(f"{json.dumps(page)}\n{json.dumps({'id': 3, 'title': 'C'})}\n{json.dumps(page)}\n")

    found = all_of(open_documents(path, unfold), at_most=2)

    assert [json.loads(line.raw)["id"] for line in found] == [1, 2, 3, 1, 2]
    assert [line.number for line in found] == [1, 2, 3, 4, 5]


def test_an_array_that_is_cut_off_gives_what_is_whole_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "array.json"
    path.write_text('[{"a": 1}, {"a": 2}, {"a": "thr')

    file = open_documents(path)
    found = all_of(file)

    assert [line.raw for line in found] == [b'{"a": 1}', b'{"a": 2}']
    assert file.damage == "the JSON array has no end: fetch the file again"


def test_a_bomb_of_brackets_is_one_fault_and_does_not_stay_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENT_BYTES", 1000)
    path = tmp_path / "bomb.json"
    path.write_text("[" + "[" * 500_000 + "]" * 500_000 + ', {"a": 1}]')

    bomb, rest = all_of(open_documents(path))

    assert bomb.fault == "longer than 1000 bytes"
    assert len(bomb.raw) < 2000
    assert rest.raw == b'{"a": 1}'
