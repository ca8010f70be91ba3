"""Puts the authorization server together."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Route

from mcp_gateway.api import Services

from ..families.opening import Opened
from ..settings import AuthSettings
from .addresses import Addresses
from .authorization import Authorization
from .client_address import ClientAddress
from .client_documents import ClientDocuments
from .clients import Clients
from .codes import Codes
from .dpop import DpopProofs
from .guarded_fetch import GuardedFetch
from .guesses import Guesses
from .inspection import Inspection
from .metadata import Metadata, ResourceMetadata
from .oauth import endpoint
from .pages import Pages
from .passwords import Passwords
from .registration import Registration, refuse_registration
from .store import ClientStore, CodeStore, CookieStore, UserStore
from .throttle import Throttle
from .token import TokenEndpoint
from .visits import Visits

PRUNE_SECONDS = 3600


def routes_of(
    services: Services,
    settings: AuthSettings,
    addresses: Addresses,
    opened: Opened,
    proofs: DpopProofs,
) -> Sequence[BaseRoute]:
    """The routes of the authorization server, and what tidies up behind it."""
    throttle, registered = Throttle(services), ClientStore(services)
    documents = ClientDocuments(services, throttle, GuardedFetch()) if settings.client_documents else None
    clients = Clients(registered, documents, settings.client_authentication)
    address, code_store = ClientAddress(settings.client_address_header), CodeStore(services)
    token = TokenEndpoint(
        addresses,
        clients,
        registered,
        code_store,
        proofs,
        opened.sign_ins,
        frozenset(settings.never_saves_refresh_token),
    )
    inspection = Inspection(addresses, clients, opened.sign_ins)
    visits = Visits(CookieStore(services), addresses)
    guesses = Guesses(UserStore(services), Passwords(), throttle, visits, address)
    authorization = Authorization(addresses, clients, Codes(code_store), guesses, visits, Pages(), address)
    registration = Registration(registered, clients, throttle, address, services.clock)
    register = registration.register if settings.registration else refuse_registration
    for name, prune in (("codes", code_store.prune), ("clients", registered.prune), ("allowances", throttle.prune)):
        services.background.every(PRUNE_SECONDS, prune, name=f"old {name}")
    return [
        Route("/authorize", authorization.serve, methods=["GET", "POST"]),
        endpoint("/token", token.give, "POST"),
        endpoint("/register", register, "POST"),
        endpoint("/revoke", inspection.revoke, "POST"),
        endpoint("/introspect", inspection.introspect, "POST"),
        *resource_routes(addresses, addresses.issuer),
        *_well_known(
            Metadata(
                addresses,
                clients,
                registers=settings.registration,
                reads_documents=documents is not None,
                keys=opened.keys.jwks,
            )
        ),
    ]


def resource_routes(addresses: Addresses, authorization_server: str) -> Sequence[BaseRoute]:
    """The routes at which clients learn who gives tokens for the gateway."""
    metadata = ResourceMetadata(addresses, authorization_server)
    return [
        endpoint("/.well-known/oauth-protected-resource", metadata.answer, "GET"),
        endpoint("/.well-known/oauth-protected-resource/{below:path}", metadata.answer, "GET"),
    ]


def _well_known(metadata: Metadata) -> Sequence[BaseRoute]:
    return [
        endpoint("/.well-known/oauth-authorization-server", metadata.server, "GET"),
        endpoint("/.well-known/oauth-authorization-server/{below:path}", metadata.server, "GET"),
        endpoint("/.well-known/jwks.json", metadata.keys, "GET"),
    ]
