"""Who did what: a line for each call, apart from the logs, which come and go with what somebody wants to know."""

from __future__ import annotations

import hmac
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import orjson

from mcp_gateway.call import LOCAL, Caller
from mcp_gateway.clock import Clock
from mcp_gateway.errors import GatewayError
from mcp_gateway.settings import AuditSection

log = logging.getLogger(__name__)

DIGEST_CHARS = 32
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


class Audit:
    """Appends lines of JSON to a file that only its owner reads; a full one is kept beside, and the oldest dropped.

    Arguments are told by a keyed digest: the same ones have the same, and nobody guesses them from it.

    Args:
        key: Of the digest.
    """

    def __init__(self, path: Path, key: bytes, clock: Clock, settings: AuditSection) -> None:
        self._key = key
        self._clock = clock
        self._callers = settings.callers
        self._file = _File(path, settings)

    def wants(self, caller: Caller) -> bool:
        """Whether calls of this caller are noted."""
        return self._callers == "all" or (self._callers == "signed_in" and caller is not LOCAL)

    @contextmanager
    def noting(self, caller: Caller, tool: str, arguments: Mapping[str, Any]) -> Iterator[None]:
        """Note what is done in the block, and how it ends: `ok`, the reason of the error, or `cancelled`."""
        begun, outcome = self._clock.monotonic(), "cancelled"
        try:
            yield
            outcome = "ok"
        except GatewayError as error:
            outcome = error.reason
            raise
        finally:
            entry = {
                "time": self._clock.now().isoformat(timespec="milliseconds"),
                "caller": caller.id,
                "sign_in": caller.sign_in,
                "tool": tool,
                "arguments": self._digest(arguments),
                "outcome": outcome,
                "ms": round((self._clock.monotonic() - begun) * 1000, 1),
            }
            self._file.write(orjson.dumps(entry).decode())

    def close(self) -> None:
        """No more will come."""
        self._file.close()

    def _digest(self, arguments: Mapping[str, Any]) -> str:
        try:
            text = orjson.dumps(dict(arguments), option=_CANONICAL)
        except orjson.JSONEncodeError:  # numbers beyond 64 bits, lone surrogates, nested too deeply
            text = ",".join(sorted(map(str, arguments))).encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, "sha256").hexdigest()[:DIGEST_CHARS]


class _File(RotatingFileHandler):
    """The file; opened with the first line."""

    def __init__(self, path: Path, settings: AuditSection) -> None:
        super().__init__(
            path, maxBytes=settings.max_bytes, backupCount=settings.files - 1, encoding="utf-8", delay=True
        )
        self._failed = False

    def write(self, line: str) -> None:
        self.handle(logging.LogRecord("audit", logging.INFO, "", 0, line, None, None))

    def _open(self) -> Any:
        return open(
            self.baseFilename, self.mode, encoding=self.encoding, opener=lambda path, flags: os.open(path, flags, 0o600)
        )

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 — the name that logging calls
        """A call does not fail because it cannot be noted, but its operator hears of it."""
        if not self._failed:
            log.error("the audit log cannot be written", exc_info=True)
        self._failed = True
