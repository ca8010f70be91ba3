"""Find plugins, installed or in a folder, and import them, without starting anything."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import anyio
from pydantic import BaseModel, ConfigDict

from mcp_gateway.catalog.platforms import PlatformNormalizer
from mcp_gateway.errors import PluginError, SettingsError

ENTRY_POINTS = "mcp_gateway.plugins"

# Files of these names in a folder of plugins are something else.
NOT_PLUGINS = ("_", "test_", "conftest")

State = Literal["found", "disabled", "starting", "running", "quarantined", "stopped"]


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
        for_operator: The same for whoever runs the gateway: may name files.
    """

    name: str
    origin: str
    load: Callable[[], Any]
    version: str | None = None
    state: State = "found"
    reason: str | None = None
    for_operator: str | None = None
    module: Any = None
    settings: BaseModel = field(default_factory=NoSettings)
    platforms: Mapping[str, PlatformNormalizer] = field(default_factory=dict)
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


def _installed(entry: EntryPoint) -> Plugin:
    name, version = _package(entry.dist) if entry.dist else ("?", None)
    return Plugin(entry.name, f"installed with {name}", entry.load, version=version)


@cache
def _package(package: Distribution) -> tuple[str, str]:
    """Name and version, for which a file is read and parsed; a package may bring many plugins."""
    metadata = package.metadata
    return metadata["Name"], metadata["Version"]


def _in_folder(folder: Path) -> list[Plugin]:
    if not folder.is_dir():
        raise SettingsError(f"{folder}: there is no such folder of plugins. Check --plugins-dir.")
    files = {path.stem: path for path in folder.glob("*.py") if not path.stem.startswith(NOT_PLUGINS)}
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
