"""Uvicorn's HTTP/1.1 with an end to everything: how long a head is, how late a request, how slow a reader.

Uvicorn with httptools reads heads of any length, waits for a request for ever, and keeps what a client does not read.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from mcp_gateway.transports.problem import problem
from mcp_gateway.transports.security import PROTECTION

if sys.platform != "win32":
    import resource

log = logging.getLogger(__name__)

# Requests sent ahead while one is answered. Each costs 3 KB, and 14,000 small ones fit into what is read at once.
MAX_PIPELINED = 100
# What a field costs besides its text, as HTTP/2 counts it (RFC 9113, 6.5.2): many short ones are not cheap either.
FIELD_BYTES = 32
# Files that are open besides connections: of the database, of plugins, and what talks to other servers.
OWN_FILES = 128


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one connection may ask for, and how many there may be. Seconds are waited for it to come, or to be read."""

    max_connections: int
    max_requests: int
    max_header_bytes: int
    header_seconds: float
    body_seconds: float
    slow_reader_seconds: float


class _Refused(Exception):
    """The request breaks a limit."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class _Awaited(Enum):
    """What is to come next on a connection."""

    REQUEST = "request"
    HEAD = "head"
    BODY = "body"


def connections_at_most(wanted: int) -> int:
    """How many connections there can be: each needs a file descriptor, of which the system is asked for enough.

    Without this limit the database would be the first that cannot open a file.
    """
    if sys.platform == "win32":
        return wanted
    needed, (soft, hard) = wanted + OWN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    granted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with suppress(ValueError, OSError):  # some systems grant less than they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
    granted, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if granted < needed:
        log.warning("the system allows fewer connections than http.max_connections", extra={"open_files": granted})
    return min(wanted, max(1, granted - OWN_FILES))


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        limits: Whoever breaks one is answered and cut off.
        args: As uvicorn gives them.
        options: As uvicorn gives them.
    """

    def __init__(self, *args: Any, limits: ConnectionLimits, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limits = limits
        self.url, self.headers = b"", []  # uvicorn sets them with the first request
        self._begun = 0
        self._awaited = _Awaited.REQUEST
        self._timed = (0, _Awaited.REQUEST)
        self._parsed = False
        self._unparsed_bytes = 0
        self._refusal: _Refused | None = None
        self._late: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None
        self._unread_bytes = 0
        self._seconds_left_for = {
            _Awaited.REQUEST: None,  # then uvicorn counts
            _Awaited.HEAD: limits.header_seconds,
            _Awaited.BODY: limits.body_seconds,
        }

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Take it, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.max_connections:
            self._refuse(_Refused(503, "Too many open connections."))
        else:
            self._expect_within(self._limits.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        for timer in (self._late, self._stuck):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and see that the rest comes in time."""
        self._parsed = False
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._awaited is not _Awaited.REQUEST or not self._parsed:
            self._bound_unfinished(len(data))
        if self._timed != (self._begun, self._awaited):
            self._timed = (self._begun, self._awaited)
            self._expect_within(self._seconds_left_for[self._awaited])
        elif self._late is None:  # blank lines: uvicorn no longer minds that no request comes
            self._expect_within(self._limits.header_seconds)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._begun += 1
        self._awaited = _Awaited.HEAD
        self._parsed = True

    def on_headers_complete(self) -> None:
        """Its head is complete."""
        if self._head_bytes() > self._limits.max_header_bytes:
            self._give_up(self._too_large())
        super().on_headers_complete()
        self._awaited = _Awaited.BODY
        if len(self.pipeline) > MAX_PIPELINED:
            self._give_up(_Refused(429, "Too many requests were sent ahead of their answers."))

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        self._parsed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it is there."""
        super().on_message_complete()
        self._awaited = _Awaited.REQUEST

    def send_400_response(self, msg: str) -> None:
        """The parser gave up: at our word, or because it is no HTTP."""
        self._refuse(self._refusal or _Refused(400, msg))

    def on_response_complete(self) -> None:
        """An answer was written. Closing waits for it to be read."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_reader()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came for long."""
        super().timeout_keep_alive_handler()
        self._watch_reader()

    def pause_writing(self) -> None:
        """More waits to be read by the client than it took."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """It took enough."""
        super().resume_writing()
        if self._stuck is not None and not self.transport.is_closing():
            self._stuck.cancel()
            self._stuck = None

    def _bound_unfinished(self, size: int) -> None:
        """Refuse a head that is too long already; and what is no part of a request, or never ends."""
        self._unparsed_bytes = 0 if self._parsed else self._unparsed_bytes + size
        if max(self._unparsed_bytes, self._head_bytes()) > self._limits.max_header_bytes:
            self._refuse(self._too_large())

    def _head_bytes(self) -> int:
        """What came of the head so far, and of a trailer."""
        return len(self.url) + sum([FIELD_BYTES + len(name) + len(value) for name, value in self.headers])

    def _too_large(self) -> _Refused:
        return _Refused(431, f"The head of a request may have at most {self._limits.max_header_bytes} bytes.")

    def _give_up(self, refusal: _Refused) -> None:
        """Stop the parser, which then calls `send_400_response`."""
        self._refusal = refusal
        raise refusal

    def _refuse(self, refusal: _Refused) -> None:
        """Answer, where this cannot be taken for the answer to an earlier request; and hang up."""
        log.info("a request was refused", extra={"status": refusal.status, "detail": refusal.detail})
        if self._is_answering():
            self.transport.abort()
            return
        self.transport.write(self._written(problem(refusal.status, refusal.detail, headers={"Connection": "close"})))
        self.transport.close()
        self._watch_reader()

    def _is_answering(self) -> bool:
        if self.cycle is None or self.cycle.response_complete:
            return False
        return bool(self.pipeline) or self.cycle.response_started or self._awaited is not _Awaited.BODY

    def _written(self, response: Response) -> bytes:
        fields = [*self.server_state.default_headers, *response.raw_headers]
        fields += [(name.encode(), value.encode()) for name, value in PROTECTION.items()]
        head = b"".join(b"%s: %s\r\n" % field for field in fields)
        return STATUS_LINE[response.status_code] + head + b"\r\n" + bytes(response.body)

    def _expect_within(self, seconds: float | None) -> None:
        if self._late is not None:
            self._late.cancel()
        self._late = None if seconds is None else self.loop.call_later(seconds, self._hang_up_on_late, seconds)

    def _hang_up_on_late(self, seconds: float) -> None:
        self._late = None
        if self.flow.read_paused:  # it is us who do not read
            self._expect_within(seconds)
        elif not self.transport.is_closing():
            self._refuse(_Refused(408, f"The request did not come within {seconds:g} seconds."))

    def _watch_reader(self) -> None:
        self._unread_bytes = self.transport.get_write_buffer_size()
        if self._stuck is None and self._unread_bytes:
            self._stuck = self.loop.call_later(self._limits.slow_reader_seconds, self._hang_up_on_stuck)

    def _hang_up_on_stuck(self) -> None:
        self._stuck = None
        before = self._unread_bytes
        if self.transport.get_write_buffer_size() < before:
            self._watch_reader()
        else:
            log.warning("a client stopped reading and was cut off", extra={"unread_bytes": before})
            self.transport.abort()
