"""Values to JSON bytes, whatever a handler put into them."""

from __future__ import annotations

import json
from typing import Any

import orjson


def encode(value: Any) -> bytes:
    """Compact JSON in UTF-8, without line breaks.

    Raises:
        ValueError: It holds what JSON has no form for.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return _encode_slowly(value)


def encoded_twice(value: Any) -> tuple[orjson.Fragment, orjson.Fragment]:
    """A value as JSON, and that as a JSON string: both made once, to be put into a message as they are.

    Raises:
        ValueError: As `encode`.
    """
    data = encode(value)
    # All that JSON itself can hold of what a string has to escape; orjson would look at each character again.
    quoted = b'"' + data.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return orjson.Fragment(data), orjson.Fragment(quoted)


def _encode_slowly(value: Any) -> bytes:
    """For what orjson refuses although it is JSON: huge integers, deep nesting; lone surrogates become `?`."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, RecursionError) as error:
        raise ValueError("not a JSON value") from error
    return text.encode("utf-8", "replace")
