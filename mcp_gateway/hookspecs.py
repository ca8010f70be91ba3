"""Every hook a plugin may implement. An implementation takes any subset of the arguments."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pluggy
from pydantic import BaseModel

from mcp_gateway.capability import Capability, Prompt
from mcp_gateway.catalog.platforms import PlatformNormalizer
from mcp_gateway.services import Services
from mcp_gateway.skills import Skill

if TYPE_CHECKING:  # over stdio nobody needs Starlette
    from starlette.routing import BaseRoute

PROJECT = "mcp_gateway"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True, slots=True)
class PublicRoute:
    """A Starlette route that is served to anybody: to those who are not signed in, where others have to be.

    It sees who asks as `request.scope["caller"]`, a `Caller` who may do nothing when nobody is signed in.
    """

    route: BaseRoute


Contribution: TypeAlias = "Capability | Prompt | Skill | BaseRoute | PublicRoute"


@hookspec
def register_settings() -> type[BaseModel]:
    """The model of the plugin's `[plugins.<name>]` table.

    Called once, before the start and when printing the settings reference: no I/O. The model forbids unknown
    fields and has defaults with which the plugin works. Raising quarantines the plugin.
    """
    raise NotImplementedError


@hookspec
def register_migrations() -> Path:
    """The folder of the plugin's Alembic versions.

    Called once, before the start: no I/O. The versions form a branch labelled with the plugin's name; its
    tables begin with `<name>_`. Raising, or a migration that fails, quarantines the plugin.
    """
    raise NotImplementedError


@hookspec
def register_platforms() -> Iterable[PlatformNormalizer]:
    """The streaming platforms whose rows the plugin can read (`PlatformNormalizer`).

    Called once, before any plugin starts: no I/O. A key that is taken quarantines the plugin.
    """
    raise NotImplementedError


@hookspec
def lifespan(services: Services, settings: BaseModel) -> AbstractAsyncContextManager[Iterable[Contribution]]:
    """The plugin's life: an async context manager that yields what it registers.

    Entered once per start, in a task of its own, within `startup_seconds`; left when the gateway stops, last
    started first. Yields capabilities, prompts, skills and Starlette routes. State is its local variables.
    Raising, hanging or registering something wrong quarantines the plugin.
    """
    raise NotImplementedError
