"""Declare, start and stop plugins; one that is broken is set aside with its reason, and the rest runs.

pluggy gives the hooks. It gives none of the containment (one failing import or hook ends its whole loading), so
here plugins are imported and their hooks called one by one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import pluggy
from anyio.abc import TaskGroup
from pydantic import BaseModel

from mcp_gateway import hookspecs
from mcp_gateway.capability import Definition
from mcp_gateway.catalog.platforms import PlatformNormalizer
from mcp_gateway.config import parse_plugin_settings
from mcp_gateway.errors import PluginError, SettingsError, StartupError, StorageError, Unavailable, first_of, nearest
from mcp_gateway.plugin_discovery import NoSettings, Plugin
from mcp_gateway.registry import Registry
from mcp_gateway.services import Services
from mcp_gateway.settings import Settings

log = logging.getLogger(__name__)

STOP_SECONDS = 5.0
LISTEN_SECONDS = 1.0
PROFILES = ("discovery", "full")

Migrate = Callable[[str, Path], Any]
Lend = Callable[[str], AbstractAsyncContextManager[Services]]


def refuse_unknown_names(settings: Settings, known: Sequence[str]) -> None:
    """Raise SettingsError when the settings name a plugin that is not there."""
    for where, names in (("disabled", settings.gateway.disabled), ("plugins", settings.plugins)):
        for name in names:
            if name not in known:
                close = nearest(name, known)
                hint = f"; did you mean {close!r}?" if close else f". Installed: {', '.join(known)}."
                raise SettingsError(f"settings, {where}: there is no plugin {name!r}{hint}")
    profile = settings.gateway.profile
    offered = [] if profile in PROFILES else [name.strip() for name in profile.split(",")]
    for name in offered:
        if name not in known:
            close = nearest(name, [*PROFILES, *known])
            hint = f"; did you mean {close!r}?" if close else ""
            raise SettingsError(
                f"gateway.profile: {name!r} is no plugin{hint or '.'} "
                f"Allowed: {', '.join(PROFILES)}, or plugins with commas between: {', '.join(known)}."
            )


@dataclass(frozen=True, slots=True)
class Declarations:
    """What a plugin declares without being started."""

    settings: type[BaseModel] | None
    migrations: Path | None


def read_declarations(plugins: Iterable[Plugin]) -> dict[str, Declarations]:
    """Import plugins and read what they declare, by name; broken ones declare nothing."""
    hooks = _new_hooks()
    found: dict[str, Declarations] = {}
    for plugin in plugins:
        try:
            plugin.module = plugin.load()
            _register(hooks, plugin)
            found[plugin.name] = Declarations(
                _hook(hooks, plugin, "register_settings"), _hook(hooks, plugin, "register_migrations")
            )
        except (Exception, SystemExit):
            log.warning("plugin cannot be read", extra={"plugin": plugin.name}, exc_info=True)
            found[plugin.name] = Declarations(None, None)
    return found


class PluginManager:
    """The plugins of one gateway.

    Args:
        plugins: What `discover` found, or test plugins.
        migrate: Brings a plugin's tables up to date: `await migrate(name, folder)`.
        lend: Opens the services for one plugin.
    """

    def __init__(
        self, plugins: Sequence[Plugin], settings: Settings, registry: Registry, *, migrate: Migrate, lend: Lend
    ) -> None:
        self.plugins = list(plugins)
        self._settings = settings
        self._registry = registry
        self._migrate = migrate
        self._lend = lend
        self._hooks = _new_hooks()
        self._running: list[Plugin] = []

    @property
    def platforms(self) -> dict[str, PlatformNormalizer]:
        """The platform normalizers of all plugins, by key."""
        return {key: value for plugin in self.plugins for key, value in plugin.platforms.items()}

    async def load(self) -> None:
        """Import the plugins and call their declaring hooks.

        Raises:
            SettingsError: Settings name a plugin that is not there.
            PluginError: One is broken, and `strict_plugins` is set or the settings say that it is `enabled`.
        """
        refuse_unknown_names(self._settings, [plugin.name for plugin in self.plugins])
        seen: set[str] = set()
        for plugin in self.plugins:
            if plugin.name in self._settings.gateway.disabled:
                self._refuse_both(plugin.name)
                plugin.state = "disabled"
            if plugin.state == "disabled":
                continue
            try:
                await self._declare(plugin, taken=plugin.name in seen)
            except (Exception, SystemExit) as error:
                self._quarantine(plugin, error)
                self._insist(plugin)
            seen.add(plugin.name)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the loaded plugins, one after the other, and stop them again, last started first.

        Raises:
            PluginError: One does not start, and `strict_plugins` is set or the settings say that it is `enabled`.
        """
        async with anyio.create_task_group() as lives:
            try:
                for plugin in self.plugins:
                    if plugin.state == "found":
                        await self._start(plugin, lives)
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    for plugin in reversed(self._running):
                        await _stop(plugin)

    def _refuse_both(self, name: str) -> None:
        """Somebody who turned sign-in on must not find it off for a reason they overlooked."""
        if self._settings.turns_on(name):
            raise SettingsError(f"plugins.{name}.enabled is true, but gateway.disabled names the plugin. Drop either.")

    async def _declare(self, plugin: Plugin, *, taken: bool) -> None:
        if taken:
            raise PluginError(f"the name {plugin.name!r} is taken by another plugin")
        with anyio.fail_after(self._settings.gateway.startup_seconds):
            plugin.module = await _in_daemon_thread(plugin.load)
        _register(self._hooks, plugin)
        model = _hook(self._hooks, plugin, "register_settings") or NoSettings
        plugin.settings = parse_plugin_settings(plugin.name, model, self._settings.plugins.get(plugin.name, {}))
        plugin.platforms = _by_key(_hook(self._hooks, plugin, "register_platforms") or (), self.platforms)

    async def _start(self, plugin: Plugin, lives: TaskGroup) -> None:
        started = anyio.Event()
        plugin.state = "starting"
        lives.start_soon(self._live, plugin, started, name=f"plugin {plugin.name}")
        seconds = self._settings.gateway.startup_seconds
        with anyio.move_on_after(seconds) as limit:
            await started.wait()
        if limit.cancelled_caught:
            plugin.scope.cancel()
            self._quarantine(plugin, TimeoutError(f"did not start within {seconds:g} seconds (startup_seconds)"))
        if plugin.reason is None:
            self._running.append(plugin)
        else:
            self._insist(plugin)

    async def _live(self, plugin: Plugin, started: anyio.Event) -> None:
        """A plugin's whole life, in a task of its own: its lifespan may hold a task group."""
        try:
            with plugin.scope:
                await self._serve(plugin, started)
        except Exception as error:
            self._quarantine(plugin, error)
        finally:
            self._registry.remove(plugin.name)
            if plugin.state == "running":
                plugin.state = "stopped"
            started.set()
            plugin.ended.set()

    async def _serve(self, plugin: Plugin, started: anyio.Event) -> None:
        folder = _hook(self._hooks, plugin, "register_migrations")
        if folder is not None:
            await self._migrate(plugin.name, folder)
        async with self._lend(plugin.name) as services:
            life = _hook(self._hooks, plugin, "lifespan", services=services, settings=plugin.settings)
            if life is None:
                life = _nothing()
            async with life as contributions:
                with anyio.move_on_after(LISTEN_SECONDS):  # while the bus is away, nobody can listen
                    await services.events.ready()
                self._registry.add(plugin.name, contributions or ())
                plugin.state = "running"
                log.debug("plugin runs", extra={"plugin": plugin.name})
                started.set()
                await plugin.stop.wait()
                # Nothing of it can be called any more when its lifespan begins to take things down.
                self._registry.remove(plugin.name)

    def _quarantine(self, plugin: Plugin, error: BaseException) -> None:
        error = first_of(error)
        plugin.state = "quarantined"
        plugin.reason, plugin.for_operator = _publicly(error), _in_words(error)
        known = isinstance(error, StartupError | Definition | TimeoutError | Unavailable)
        if isinstance(error, Unavailable):
            plugin.for_operator = error.for_operator
        log.error(
            "plugin quarantined",
            extra={"plugin": plugin.name, "reason": plugin.for_operator},
            exc_info=None if known else error,
        )

    def _insist(self, plugin: Plugin) -> None:
        """Whoever switched a plugin on, such as the one that guards access, does not want to run without it."""
        if self._settings.gateway.strict_plugins or self._settings.turns_on(plugin.name):
            raise PluginError(f"plugin {plugin.name!r}: {plugin.for_operator}")


async def _in_daemon_thread(load: Callable[[], Any]) -> Any:
    """Import off the event loop: an import that hangs must hang neither the gateway nor, as anyio's own worker
    threads would, the end of the process."""
    loop = anyio.lowlevel.current_token()
    ended = anyio.Event()
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["module"] = load()
        except BaseException as error:
            outcome["error"] = error
        with suppress(RuntimeError):  # the gateway may be gone by now
            anyio.from_thread.run_sync(ended.set, token=loop)

    threading.Thread(target=run, name="plugin import", daemon=True).start()
    await ended.wait()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["module"]


async def _stop(plugin: Plugin) -> None:
    plugin.stop.set()
    with anyio.move_on_after(STOP_SECONDS):
        await plugin.ended.wait()
        return
    log.warning("plugin does not stop, cancelled", extra={"plugin": plugin.name})
    plugin.scope.cancel()
    with anyio.move_on_after(STOP_SECONDS):
        await plugin.ended.wait()


@asynccontextmanager
async def _nothing() -> AsyncIterator[Iterable[Any]]:
    """The life of a plugin that only declares."""
    yield ()


def _new_hooks() -> pluggy.PluginManager:
    hooks = pluggy.PluginManager(hookspecs.PROJECT)
    hooks.add_hookspecs(hookspecs)
    return hooks


def _register(hooks: pluggy.PluginManager, plugin: Plugin) -> None:
    """Register with pluggy, which refuses unknown arguments; unknown hooks it would pass over in silence."""
    known = [name for name in vars(hookspecs) if hasattr(getattr(hookspecs, name), f"{hookspecs.PROJECT}_spec")]
    marked = [n for n in dir(plugin.module) if getattr(getattr(plugin.module, n), f"{hookspecs.PROJECT}_impl", None)]
    for name in marked:
        if name not in known:
            close = nearest(name, known)
            raise PluginError(f"there is no hook {name!r}" + (f"; did you mean {close!r}?" if close else ""))
    if not marked:
        raise PluginError("implements no hook; mark its functions with @hookimpl")
    try:
        hooks.register(plugin.module, plugin.name)
    except (pluggy.PluginValidationError, ValueError) as error:
        raise PluginError(str(error).splitlines()[-1].strip()) from None


def _hook(hooks: pluggy.PluginManager, plugin: Plugin, name: str, **arguments: Any) -> Any:
    """Call one plugin's implementation of a hook, with the arguments it takes; None when it has none."""
    for implementation in getattr(hooks.hook, name).get_hookimpls():
        if implementation.plugin is plugin.module:
            return implementation.function(*(arguments[argument] for argument in implementation.argnames))
    return None


def _by_key(
    normalizers: Iterable[PlatformNormalizer], taken: Mapping[str, PlatformNormalizer]
) -> dict[str, PlatformNormalizer]:
    found: dict[str, PlatformNormalizer] = {}
    for normalizer in normalizers:
        if normalizer.key in taken or normalizer.key in found:
            raise PluginError(f"the platform {normalizer.key!r} is registered already")
        found[normalizer.key] = normalizer
    return found


def _publicly(error: BaseException) -> str:
    """The same for everybody: what we did not write ourselves may quote files, addresses and passwords."""
    if isinstance(error, StorageError):
        return "the database cannot be used as it is; the log says why"
    ours = isinstance(error, StartupError | Definition | TimeoutError | Unavailable)
    return _in_words(error) if ours else f"{type(error).__name__}; the log says more"


def _in_words(error: BaseException) -> str:
    """One line: what went wrong, for the operator."""
    if isinstance(error, TimeoutError) and not str(error):
        return "the import did not end in time (startup_seconds)"
    text = str(error).strip().replace("\n", "; ")[:500]
    if isinstance(error, StartupError | Definition | TimeoutError | Unavailable):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
