"""What the gateway lends each plugin, and what plugins lend one another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast, overload

import anyio

from mcp_gateway.cache.cache import Cache
from mcp_gateway.catalog.events import Event
from mcp_gateway.catalog.platforms import PlatformNormalizer
from mcp_gateway.catalog.store import Catalog
from mcp_gateway.clock import Clock
from mcp_gateway.pagination import Cursors
from mcp_gateway.storage.engine import Database

T = TypeVar("T")
E = TypeVar("E", bound=Event)
Unset = object()


class Events(Protocol):
    """Publishes facts and hears of them. At least once, so handlers are idempotent by the event's id."""

    async def publish(self, event: Event, *, tx: Any = None) -> None:
        """Publish.

        Args:
            event: The fact.
            tx: A connection from `db.transaction()`: the event goes out if, and only if, that commits.
        """
        ...

    def subscribe(
        self, event_type: type[E], handler: Callable[[E], Awaitable[None]], *, group: str | None = None
    ) -> None:
        """Call the handler for every event of the type, until the plugin stops.

        Args:
            event_type: The events wanted.
            handler: Called one event at a time. When it raises, the event comes again, after a pause: `Unavailable`
                without limit, anything else eight times, then the event is logged as given up.
            group: None: on every instance, from now on. A name: once per group, from where it left off; a new group
                begins with the oldest event that is still kept.
        """
        ...

    async def ready(self) -> None:
        """Wait until all subscriptions hear; the gateway does so after a plugin's start. Load state after that."""
        ...


class Background(Protocol):
    """Work that outlives a request. Supervised: what fails is logged and started again, with growing pauses."""

    def start(self, job: Callable[[], Awaitable[None]], *, name: str) -> None:
        """Run a job until it returns or the plugin stops."""
        ...

    def every(self, seconds: float, job: Callable[[], Awaitable[None]], *, name: str) -> None:
        """Run a job now and then: `seconds` after it last ended."""
        ...


class Resources(Protocol):
    """Tells subscribers that a resource changed."""

    def changed(self, uri: str) -> None:
        """Notify whoever subscribed to this URI, on every instance."""
        ...


class Shutdown(Protocol):
    """Whether the gateway is going down."""

    @property
    def draining(self) -> anyio.Event:
        """Set when the gateway begins to stop: finish what you do, start nothing long."""
        ...


@dataclass(slots=True)
class Lent:
    """Services that plugins provide to one another, by type."""

    by_type: dict[type[Any], tuple[str, Any]] = field(default_factory=dict)

    def withdraw(self, plugin: str) -> None:
        """Take back all that a plugin provides."""
        self.by_type = {kind: lent for kind, lent in self.by_type.items() if lent[0] != plugin}


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The gateway's services, as one plugin sees them.

    Attributes:
        plugin: The plugin's name.
        data_dir: A folder of the plugin's own, for files that can be rebuilt.
        cache: Its keys are the plugin's own.
        cursors: Signs the cursors of the plugin's long lists.
        platforms: The normalizers of all plugins, by platform key.
        offer: From now on the plugin registers these capabilities, prompts and routes instead of what its `lifespan`
            yielded; clients are told. Raises `Definition` as at the start, and then changes nothing.
        report_health: From now on `/readyz` and `gateway://health` ask this how the plugin fares: JSON values for those
            who run the gateway, `status` among them. What is not `ok` makes the gateway `degraded`.
        address: Where the gateway listens for HTTP by its settings, e.g. `http://127.0.0.1:8765`.
        one_shot: The gateway runs for one command. Whoever gave it would rather wait than see half: bring what is
            derived up to date before being ready. And do not begin what nobody asked for, such as asking other servers.
    """

    plugin: str
    data_dir: Path
    db: Database
    cache: Cache
    events: Events
    catalog: Catalog
    cursors: Cursors
    background: Background
    resources: Resources
    clock: Clock
    shutdown: Shutdown
    platforms: Mapping[str, PlatformNormalizer]
    offer: Callable[[Iterable[Any]], None]
    report_health: Callable[[Callable[[], Awaitable[Mapping[str, Any]]]], None]
    lent: Lent
    address: str = ""
    one_shot: bool = False

    def provide(self, interface: type[T], service: T) -> None:
        """Lend a service to other plugins, until this one stops.

        Raises:
            ValueError: Another plugin provides it already.
        """
        if interface in self.lent.by_type:
            raise ValueError(f"{interface.__name__} is already provided by {self.lent.by_type[interface][0]!r}")
        self.lent.by_type[interface] = (self.plugin, service)

    @overload
    def get(self, interface: type[T]) -> T: ...
    @overload
    def get(self, interface: type[T], default: T) -> T: ...
    def get(self, interface: type[T], default: Any = Unset) -> T:
        """The service another plugin lends. Ask per request: plugins come and go.

        Raises:
            LookupError: Nobody provides it and no default was given.
        """
        found = self.lent.by_type.get(interface)
        if found is not None:
            return cast(T, found[1])
        if default is Unset:
            raise LookupError(f"no plugin provides {interface.__name__}")
        return cast(T, default)
