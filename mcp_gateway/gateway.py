"""The gateway, assembled: settings, services and plugins. It has no global state; tests run several at once."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import anyio

from mcp_gateway import __version__, builtin
from mcp_gateway.audit import Audit
from mcp_gateway.background import BackgroundJobs
from mcp_gateway.bus.bus import Bus
from mcp_gateway.bus.events import EventService
from mcp_gateway.bus.open import open_bus
from mcp_gateway.cache.cache import Cache
from mcp_gateway.cache.open import open_cache, prefixed
from mcp_gateway.catalog.store import Catalog
from mcp_gateway.clock import Clock, SystemClock
from mcp_gateway.errors import GatewayError, StorageError, Unavailable
from mcp_gateway.interfaces import Authenticator
from mcp_gateway.limits import RateLimit
from mcp_gateway.pagination import Cursors, load_or_create_secret
from mcp_gateway.plugin_discovery import Plugin, discover
from mcp_gateway.plugin_manager import PluginManager
from mcp_gateway.protocol.subscriptions import Subscriptions
from mcp_gateway.registry import Registry
from mcp_gateway.services import Lent, Services
from mcp_gateway.settings import Settings
from mcp_gateway.shutdown import ShutdownState
from mcp_gateway.storage.engine import Database, open_database
from mcp_gateway.storage.migrations import CORE_BRANCH, migrate

log = logging.getLogger(__name__)

T = TypeVar("T")

REPORT_SECONDS = 5
"""So long a plugin may take to say how it fares."""

_INSTRUCTIONS = (
    "Media Gateway knows films and series: what they are about, who made them, where they can be watched.",
    ("search_titles", "To find titles by words, people, genre or year, use search_titles."),
    ("resolve_title", "When a user names one title, use resolve_title first: names are shared by several works."),
    ("get_titles", "Ids such as tt0468569 come from those answers; get_titles tells more about them."),
    "Lists are paged: pass next_cursor back as cursor, with all other arguments unchanged.",
)


class Gateway:
    """One gateway. `async with Gateway(settings).running() as gateway` serves until the block is left.

    Args:
        settings: All settings.
        plugins: Instead of the installed ones: modules or objects with hooks, for tests.
        only: Start no other plugins than these.
        platforms_of_all: Of the others too, the platforms that they can read are there.
        one_shot: It runs for one command; see `Services.one_shot`.
        clock: Instead of the machine's.
    """

    db: Database
    cache: Cache
    bus: Bus
    events: EventService
    catalog: Catalog
    cursors: Cursors
    background: BackgroundJobs

    def __init__(
        self,
        settings: Settings,
        plugins: Sequence[Any] | None = None,
        *,
        only: Collection[str] | None = None,
        platforms_of_all: bool = False,
        one_shot: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.registry = Registry(
            profile=settings.gateway.profile,
            call_seconds=settings.gateway.call_seconds,
            rate_limit=RateLimit(settings.limits, self.clock),
        )
        self.resources = Subscriptions()
        self.shutdown = ShutdownState()
        self._lent = Lent()
        self._reports: dict[str, Callable[[], Awaitable[Mapping[str, Any]]]] = {}
        self._given = plugins
        self._only = only
        self._platforms_of_all = platforms_of_all
        self._one_shot = one_shot
        self.plugins: list[Plugin] = []

    @property
    def instructions(self) -> str:
        """What clients are told about using the gateway; names only tools that are offered."""
        offered = {registered.capability.name for registered in self.registry.tools()}
        lines = (line if isinstance(line, str) else line[1] for line in _INSTRUCTIONS if _applies(line, offered))
        return " ".join(lines)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Gateway]:
        """Open the services, start the plugins, and take all of it down again.

        Raises:
            StartupError: The gateway cannot start; the message says what to do.
        """
        async with AsyncExitStack() as stack:
            await self._open_services(stack)
            manager = PluginManager(self._found(), self.settings, self.registry, migrate=self._migrate, lend=self._lend)
            self.plugins = manager.plugins
            self.registry.add("gateway", builtin.capabilities(lambda: self.plugins, self.health))
            if not self._platforms_of_all:
                self._leave_others_out()
            await manager.load()
            self._platforms = manager.platforms
            self._leave_others_out()
            await stack.enter_async_context(manager.running())
            yield self

    @property
    def authenticator(self) -> Authenticator | None:
        """Says who sends an HTTP request; None where nobody has to sign in."""
        lent = self._lent.by_type.get(Authenticator)
        return None if lent is None else cast(Authenticator, lent[1])

    def provided(self, interface: type[T]) -> T:
        """A service that a plugin provides.

        Raises:
            Unavailable: No running plugin does.
        """
        lent = self._lent.by_type.get(interface)
        if lent is None:
            told, aside = "No running plugin offers this.", [plugin for plugin in self.plugins if plugin.reason]
            raise Unavailable(
                " ".join([told, *(f"{plugin.name}: {plugin.reason}" for plugin in aside)]),
                for_operator=" ".join([told, *(f"{plugin.name}: {plugin.for_operator}" for plugin in aside)]),
            )
        return cast(T, lent[1])

    async def health(self) -> dict[str, Any]:
        """How the gateway fares: status (`ok`, `degraded`, `draining`), and each part."""
        jobs = self.background.health()
        parts: dict[str, Any] = {
            "database": await _answers(self.db.ping),
            "cache": await _answers(self.cache.ping),
            "events": await self._events_health(),
            "jobs": [asdict(job) for job in jobs],
            "plugins": builtin.states_of(self.plugins).model_dump(exclude_none=True)["plugins"],
            "details": {name: await _reported(name, report) for name, report in sorted(self._reports.items())},
        }
        services = (parts["database"], parts["cache"], parts["events"]["status"])
        well = all(part == "ok" for part in services) and all(job.is_well for job in jobs)
        well = well and not any(plugin.reason for plugin in self.plugins)
        well = well and all(report.get("status") == "ok" for report in parts["details"].values())
        status = "draining" if self.shutdown.draining.is_set() else "ok" if well else "degraded"
        return {"status": status, "version": __version__, **parts}

    async def _events_health(self) -> dict[str, Any]:
        try:
            health = await self.events.health()
        except GatewayError as error:
            return {"status": error.message}
        return {"status": "ok" if health.is_well else "degraded", **asdict(health)}

    def _found(self) -> list[Plugin]:
        return discover(self.settings.gateway.plugins_dir) if self._given is None else as_plugins(self._given)

    def _leave_others_out(self) -> None:
        for plugin in self.plugins:
            if self._only is not None and plugin.name not in self._only:
                plugin.state = "disabled"

    async def _open_services(self, stack: AsyncExitStack) -> None:
        settings = self.settings
        make_data_dir(settings.gateway.data_dir)
        self.db = await stack.enter_async_context(
            open_database(
                settings.database_url,
                pool_size=settings.storage.pool_size,
                busy_seconds=settings.storage.busy_seconds,
            )
        )
        await migrate(self.db, dict([CORE_BRANCH]))
        self.cache = await stack.enter_async_context(
            open_cache(settings.cache.url, clock=self.clock, max_entries=settings.cache.max_entries)
        )
        self.bus = await stack.enter_async_context(
            open_bus(settings.events.url, clock=self.clock, retention_hours=settings.events.retention_hours)
        )
        self.background = await stack.enter_async_context(BackgroundJobs(self.clock))
        self.events = await stack.enter_async_context(
            EventService(
                self.db,
                self.bus,
                self.clock,
                poll_seconds=settings.events.poll_seconds,
                retention_hours=settings.events.retention_hours,
            )
        )
        self.catalog = Catalog(self.db, self.clock)
        self.cursors = Cursors(self._cursor_keys(), self.clock, hours=settings.pagination.cursor_hours)
        audit = Audit(
            settings.gateway.data_dir / "audit.jsonl", self.cursors.keys_for("audit")[0], self.clock, settings.audit
        )
        stack.callback(audit.close)
        self.registry.audit = audit

    def _cursor_keys(self) -> list[bytes]:
        """The first signs; cursors of the others are still good."""
        own = self.settings.pagination.cursor_secret
        previous = [secret.get_secret_value().encode() for secret in self.settings.pagination.cursor_previous_secrets]
        if own is not None:
            return [own.get_secret_value().encode(), *previous]
        return [load_or_create_secret(self.settings.gateway.data_dir / "cursor.key"), *previous]

    async def _migrate(self, name: str, folder: Path) -> None:
        await migrate(self.db, {name: folder})

    @asynccontextmanager
    async def _lend(self, name: str) -> AsyncIterator[Services]:
        folder = self.settings.gateway.data_dir / name
        make_data_dir(folder)
        async with self.events.for_plugin(name) as events, self.background.for_plugin(name) as background:
            try:
                yield Services(
                    plugin=name,
                    data_dir=folder,
                    db=self.db,
                    cache=prefixed(self.cache, f"{name}:"),
                    events=events,
                    catalog=self.catalog,
                    cursors=self.cursors.scoped(name),
                    background=background,
                    resources=self.resources,
                    clock=self.clock,
                    shutdown=self.shutdown,
                    platforms=self._platforms,
                    offer=partial(self.registry.add, name),
                    report_health=partial(self._reports.__setitem__, name),
                    lent=self._lent,
                    address=self.settings.http.address,
                    one_shot=self._one_shot,
                )
            finally:
                self._lent.withdraw(name)
                self._reports.pop(name, None)


def as_plugins(given: Sequence[Any]) -> list[Plugin]:
    """Plugins from modules or objects with hooks, named as the folder of a built-in plugin or by `NAME`."""
    return [
        item if isinstance(item, Plugin) else Plugin(_name_of(item), "given", partial(_itself, item)) for item in given
    ]


def _itself(item: Any) -> Any:
    return item


def make_data_dir(folder: Path) -> None:
    """Create the data folder.

    Raises:
        StorageError: It cannot be created.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds what people watch, and their passwords' hashes
    except OSError as error:
        raise StorageError(
            f"{folder}: the data folder cannot be created: {error.strerror}. "
            "Move away what is in its place, or choose another with --data-dir."
        ) from None


def _name_of(item: Any) -> str:
    name = getattr(item, "NAME", None) or (item.__name__ if isinstance(item, ModuleType) else type(item).__name__)
    return str(name).removesuffix(".plugin").rpartition(".")[2].removeprefix("mcp_gateway_").lower()


def _applies(line: str | tuple[str, str], offered: set[str]) -> bool:
    return isinstance(line, str) or line[0] in offered


async def _answers(ping: Callable[[], Awaitable[None]]) -> str:
    try:
        await ping()
    except GatewayError as error:
        return error.message
    return "ok"


async def _reported(plugin: str, report: Callable[[], Awaitable[Mapping[str, Any]]]) -> Mapping[str, Any]:
    """What a plugin says of itself; that it cannot say it is told, too."""
    try:
        with anyio.fail_after(REPORT_SECONDS):
            return await report()
    except TimeoutError:
        return {"status": "It does not say how it fares."}
    except GatewayError as error:
        return {"status": error.message}
    except Exception:
        log.exception("a plugin fails to say how it fares", extra={"plugin": plugin})
        return {"status": "It fails to say how it fares; the log has the reason."}
