"""Opens the door: who signs people in, whose tokens count, and the routes that lead there.

What signs, hashes and draws is loaded only where somebody has to sign in.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute

from mcp_gateway.api import Authenticator, Services
from mcp_gateway.catalog.events import SignInRevoked

from .resource.bearer import AccessTokens, BearerAuthenticator
from .resource.external import ExternalIssuer
from .server.addresses import Addresses, addresses_of
from .server.dpop import DpopProofs
from .server.guarded_fetch import GuardedFetch
from .server.opening import resource_routes, routes_of
from .server.people_on_demand import PeopleOnDemand
from .settings import AuthSettings

# Some providers have many keys.
MAX_KEYS_BYTES = 256 * 1024


async def open_door(services: Services, settings: AuthSettings, people: PeopleOnDemand) -> Sequence[BaseRoute]:
    """From now on nobody gets in over HTTP without a token. The routes are for everybody."""
    addresses = addresses_of(settings.issuer or services.address)
    proofs = DpopProofs(services, services.cursors.keys_for("nonces of DPoP")[0])
    if settings.external_issuer:
        tokens, routes = _of_others(services, settings, addresses)
    else:
        opened = await people.sign_ins()
        tokens, routes = opened.sign_ins, routes_of(services, settings, addresses, opened, proofs)
    bearer = BearerAuthenticator(tokens, addresses, proofs)
    services.events.subscribe(SignInRevoked, bearer.hear)
    services.provide(Authenticator, bearer)
    return routes


def _of_others(
    services: Services, settings: AuthSettings, addresses: Addresses
) -> tuple[AccessTokens, Sequence[BaseRoute]]:
    """The tokens of another provider. Its operator chose it, so it may be anywhere."""
    audience = settings.external_audience or f"{addresses.issuer}/mcp"
    fetch = GuardedFetch(allows=lambda _: True, max_bytes=MAX_KEYS_BYTES)
    tokens = ExternalIssuer(settings.external_issuer, audience, addresses.issuer, fetch, services.clock)
    return tokens, resource_routes(addresses, settings.external_issuer)
