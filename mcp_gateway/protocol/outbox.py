"""Messages waiting to be written to one client."""

from __future__ import annotations

import asyncio

# What may wait before whoever produces more has to: a few large answers.
HIGH_BYTES = 1024 * 1024
# What may wait for each of many clients, when too much waits for all of them.
LOW_BYTES = 64 * 1024


class Signal:
    """Wakes everybody who waits for something to change; they look again whether it did."""

    def __init__(self) -> None:
        # An event is large, and most are never waited for. Anyio's takes several times as long to make.
        self._event: asyncio.Event | None = None

    def wake(self) -> None:
        """Something changed."""
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        """Wait for the next change."""
        self._event = self._event or asyncio.Event()
        await self._event.wait()


class Line:
    """Those who wait for one of several places, first come first served."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Event] = []

    def wake_first(self) -> None:
        """A place is free."""
        if self._waiting:
            self._waiting.pop(0).set()

    def wake_all(self) -> None:
        """Nobody has to wait any longer."""
        while self._waiting:
            self.wake_first()

    async def wait(self) -> None:
        """Wait for a free place; somebody else may still be quicker."""
        place = asyncio.Event()
        self._waiting.append(place)
        try:
            await place.wait()
        except BaseException:
            if place in self._waiting:
                self._waiting.remove(place)
            else:
                self.wake_first()  # it was ours, and we no longer want it
            raise


class Shared:
    """What waits for many clients together. When it is too much, each may have less: those who read do not notice."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.waiting_bytes = 0

    @property
    def is_full(self) -> bool:
        """Too much waits."""
        return self.waiting_bytes >= self._max_bytes


class Outbox:
    """Takes messages without ever blocking, gives them out in order, and makes producers wait when it is full.

    It is bounded because everybody who can produce without end awaits `room()` first. Implements `dispatcher.Channel`.

    Args:
        high_bytes: What may wait before producers have to.
        shared: Counts it with that of other clients.
    """

    detach = None

    def __init__(self, high_bytes: int = HIGH_BYTES, shared: Shared | None = None) -> None:
        self._high_bytes = high_bytes
        self._shared = shared or Shared(high_bytes)
        self._messages: list[bytes] = []
        self._waiting_bytes = 0
        self._in_hand_bytes = 0
        self._filled = Signal()
        self._eased = Signal()
        self.closed = False

    def put(self, message: bytes) -> None:
        """Queue a message. After `close()` it is dropped: nobody is there to read it."""
        if self.closed:
            return
        self._messages.append(message)
        self._waiting_bytes += len(message)
        self._shared.waiting_bytes += len(message)
        self._filled.wake()

    async def send(self, message: bytes) -> None:
        """Queue a message once there is room."""
        await self.room()
        self.put(message)

    async def room(self) -> None:
        """Wait until there is room for more, or the client is gone."""
        if self._waiting_bytes >= LOW_BYTES:
            await asyncio.sleep(0)  # lets it be written, so that the client reads while the next is made
        while self._is_full and not self.closed:
            await self._eased.wait()

    async def take(self) -> list[bytes]:
        """Everything that waits, at least one message; empty when closed. What was taken before counts as written."""
        self._written()
        while not self._messages and not self.closed:
            await self._filled.wait()
        messages, self._messages = self._messages, []
        self._in_hand_bytes, self._waiting_bytes = self._waiting_bytes, 0
        return messages

    async def drained(self) -> None:
        """Wait until all has been written, or the client is gone."""
        while self._size and not self.closed:
            await self._eased.wait()

    def close(self) -> None:
        """The client is gone: whoever waits goes on, and what waits is dropped."""
        self.closed = True
        self._messages.clear()
        self._shared.waiting_bytes -= self._waiting_bytes
        self._waiting_bytes = 0
        self._filled.wake()
        self._written()

    @property
    def _size(self) -> int:
        return self._waiting_bytes + self._in_hand_bytes

    @property
    def _is_full(self) -> bool:
        return self._size >= self._high_bytes or (self._shared.is_full and self._size >= LOW_BYTES)

    def _written(self) -> None:
        self._shared.waiting_bytes -= self._in_hand_bytes
        self._in_hand_bytes = 0
        self._eased.wake()
