"""CloudEvents 1.0 in JSON: how an event looks in Redis and Kafka, to us and to other systems.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from mcp_gateway.bus.bus import Envelope

CONTENT_TYPE = "application/cloudevents+json"


def encode(event: Envelope) -> bytes:
    """The event in structured mode: one JSON object."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": event.id,
            "source": event.source,
            "type": event.type,
            "subject": event.subject,
            "time": event.time.astimezone(UTC).isoformat(timespec="microseconds"),
            "datacontenttype": "application/json",
            "data": event.data,
        }
    )


def decode(message: bytes) -> Envelope:
    """Read an event. Attributes that are not ours are ignored.

    Raises:
        ValueError: It is not a CloudEvent of version 1 with JSON data. The message quotes nothing of it.
    """
    try:
        fields = orjson.loads(message)
    except orjson.JSONDecodeError:
        raise ValueError("not JSON") from None
    if not isinstance(fields, dict) or not str(fields.get("specversion")).startswith("1."):
        raise ValueError("not a CloudEvent of version 1")
    return Envelope(
        id=_text(fields, "id"),
        type=_text(fields, "type"),
        source=_text(fields, "source"),
        subject=_text(fields, "subject", optional=True),
        time=_time(fields),
        data=_data(fields),
    )


def _text(fields: dict[str, Any], name: str, *, optional: bool = False) -> str:
    value = fields.get(name, "" if optional else None)
    if not isinstance(value, str):
        raise ValueError(f"{name} is missing or not text")
    return value


def _time(fields: dict[str, Any]) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(fields, "time"))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError("time is missing or not a timestamp") from None


def _data(fields: dict[str, Any]) -> dict[str, Any]:
    data = fields.get("data", {})
    if not isinstance(data, dict):
        raise ValueError("data is not an object")
    return data
