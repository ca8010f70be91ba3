"""Compares the facts of the starter catalogue with a reference catalogue, title by title, by IMDb id.

Year, directors and running time must agree for 99 % of the titles for which both sides know them. The reference is
no part of the project: without it there is nothing to check, and the script says so.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp_gateway.catalog.models import normalise_name

ROOT = Path(__file__).resolve().parents[1]
STARTER = ROOT / "plugins" / "mcp_gateway_ingestion" / "starter" / "titles.jsonl"
REFERENCE = ROOT.parent / "shared" / "data" / "catalogue.jsonl.gz"

BAR = 0.99

# Films run longer or shorter by cut, frame rate and rounding. Sources give series either the length of the
# programme (22 minutes) or of its slot in the schedule (30).
FILM_TOLERANCE_MINUTES = 2
SERIES_TOLERANCE_MINUTES = 10

_FESTIVAL = "first shown at a festival that year; the reference has the year of the release"
_WRONG_RUNTIME = "the reference's figure is far from any cut of the film"

EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("tt0034583", "year"): "opened in New York in November 1942, elsewhere in 1943",
    ("tt0037558", "year"): "opened in London in November 1945",
    ("tt0048434", "year"): "finished in 1955, first shown in 1956",
    ("tt0055032", "year"): "opened in Paris in January 1962",
    ("tt0060107", "year"): "finished in 1966 and held back by the censors until 1969",
    ("tt0065571", "year"): _FESTIVAL,
    ("tt0073198", "year"): _FESTIVAL,
    ("tt0118694", "year"): _FESTIVAL,
    ("tt0156887", "year"): _FESTIVAL,
    ("tt0235198", "year"): _FESTIVAL,
    ("tt0375679", "year"): _FESTIVAL,
    ("tt1899353", "year"): _FESTIVAL,
    ("tt4954522", "year"): _FESTIVAL,
    ("tt0470752", "year"): "first shown in London in December 2014",
    ("tt1305826", "year"): "the reference has the year of a later season",
    ("tt0015864", "runtime_min"): "95 minutes as first shown; the reissue with narration is shorter",
    ("tt0024216", "runtime_min"): "100 minutes; 104 with the overture that was added later",
    ("tt0048434", "runtime_min"): _WRONG_RUNTIME,
    ("tt0055032", "runtime_min"): "105 minutes as first shown",
    ("tt0058946", "runtime_min"): _WRONG_RUNTIME,
    ("tt0103639", "runtime_min"): "90 minutes as first shown",
    ("tt0118694", "runtime_min"): _WRONG_RUNTIME,
    ("tt0387898", "runtime_min"): _WRONG_RUNTIME,
}
"""Where the reference is wrong, or right in another sense, and ours stays: the title's id and field, and why."""

Record = Mapping[str, Any]


@dataclass(slots=True)
class Agreement:
    """How often one field agrees, over the titles for which both sides know it."""

    name: str
    compared: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        """From 0 to 1; 1 when nothing could be compared."""
        return 1 - len(self.differences) / self.compared if self.compared else 1.0


@dataclass(frozen=True, slots=True)
class Report:
    """What the comparison found: agreement by field, and remarks that no bar applies to."""

    fields: Sequence[Agreement]
    remarks: Sequence[str]

    @property
    def passed(self) -> bool:
        """Whether every field reaches the bar."""
        return all(agreement.share >= BAR for agreement in self.fields)


def read_starter(path: Path = STARTER) -> list[dict[str, Any]]:
    """The titles of the starter catalogue, in the order of the file."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_reference(path: Path, ids: set[str]) -> dict[str, dict[str, Any]]:
    """Those titles of a gzipped reference catalogue that carry one of the IMDb ids, by id."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return {record["id"]: record for record in map(json.loads, lines) if record["id"] in ids}


def compare(starter: Sequence[Record], reference: Mapping[str, Record]) -> Report:
    """Compare every title that the reference knows by the same id; `EXCEPTIONS` are left out."""
    fields = {name: Agreement(name) for name in _AGREES}
    remarks: list[str] = []
    for ours in starter:
        theirs = reference.get(ours["id"])
        if theirs is None:
            remarks.append(f"{_label(ours)}: not in the reference")
            continue
        remarks += _remarks(ours, theirs)
        for name, agrees in _AGREES.items():
            _compare_field(fields[name], ours, theirs, agrees)
    return Report(list(fields.values()), remarks)


def _compare_field(
    agreement: Agreement, ours: Record, theirs: Record, agrees: Callable[[Record, Record], bool]
) -> None:
    name = agreement.name
    if not ours.get(name) or not theirs.get(name) or (ours["id"], name) in EXCEPTIONS:
        return
    agreement.compared += 1
    if not agrees(ours, theirs):
        agreement.differences.append(f"{_label(ours)}: {name} {ours[name]}, reference {theirs[name]}")


def _same_year(ours: Record, theirs: Record) -> bool:
    return bool(ours["year"] == theirs["year"])


def _same_directors(ours: Record, theirs: Record) -> bool:
    return _people(ours["directors"]) <= _people(theirs["directors"])


def _same_runtime(ours: Record, theirs: Record) -> bool:
    tolerance = FILM_TOLERANCE_MINUTES if ours["type"] == "movie" else SERIES_TOLERANCE_MINUTES
    return bool(abs(ours["runtime_min"] - theirs["runtime_min"]) <= tolerance)


_AGREES = {"year": _same_year, "directors": _same_directors, "runtime_min": _same_runtime}


def _people(names: Sequence[str]) -> set[frozenset[str]]:
    """Names as sets of folded words, so that `Hou Hsiao-hsien` is `Hsiao-Hsien Hou`."""
    return {frozenset(normalise_name(name).split()) for name in names}


def _remarks(ours: Record, theirs: Record) -> Iterator[str]:
    if ours["type"] != theirs["type"]:
        yield f"{_label(ours)}: type {ours['type']}, reference {theirs['type']}"
    if not _titles(ours) & _titles(theirs):
        yield f"{_label(ours)}: reference calls it {theirs['title']}"


def _titles(record: Record) -> set[str]:
    return {normalise_name(name) for name in (record["title"], *record.get("alt_titles", ()))}


def _label(record: Record) -> str:
    return f"{record['id']} {record['title']} ({record['year']})"


def main(arguments: Sequence[str]) -> int:
    """Print the comparison; 1 when a field stays below the bar."""
    path = Path(arguments[0]) if arguments else REFERENCE
    if not path.is_file():
        print(f"No reference catalogue at {path}: nothing was compared.")
        return 0
    starter = read_starter()
    reference = read_reference(path, {title["id"] for title in starter})
    report = compare(starter, reference)
    for remark in report.remarks:
        print("remark:", remark)
    for agreement in report.fields:
        for difference in agreement.differences:
            print("differs:", difference)
    print(f"{len(starter)} titles, {len(reference)} of them in the reference, {len(EXCEPTIONS)} exceptions")
    for agreement in report.fields:
        print(f"{agreement.name}: {agreement.share:.2%} of {agreement.compared} agree (bar {BAR:.0%})")
    return 0 if report.passed else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
