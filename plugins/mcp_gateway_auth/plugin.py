"""Hooks of the auth plugin: what it registers. Turned off, which it is unless told otherwise, it only keeps people."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from pydantic import BaseModel

from mcp_gateway.api import Authenticator, Capability, PublicRoute, Services, TokenKeys, Users, hookimpl
from mcp_gateway.catalog.events import SignInRevoked

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
        # What signs, hashes and draws is loaded only where it is used.
        from .resource.bearer import BearerAuthenticator
        from .server.addresses import addresses_of
        from .server.dpop import DpopProofs
        from .server.opening import routes_of

        opened, addresses = await people.sign_ins(), addresses_of(settings.issuer or services.address)
        proofs = DpopProofs(services, services.cursors.keys_for("nonces of DPoP")[0])
        bearer = BearerAuthenticator(opened.sign_ins, addresses, proofs)
        services.events.subscribe(SignInRevoked, bearer.hear)
        services.provide(Authenticator, bearer)
        routes = routes_of(services, settings, addresses, opened)
        yield [*tools, *(PublicRoute(route) for route in routes)]
