"""What the gateway remembers about one client between its requests, and tells it unasked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from mcp_gateway.call import LOG_LEVELS, LogLevel
from mcp_gateway.clock import Clock
from mcp_gateway.protocol.connection import Connection
from mcp_gateway.protocol.subscriptions import Subscriptions

log = logging.getLogger(__name__)

LISTS_CHANGED = (
    "notifications/tools/list_changed",
    "notifications/resources/list_changed",
    "notifications/prompts/list_changed",
)
# A tool that logs in a loop must not fill the client's context or the connection.
LOG_MESSAGES_PER_SECOND = 100.0
LOG_MESSAGES_AT_ONCE = 200.0

Spawn = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


class Session:
    """One client. Implements `subscriptions.Subscriber`.

    Args:
        connection: The SDK's side of it.
        hub: Where subscriptions are kept.
        spawn: Runs a task that outlives the request.

    Attributes:
        log_level: Least severe level that is sent.
        roots: The client's roots once asked for; None: to be asked.
    """

    def __init__(self, connection: Connection, hub: Subscriptions, clock: Clock, spawn: Spawn) -> None:
        self.log_level: LogLevel = "info"
        self.roots: list[str] | None = None
        self._connection = connection
        self._hub = hub
        self._spawn = spawn
        self._clock = clock
        self._log_budget = LOG_MESSAGES_AT_ONCE
        self._log_at = clock.monotonic()
        self._changed_uris: dict[str, None] = {}
        self._lists_changed = False
        self._telling = False
        self._joined = False

    def join(self) -> None:
        """From now on tell the client of changes, until it leaves. Again changes nothing."""
        if not self._joined:
            self._joined = True
            self._hub.join(self)
            self._connection.exit_stack.callback(self._hub.leave, self)

    def subscribe(self, uri: str) -> None:
        """Tell the client when the resource changes. Raises Conflict when there are too many."""
        self.join()
        self._hub.subscribe(self, uri)

    def unsubscribe(self, uri: str) -> None:
        """No longer tell it."""
        self._hub.unsubscribe(self, uri)

    def wants_log(self, level: LogLevel) -> bool:
        """Whether a message of this level is sent: it is severe enough, and not one of too many."""
        if LOG_LEVELS.index(level) < LOG_LEVELS.index(self.log_level):
            return False
        now = self._clock.monotonic()
        refilled = self._log_budget + (now - self._log_at) * LOG_MESSAGES_PER_SECOND
        self._log_budget, self._log_at = min(refilled, LOG_MESSAGES_AT_ONCE), now
        if self._log_budget < 1:
            return False
        self._log_budget -= 1
        return True

    def resource_changed(self, uri: str) -> None:
        """Tell the client, once, however often it changes until the client reads."""
        self._changed_uris[uri] = None
        self._start_telling()

    def lists_changed(self) -> None:
        """Tell the client to list again, once."""
        self._lists_changed = True
        self._start_telling()

    def _start_telling(self) -> None:
        if not self._telling:
            self._telling = True
            self._spawn(self._tell)

    async def _tell(self) -> None:
        try:
            while self._lists_changed or self._changed_uris:
                if self._lists_changed:
                    self._lists_changed = False
                    for method in LISTS_CHANGED:
                        await self._connection.notify(method, None)
                else:
                    uri = self._changed_uris.popitem()[0]
                    await self._connection.notify("notifications/resources/updated", {"uri": uri})
        except Exception:
            log.exception("a client could not be told of a change")
        finally:
            self._telling = False
