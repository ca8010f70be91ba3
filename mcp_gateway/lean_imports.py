"""Packages of which the gateway needs single modules, while their own `__init__` imports everything they have.

`import mcp.shared.uri_template` first runs `mcp/__init__.py`, and with it the SDK's client, two HTTP clients and a web
server: 0.3 s and 25 MB before the first request. Here such an `__init__` waits until somebody asks for one of its
names; `from mcp import Client` works as ever.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from threading import RLock
from types import ModuleType
from typing import Any

# `sqlalchemy.ext.asyncio` imports the ORM, which the gateway does not use.
PACKAGES = frozenset({"mcp", "mcp.server", "sqlalchemy.ext.asyncio"})

_lock = RLock()


def install() -> None:
    """Have these packages imported so in this process. Those that are imported already stay as they are."""
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)


class _Finder:
    @classmethod
    def find_spec(cls, name: str, path: Sequence[str] | None = None, _: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name in PACKAGES else None
        if spec is not None:
            later: Any = _Later(spec.loader)
            spec.loader = later
        return spec


class _Later:
    """A loader that makes the package, and leaves it to whoever asks for a name to run its `__init__`."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, _: ModuleSpec) -> None:
        """Have the usual module made."""

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__loader__ = module.__spec__.loader = self._loader
        module.__class__ = _Unread


class _Unread(ModuleType):
    """A package whose `__init__` has not run."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for by the import system and by tracebacks, which do not mean the contents
            raise AttributeError(name)
        if find_spec(f"{self.__name__}.{name}") is not None:
            return import_module(f"{self.__name__}.{name}")
        with _lock:  # another thread waits until all names are there
            if "_is_running" not in vars(self):
                self._is_running = True
                _run_init(self)
        return self.__getattribute__(name)


def _run_init(package: ModuleType) -> None:
    loader: Any = package.__loader__
    try:
        loader.exec_module(package)
    except BaseException:
        del vars(package)["_is_running"]
        raise
    package.__class__ = ModuleType
