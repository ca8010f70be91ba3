"""Times as families keep them: milliseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(time_ms: int) -> datetime:
    """A time: aware, UTC."""
    return _EPOCH + timedelta(milliseconds=time_ms)


def milliseconds(time: datetime) -> int:
    """An aware time in milliseconds since 1970."""
    return (time - _EPOCH) // timedelta(milliseconds=1)
