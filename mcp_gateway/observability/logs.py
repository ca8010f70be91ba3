"""Logs: to standard error, as text or one JSON object a line, with the context of the request they belong to."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

from mcp_gateway.settings import LogSection

_context: ContextVar[dict[str, Any]] = ContextVar("log_context", default={})  # noqa: B039 - never changed in place

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SECRET_WORDS = ("secret", "password", "token", "authorization", "cookie", "api_key")
HIDDEN = "[hidden]"
MAX_VALUE_CHARS = 2000

# Libraries that talk more than an operator wants to hear.
_QUIET = (
    "alembic", "aiosqlite", "asyncio", "aiokafka", "httpcore2", "httpx", "httpx2", "mcp", "sqlalchemy",
    "uvicorn.access",
)  # fmt: skip


@contextmanager
def log_context(**fields: Any) -> Iterator[None]:
    """Add fields to everything that is logged inside: request, session, tool, plugin."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def configure(settings: LogSection, stream: TextIO | None = None) -> None:
    """Send all logs of the process to standard error, or the given stream."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """The facts of a record: context and `extra`, secrets hidden by their names."""
    extra = {name: value for name, value in vars(record).items() if name not in _PLAIN}
    return {
        name: HIDDEN if _is_secret(name) else _clipped(value) for name, value in {**_context.get(), **extra}.items()
    }


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the facts."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return orjson.dumps(entry, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class TextFormatter(logging.Formatter):
    """For people: time, level, message, and the facts as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and the traceback below it."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        facts = "".join(f" {name}={_one_line(value)}" for name, value in fields_of(record).items())
        text = f"{time} {record.levelname.lower():7} {_one_line(record.getMessage())}{facts}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def _clipped(value: Any) -> Any:
    return f"{value[:MAX_VALUE_CHARS]}…" if isinstance(value, str) and len(value) > MAX_VALUE_CHARS else value


def _one_line(value: object) -> str:
    """A value that can neither begin a line of its own nor speak to the terminal."""
    text = _clipped(str(value))
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET_WORDS)
