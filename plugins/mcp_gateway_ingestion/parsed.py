"""What a record of a file says, before the catalogue sees it; the same for every format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from mcp_gateway.catalog.models import TitleFacts, TitleId


class BadRecord(ValueError):
    """A record cannot be used. The message names the fields and says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class ParsedTitle:
    """A title that a record speaks of.

    Attributes:
        key: Its id within the source.
        facts: What the record says.
        own_id: Keep this as our id when the title is first seen here.
        parent_key: For a season its series, for an episode its season or series, by the source's id.
        variant: Which of the source's kinds of answers it stands in; each is remembered by itself, so that they do not
            take turns in overwriting one another. Empty for sources that have but one.
        unknown_fields: Names that the format does not have; their values are dropped.
    """

    key: str
    facts: TitleFacts
    own_id: TitleId | None = None
    parent_key: str | None = None
    variant: str = ""
    unknown_fields: tuple[str, ...] = ()


Parse = Callable[[bytes], Sequence[ParsedTitle]]
"""Reads a record: the titles that it speaks of, a parent before its children. Raises BadRecord."""


def loads(raw: bytes) -> Any:
    """Read JSON.

    Raises:
        BadRecord: It is not UTF-8, or not JSON.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRecord(_why_not_json(raw, error)) from None


def load_object(raw: bytes) -> dict[str, Any]:
    """Read a JSON object in which no text contains NUL.

    Raises:
        BadRecord: It is none.
    """
    value = loads(raw)
    if not isinstance(value, dict):
        raise BadRecord("must be a JSON object")
    if rb"\u0000" in raw:
        refuse_nul(value)
    return value


def refuse_nul(value: Any) -> None:
    """Refuse a JSON value in which a text contains NUL, which PostgreSQL cannot keep.

    Raises:
        BadRecord: Names the field.
    """
    try:
        path = _path_of_nul(value)
    except RecursionError:
        raise BadRecord("nested too deeply") from None
    if path is not None:
        raise BadRecord(f"{path[:100]}: must not contain the character NUL")


def _path_of_nul(value: Any, path: str = "") -> str | None:
    if isinstance(value, str):
        return path if "\0" in value else None
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if "\0" in str(key):
            return path or "a field's name"
        found = _path_of_nul(inner, f"{path}.{key}" if path else str(key))
        if found is not None:
            return found
    return None


def _why_not_json(raw: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as fault:
        return f"not UTF-8: byte {fault.start + 1} of the line"
    return f"not valid JSON: {error.msg} (column {error.colno})"
