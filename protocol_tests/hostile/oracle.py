"""What a server owes for what it was sent, by the rules alone: JSON-RPC 2.0 as MCP narrows it, and nothing of ours."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

MAX_BATCH = 1000
MAX_SAFE_ID = 2**63

Key = tuple[str, Any]
NULL: Key = ("null", None)


@dataclass(frozen=True, slots=True)
class Owed:
    """What has to come for one framed text.

    Attributes:
        answers: One answer for each; any of its ids will do. The one that is its own comes first.
        is_batch: They come as one array.
        cancels: The request that need not be answered any more.
    """

    answers: list[tuple[Key, ...]] = field(default_factory=list)
    is_batch: bool = False
    cancels: list[Key] = field(default_factory=list)


class NotJson(Exception):
    """The text is not one JSON value in UTF-8."""


class _Infinite(Exception):
    """A number is larger than a double: some read it, some do not."""


def owed_for(text: bytes) -> Owed:
    """What is owed for a line or a body."""
    try:
        value = read(text)
    except (NotJson, _Infinite):
        return Owed([(NULL,)])
    if not isinstance(value, list):
        return _owed_for_one(value)
    if not 0 < len(value) <= MAX_BATCH:
        return Owed([(NULL,)])
    members = [_owed_for_one(member) for member in value]
    answers = [answer for member in members for answer in member.answers]
    return Owed(answers, is_batch=bool(answers), cancels=[key for member in members for key in member.cancels])


def read(text: bytes) -> Any:
    """The value, read strictly. Raises NotJson."""
    try:
        value = json.loads(text.decode("utf-8"), parse_constant=_refuse, parse_int=_whole_number, parse_float=_fraction)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # a lone surrogate stands for no character
    except (ValueError, RecursionError) as error:
        raise NotJson from error
    return value


def key_of(request_id: object) -> Key:
    """An id that differs from those of other types."""
    return NULL if request_id is None else (type(request_id).__name__, request_id)


def _owed_for_one(value: Any) -> Owed:
    if not isinstance(value, dict):
        return Owed([(NULL,)])
    if "method" not in value and ("result" in value or "error" in value):
        return Owed()
    well_formed = value.get("jsonrpc") == "2.0" and isinstance(value.get("method"), str)
    if "id" not in value:
        if not well_formed:
            return Owed([(NULL,)])
        return Owed(cancels=_cancelled(value))
    request_id = value["id"]
    if isinstance(request_id, bool) or not isinstance(request_id, str | int):
        return Owed([(NULL,)])
    key = key_of(request_id)
    is_beyond = isinstance(request_id, int) and abs(request_id) >= MAX_SAFE_ID
    return Owed([(key, NULL) if is_beyond else (key,)])


def _cancelled(notification: dict[str, Any]) -> list[Key]:
    params = notification.get("params")
    if notification["method"] != "notifications/cancelled" or not isinstance(params, dict):
        return []
    request_id = params.get("requestId")
    is_id = isinstance(request_id, str | int) and not isinstance(request_id, bool)
    return [key_of(request_id)] if is_id else []


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) < 300 else _fraction(digits)


def _fraction(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _Infinite
    return number
