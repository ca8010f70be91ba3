"""Hooks of the auth plugin: what it registers. Turned off, which it is unless told otherwise, it only keeps people."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from pydantic import BaseModel

from mcp_gateway.api import Capability, PublicRoute, Services, TokenKeys, Users, hookimpl

from .families.keys_on_demand import KeysOnDemand
from .resource.account import AccountTools
from .server.people_on_demand import PeopleOnDemand
from .settings import AuthSettings


@hookimpl
def register_settings() -> type[BaseModel]:
    """The `[plugins.auth]` table."""
    return AuthSettings


@hookimpl
def register_migrations() -> Path:
    """The plugin's Alembic versions."""
    return Path(__file__).parent / "migrations"


@hookimpl
@asynccontextmanager
async def lifespan(services: Services, settings: AuthSettings) -> AsyncIterator[Sequence[Capability | PublicRoute]]:
    """Lend the people to the command line; turned on, sign people in and let nobody else in over HTTP."""
    async with AsyncExitStack() as stack:
        people = PeopleOnDemand(services, settings, stack)
        services.provide(Users, people)
        services.provide(TokenKeys, KeysOnDemand(people.sign_ins))
        tools = AccountTools(people).capabilities()
        if not settings.enabled:
            yield tools
            return
        from .opening import open_door  # with what signs, hashes and draws

        yield [*tools, *(PublicRoute(route) for route in await open_door(services, settings, people))]
