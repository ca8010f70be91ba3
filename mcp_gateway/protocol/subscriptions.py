"""Who wants to hear that a resource changed, or that what is registered did."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from mcp_gateway.errors import Conflict

# Per subscriber. More than a screen can show, few enough for ten thousand sessions.
MAX_SUBSCRIPTIONS = 1000


class Subscriber(Protocol):
    """One session, as the hub sees it. Both methods are called on the event loop and must not wait."""

    def resource_changed(self, uri: str) -> None:
        """A resource it subscribed to changed."""
        ...

    def lists_changed(self) -> None:
        """Tools, resources or prompts came or went."""
        ...


class Subscriptions:
    """The subscriptions of all sessions. Implements `services.Resources`."""

    def __init__(self) -> None:
        self._uris: dict[Subscriber, set[str]] = {}
        self._by_uri: defaultdict[str, set[Subscriber]] = defaultdict(set)
        self._to_all: set[Subscriber] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    def join(self, subscriber: Subscriber, *, all_resources: bool = False) -> None:
        """Tell it of changes of the lists, and of the resources it will subscribe to, or of all. May be repeated."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._uris.setdefault(subscriber, set())
        if all_resources:
            self._to_all.add(subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        """Forget it and its subscriptions."""
        self._to_all.discard(subscriber)
        for uri in self._uris.pop(subscriber, ()):
            self._drop(subscriber, uri)

    def subscribe(self, subscriber: Subscriber, uri: str) -> None:
        """Tell it when the resource changes. Again changes nothing.

        Raises:
            Conflict: It has too many subscriptions.
        """
        uris = self._uris[subscriber]
        if len(uris) >= MAX_SUBSCRIPTIONS and uri not in uris:
            raise Conflict(f"At most {MAX_SUBSCRIPTIONS} subscriptions at a time; unsubscribe from some.")
        uris.add(uri)
        self._by_uri[uri].add(subscriber)

    def unsubscribe(self, subscriber: Subscriber, uri: str) -> None:
        """No longer tell it. Nothing happens when it never subscribed."""
        if uri in self._uris.get(subscriber, ()):
            self._uris[subscriber].remove(uri)
            self._drop(subscriber, uri)

    def changed(self, uri: str) -> None:
        """A resource changed: tell whoever subscribed. Never waits; may be called from any thread."""

        def tell() -> None:
            for subscriber in self._to_all.union(self._by_uri.get(uri, ())):
                subscriber.resource_changed(uri)

        self._on_loop(tell)

    def lists_changed(self) -> None:
        """Tools, resources or prompts came or went: tell everybody. As `changed`."""

        def tell() -> None:
            for subscriber in tuple(self._uris):
                subscriber.lists_changed()

        self._on_loop(tell)

    def _on_loop(self, tell: Callable[[], None]) -> None:
        if threading.get_ident() == self._thread:
            tell()
        elif self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                self._loop.call_soon_threadsafe(tell)

    def _drop(self, subscriber: Subscriber, uri: str) -> None:
        holders = self._by_uri[uri]
        holders.discard(subscriber)
        if not holders:
            del self._by_uri[uri]
