"""The end of the gateway: who is told, and when."""

from __future__ import annotations

import anyio


class ShutdownState:
    """Whether the gateway is going down. Implements `services.Shutdown`."""

    def __init__(self) -> None:
        self._draining = anyio.Event()

    @property
    def draining(self) -> anyio.Event:
        """Set when the gateway begins to stop."""
        return self._draining

    def begin(self) -> None:
        """Tell everybody to finish."""
        self._draining.set()
