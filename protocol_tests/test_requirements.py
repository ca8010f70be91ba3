"""The manifest and the tests agree: every promise is covered, and nothing else is claimed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol_tests.gateways import ROOT
from protocol_tests.requirements import BINDING, FAMILIES, REQUIREMENTS

CHECKLIST = ROOT / "../shared/spec-2024-11-05-checklist.md"
MOST_BY_REASON = 0.10
_LINE = re.compile(r"^- (\w+) (MUST NOT|SHOULD NOT|MUST|SHOULD|MAY|must|note) ", re.MULTILINE)


def marked() -> dict[str, set[str]]:
    """The requirements that tests are marked with, and by which."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "protocol_tests").rglob("test_*.py")):
        for test, name in _marks_in(path):
            found.setdefault(name, set()).add(f"{path.stem}::{test}")
    return found


def _marks_in(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "requirement":
                    for argument in mark.args:
                        assert isinstance(argument, ast.Constant), f"{node.name}: ids are written out"
                        yield node.name, str(argument.value)


def test_every_requirement_is_covered_by_a_test_or_by_a_reviewed_reason() -> None:
    tests = marked()

    uncovered = [item.id for item in REQUIREMENTS.values() if item.id not in tests and not item.reason]
    assert uncovered == []


def test_no_test_names_an_unknown_requirement() -> None:
    assert marked().keys() - REQUIREMENTS.keys() == set()


def test_what_a_test_covers_needs_no_reason() -> None:
    tests = marked()

    assert [item.id for item in REQUIREMENTS.values() if item.reason and item.id in tests] == []


def test_few_of_the_binding_requirements_are_covered_by_reason() -> None:
    for levels in (BINDING, BINDING - {"must"}):
        binding = [item for item in REQUIREMENTS.values() if item.level in levels]
        by_reason = [item.id for item in binding if item.reason]
        assert len(by_reason) <= MOST_BY_REASON * len(binding), by_reason


def test_every_requirement_has_a_family_a_sentence_and_a_source() -> None:
    for item in REQUIREMENTS.values():
        assert item.family in FAMILIES
        assert item.sentence.endswith(".")
        assert item.source


@pytest.mark.data
def test_the_manifest_has_the_ids_and_levels_of_the_checklist() -> None:
    if not CHECKLIST.is_file():
        pytest.skip("the checklist is not here")
    listed = dict(_LINE.findall(CHECKLIST.read_text("utf-8")))

    assert {item.id: item.level for item in REQUIREMENTS.values()} == listed
