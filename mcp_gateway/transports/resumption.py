"""What a session of streamable HTTP sent lately: a client that lost its stream asks for the rest with Last-Event-ID."""

from __future__ import annotations

from collections import deque

from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCResponse

# The answers to a few requests at a time, or one answer and the progress before it. Each session holds as many.
MAX_EVENTS = 16


class SentEvents(EventStore):
    """The last events of one session. Made for each session: the SDK would share one, and mix up their streams."""

    def __init__(self) -> None:
        self._events: deque[tuple[int, str, JSONRPCMessage | None]] = deque(maxlen=MAX_EVENTS)
        self._last = 0

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Keep an event; its id. Without a message it only marks where a stream begins."""
        self._last += 1
        self._events.append((self._last, stream_id, message))
        return f"{stream_id}/{self._last}"

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send again what followed on the same stream.

        Returns:
            The stream, if more will come on it. None when its answer is among what was sent, or nothing is left of it.
        """
        stream_id, _, number = last_event_id.rpartition("/")
        if (
            not number.isdecimal()
            or int(number) > self._last
            or all(stream != stream_id for _, stream, _ in self._events)
        ):
            return None
        is_over = False
        for event, stream, message in tuple(self._events):
            if stream == stream_id and event > int(number) and message is not None:
                await send_callback(EventMessage(message, f"{stream_id}/{event}"))
                is_over = isinstance(message, JSONRPCResponse | JSONRPCError)
        return None if is_over else stream_id
