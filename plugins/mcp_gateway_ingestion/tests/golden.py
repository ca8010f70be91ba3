"""The golden corpus of the normalizers: payloads in the shapes of the platforms, and what is to be made of them.

A file has `about`, `payload`, `seen` (the sighting) and `expected`. The expected result is either
`{"rejected": reason}` or `{"titles": […], "unknown": […]}`, in which what has its default value is left out.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from mcp_gateway.catalog.platforms import PlatformRecord, Rejected, Sighting

CORPUS = Path(__file__).resolve().parents[3] / "fixtures" / "platforms"


@dataclass(frozen=True, slots=True)
class Golden:
    """A payload and what is to be made of it.

    Attributes:
        name: The platform's key and the file's name.
    """

    name: str
    payload: Any
    seen: Sighting
    expected: Any


def read_golden(path: Path) -> Golden:
    """Read a file of the corpus."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    seen = Sighting(observed_at=datetime.fromisoformat(raw["seen"]["observed_at"]), region=raw["seen"]["region"])
    return Golden(f"{path.parent.name}/{path.stem}", raw["payload"], seen, raw["expected"])


def goldens(key: str) -> list[Golden]:
    """The corpus of a platform, by file name."""
    return [read_golden(path) for path in sorted((CORPUS / key).glob("*.json"))]


def plain(result: PlatformRecord | Rejected) -> Any:
    """A result as it stands in the files."""
    if isinstance(result, Rejected):
        return {"rejected": result.reason}
    unknown = [[note.field, note.value] for note in result.unknown]
    return {"titles": [_plain(title) for title in result.titles], "unknown": unknown}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {f.name: _plain(got) for f in fields(value) if (got := getattr(value, f.name)) != _default(f)}
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in sorted(value.items())}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, date | datetime) else value


def _default(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default
