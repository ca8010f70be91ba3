"""subscriptions/listen of 2026-07-28: the SDK serves the streams, this feeds them from our hub."""

from __future__ import annotations

from collections.abc import Callable

from mcp.server.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)

from mcp_gateway.protocol.subscriptions import Subscriptions


class ListenBus:
    """Implements the SDK's `SubscriptionBus`."""

    def __init__(self, hub: Subscriptions) -> None:
        self._hub = hub

    async def publish(self, event: ServerEvent) -> None:
        """Tell everybody. The gateway itself tells the hub directly."""
        if isinstance(event, ResourceUpdated):
            self._hub.changed(event.uri)
        else:
            self._hub.lists_changed()

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Feed a stream until the returned function is called."""
        stream = _Stream(listener)
        self._hub.join(stream, all_resources=True)
        return lambda: self._hub.leave(stream)


class _Stream:
    """Implements `Subscriber`. The listener filters and never waits."""

    def __init__(self, listener: Callable[[ServerEvent], None]) -> None:
        self._listener = listener

    def resource_changed(self, uri: str) -> None:
        self._listener(ResourceUpdated(uri))

    def lists_changed(self) -> None:
        for event in (ToolsListChanged(), ResourcesListChanged(), PromptsListChanged()):
            self._listener(event)
