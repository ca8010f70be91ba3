"""Opens sign-ins for a gateway: the store that the settings name, the keys, and what keeps both in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from mcp_gateway.api import Clock, Services
from mcp_gateway.catalog.events import SignInRevoked

from ..settings import AuthSettings
from .key_store import KeyStore
from .keys import KeyPolicy, SigningKeys
from .sealing import Sealing
from .service import Lifetimes, SignIns
from .sql import SqlFamilies
from .store import FamilyStore
from .store_clock import StoreClock

TEND_SECONDS = 60
DAY_MS = 24 * 3600 * 1000


class Opened(NamedTuple):
    """What the rest of the plugin uses."""

    sign_ins: SignIns
    keys: SigningKeys


@asynccontextmanager
async def open_sign_ins(services: Services, settings: AuthSettings, issuer: str) -> AsyncIterator[Opened]:
    """Open sign-ins, and look after them until the block is left.

    Args:
        issuer: The gateway's public address, which stands in every token.

    Raises:
        Unavailable: The database is away, or its keys cannot be read with this gateway's secret.
        ValueError: `families_url` names no Redis.
    """
    async with open_families(services, settings.families_url) as store:
        clock = StoreClock(services.clock, store)
        await clock.synchronise()
        keys = await open_keys(services, settings, clock)
        sign_ins = SignIns(store, keys, clock, issuer=issuer, lifetimes=lifetimes(settings))
        services.background.every(TEND_SECONDS, clock.synchronise, name="clock of the sign-ins")
        services.background.every(TEND_SECONDS, keys.tend, name="signing keys")
        services.background.every(TEND_SECONDS, sign_ins.tend, name="sign-ins")
        yield Opened(sign_ins, keys)


def lifetimes(settings: AuthSettings) -> Lifetimes:
    """The settings' lifetimes."""
    return Lifetimes(
        access_ms=settings.access_token_seconds * 1000,
        idle_ms=round(settings.idle_days * DAY_MS),
        absolute_ms=round(settings.absolute_days * DAY_MS),
    )


async def open_keys(services: Services, settings: AuthSettings, clock: Clock) -> SigningKeys:
    """The keys, read from the database; the first one is made."""
    policy = KeyPolicy(
        signs_ms=round(settings.key_days * DAY_MS),
        lead_ms=settings.key_lead_seconds * 1000,
        access_ms=settings.access_token_seconds * 1000,
        refresh_ms=round(settings.absolute_days * DAY_MS),
    )
    sealing = Sealing(services.cursors.keys_for("keys that sign tokens"))
    keys = SigningKeys(KeyStore(services), sealing, clock, policy)
    await keys.load()
    return keys


@asynccontextmanager
async def open_families(services: Services, url: str) -> AsyncIterator[FamilyStore]:
    """The store that a URL names: Redis, or the gateway's database when it is empty."""
    if not url:
        yield SqlFamilies(services)
        return
    from .redis import RedisFamilies, open_redis  # the driver is loaded only where it is used

    async with open_redis(url) as client:
        store = RedisFamilies(client, services)
        services.events.subscribe(SignInRevoked, store.hear)
        await services.events.ready()
        await store.recall()
        yield store
