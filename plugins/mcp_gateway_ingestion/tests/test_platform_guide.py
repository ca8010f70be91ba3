"""The guide to adding a platform: its normalizer is total, and its test passes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway.catalog.platforms import PlatformRecord, Rejected, Sighting, Unknown
from mcp_gateway_ingestion.platforms import BUILT_IN
from mcp_gateway_ingestion.plugin import register_platforms

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "add-a-platform.md"
SEEN = Sighting(observed_at=datetime(2026, 1, 1, tzinfo=UTC), region="DE")


def run_examples() -> dict[str, Any]:
    """What the Python examples of the guide define."""
    names: dict[str, Any] = {
        "st": st, "given": given, "Sighting": Sighting, "datetime": datetime, "UTC": UTC,
        "PlatformRecord": PlatformRecord, "Rejected": Rejected,
    }  # fmt: skip
    for example in re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL):
        exec(example, names)  # noqa: S102  (our own page)
    return names


def test_the_guides_normalizer_reads_a_row_and_keeps_what_it_does_not_know() -> None:
    [normalizer] = run_examples()["register_platforms"]()

    record = normalizer.normalize({"id": "a3", "title": "Untitled (Blue)", "year": "2003", "genre": "Light"}, SEEN)

    assert record.titles[0].facts.year == 2003
    assert record.titles[0].offers[0].region == "DE"
    assert record.unknown == (Unknown("genre", "Light"),)


def test_the_guides_own_test_passes() -> None:
    law = run_examples()["test_any_json_gives_a_record_or_a_reason"]

    settings(max_examples=50, deadline=None)(law)()


def test_the_plugin_registers_the_built_in_platforms() -> None:
    assert tuple(register_platforms()) == BUILT_IN
