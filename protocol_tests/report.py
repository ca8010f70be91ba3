"""The conformance report: what every requirement came to on each transport, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from protocol_tests.requirements import FAMILIES, REQUIREMENTS, Requirement

# The worst outcome of a requirement's tests counts; a test that was skipped counts only when none ran.
_WORST_FIRST = ("failed", "gap", "passed", "skipped")


class Report:
    """A pytest plugin that gathers outcomes and writes the report at the end.

    Args:
        folder: Where to write; made if need be.
        other: How another server than ours is started or reached.
    """

    def __init__(self, folder: Path, other: str | None = None) -> None:
        self._folder = folder
        self._subject = other or "media-gateway"
        self._is_ours = other is None
        self._outcomes: defaultdict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        """Note how a test went, for each requirement it is marked with."""
        report = yield
        if report.when == "call" or (report.when == "setup" and not report.passed):
            spec = getattr(item, "callspec", None)
            transport = (spec.params.get("transport") if spec else None) or "any"
            for mark in item.iter_markers("requirement"):
                for name in mark.args:
                    self._outcomes[name, transport][_outcome(report)].append(f"{item.name}: {_reason(report)}")
        return report

    def pytest_sessionfinish(self) -> None:
        """Write both files."""
        rows = [self._row(item) for item in REQUIREMENTS.values()]
        self._folder.mkdir(parents=True, exist_ok=True)
        document = {"server": self._subject, "revision": "2024-11-05", "requirements": rows}
        (self._folder / "conformance.json").write_text(json.dumps(document, indent=2) + "\n", "utf-8")
        (self._folder / "conformance.md").write_text(_markdown(self._subject, rows), "utf-8")

    def _row(self, item: Requirement) -> dict[str, Any]:
        results = {}
        for (name, transport), outcomes in sorted(self._outcomes.items()):
            if name == item.id:
                worst = next(outcome for outcome in _WORST_FIRST if outcome in outcomes)
                notes = sorted(set(outcomes[worst])) if worst != "passed" else []
                results[transport] = {"outcome": worst, "notes": notes}
        if item.reason and self._is_ours:  # of another server the review says nothing
            results["any"] = {"outcome": "reviewed", "notes": [item.reason]}
        return {
            "id": item.id,
            "level": item.level,
            "sentence": item.sentence,
            "source": item.source,
            "results": results,
        }


def _outcome(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return "gap"
    return str(report.outcome)


def _reason(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return str(report.wasxfail)
    if report.skipped and isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message).splitlines()[0][:300] if crash else ""


def _markdown(subject: str, rows: list[dict[str, Any]]) -> str:
    transports = sorted({name for row in rows for name in row["results"]} - {"any"})
    lines = [f"# Conformance of `{subject}` with MCP 2024-11-05", "", *_summary(rows, transports)]
    for letter, family in FAMILIES.items():
        lines += ["", f"## {letter}. {family}", "", f"| id | level | rule | {' | '.join(transports)} |"]
        lines.append("| --- " * (len(transports) + 3) + "|")
        lines += [_line(row, transports) for row in rows if row["id"].startswith(letter)]
    notes = [
        f"- **{row['id']}** ({transport}, {result['outcome']}): {note}"
        for row in rows
        for transport, result in row["results"].items()
        for note in result["notes"]
    ]
    return "\n".join([*lines, "", "## Notes", "", *(notes or ["None."]), ""])


def _summary(rows: list[dict[str, Any]], transports: list[str]) -> list[str]:
    kinds = ("passed", "failed", "gap", "skipped", "reviewed", "not run")
    lines = [f"| transport | {' | '.join(kinds)} |", "| --- " * (len(kinds) + 1) + "|"]
    for transport in transports:
        found = [_result(row, transport) for row in rows]
        lines.append(f"| {transport} | {' | '.join(str(found.count(kind)) for kind in kinds)} |")
    return lines


def _line(row: dict[str, Any], transports: list[str]) -> str:
    results = " | ".join(_result(row, transport) for transport in transports)
    return f"| {row['id']} | {row['level']} | {row['sentence']} | {results} |"


def _result(row: dict[str, Any], transport: str) -> str:
    result = row["results"].get(transport) or row["results"].get("any")
    return str(result["outcome"]) if result else "not run"
