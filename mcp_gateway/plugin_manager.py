"""Find, order, start and stop plugins; one that is broken is set aside with its reason, and the rest runs.

pluggy gives the hooks. It gives none of the containment (one failing import or hook ends its whole loading), so
here plugins are imported and their hooks called one by one.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import anyio
import anyio.from_thread
import anyio.lowlevel
import pluggy
from anyio.abc import TaskGroup
from pydantic import BaseModel, ConfigDict

from mcp_gateway import hookspecs
from mcp_gateway.capability import Definition
from mcp_gateway.config import Settings, parse_plugin_settings
from mcp_gateway.errors import PluginError, SettingsError, StartupError, first_of, nearest
from mcp_gateway.registry import Registry
from mcp_gateway.services import Services

log = logging.getLogger(__name__)

ENTRY_POINTS = "mcp_gateway.plugins"
STOP_SECONDS = 5.0
LISTEN_SECONDS = 1.0

State = Literal["found", "disabled", "starting", "running", "quarantined", "stopped"]
Migrate = Callable[[str, Path], Any]
Lend = Callable[[str], AbstractAsyncContextManager[Services]]


class NoSettings(BaseModel):
    """The settings of a plugin that declares none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(slots=True)
class Plugin:
    """A plugin, and how it fares.

    Attributes:
        origin: Where it was found, in words.
        load: Imports it; may do anything an import does.
        reason: Why it is set aside.
    """

    name: str
    origin: str
    load: Callable[[], Any]
    version: str | None = None
    state: State = "found"
    reason: str | None = None
    module: Any = None
    settings: BaseModel = field(default_factory=NoSettings)
    platforms: Mapping[str, Any] = field(default_factory=dict)
    stop: anyio.Event = field(default_factory=anyio.Event)
    ended: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


def discover(plugins_dir: Path | None) -> list[Plugin]:
    """Installed plugins by name, then those of the folder by name. Imports nothing.

    Raises:
        SettingsError: The folder cannot be read.
    """
    installed = sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name)
    return [_installed(entry) for entry in installed] + (_in_folder(plugins_dir) if plugins_dir else [])


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
    def platforms(self) -> dict[str, Any]:
        """The platform normalizers of all plugins, by key."""
        return {key: value for plugin in self.plugins for key, value in plugin.platforms.items()}

    async def load(self) -> None:
        """Import the plugins and call their declaring hooks.

        Raises:
            SettingsError: Settings name a plugin that is not there.
            PluginError: One is broken and `strict_plugins` is set.
        """
        self._refuse_unknown_names()
        seen: set[str] = set()
        for plugin in self.plugins:
            if plugin.name in self._settings.gateway.disabled:
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
            PluginError: One does not start and `strict_plugins` is set.
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

    def _refuse_unknown_names(self) -> None:
        known = [plugin.name for plugin in self.plugins]
        for where, names in (("disabled", self._settings.gateway.disabled), ("plugins", self._settings.plugins)):
            for name in names:
                if name not in known:
                    close = nearest(name, known)
                    hint = f"; did you mean {close!r}?" if close else f". Installed: {', '.join(known)}."
                    raise SettingsError(f"settings, {where}: there is no plugin {name!r}{hint}")

    async def _declare(self, plugin: Plugin, *, taken: bool) -> None:
        if taken:
            raise PluginError(f"the name {plugin.name!r} is taken by another plugin")
        with anyio.fail_after(self._settings.gateway.startup_seconds):
            plugin.module = await _in_daemon_thread(plugin.load)
        _register(self._hooks, plugin)
        model = _hook(self._hooks, plugin, "register_settings")
        if model is not None:
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
        plugin.state = "quarantined"
        plugin.reason = _in_words(error)
        known = isinstance(error, StartupError | Definition | TimeoutError)
        log.error(
            "plugin quarantined",
            extra={"plugin": plugin.name, "reason": plugin.reason},
            exc_info=None if known else error,
        )

    def _insist(self, plugin: Plugin) -> None:
        if self._settings.gateway.strict_plugins:
            raise PluginError(f"plugin {plugin.name!r}: {plugin.reason}")


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


def _by_key(normalizers: Iterable[Any], taken: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for normalizer in normalizers:
        if normalizer.key in taken or normalizer.key in found:
            raise PluginError(f"the platform {normalizer.key!r} is registered already")
        found[normalizer.key] = normalizer
    return found


def _installed(entry: EntryPoint) -> Plugin:
    version = entry.dist.version if entry.dist else None
    name = entry.dist.name if entry.dist else "?"
    return Plugin(entry.name, f"installed with {name}", entry.load, version=version)


def _in_folder(folder: Path) -> list[Plugin]:
    if not folder.is_dir():
        raise SettingsError(f"{folder}: there is no such folder of plugins. Check --plugins-dir.")
    files = {path.stem: path for path in folder.glob("*.py") if not path.stem.startswith("_")}
    files |= {path.parent.name: path for path in folder.glob("*/plugin.py")}
    return [_from_file(name, files[name]) for name in sorted(files)]


def _from_file(name: str, path: Path) -> Plugin:
    return Plugin(name, "the plugins folder", lambda: _import_file(name, path))


def _import_file(name: str, path: Path) -> ModuleType:
    """Import `name.py`, or `name/plugin.py` as a module of the package `name` so that it can import its siblings."""
    package = f"mcp_gateway_local_{name}"
    if path.name != "plugin.py":
        return _execute(package, path)
    start = path.parent / "__init__.py"
    parent = _execute(package, start) if start.is_file() else ModuleType(package)
    parent.__path__ = [str(path.parent)]
    sys.modules[package] = parent
    return _execute(f"{package}.plugin", path)


def _execute(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(path.parent)] if path.name == "__init__.py" else None
    )
    if spec is None or spec.loader is None:
        raise PluginError(f"{path.name} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _in_words(error: BaseException) -> str:
    """One line: what went wrong, without where on this machine."""
    error = first_of(error)
    if isinstance(error, TimeoutError) and not str(error):
        return "the import did not end in time (startup_seconds)"
    text = str(error).strip().replace("\n", "; ")[:500]
    if isinstance(error, StartupError | Definition | TimeoutError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
