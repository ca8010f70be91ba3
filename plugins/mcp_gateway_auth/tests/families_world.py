"""Sign-ins on each kind of store, with a clock to turn, on several instances that share the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio
import pytest

from mcp_gateway.api import Clock, Services, hookimpl
from mcp_gateway.catalog.events import SignInRevoked
from mcp_gateway.testing import FakeClock, running_gateway
from mcp_gateway_auth.families.keys import SigningKeys
from mcp_gateway_auth.families.memory import MemoryFamilies
from mcp_gateway_auth.families.models import Grant
from mcp_gateway_auth.families.opening import lifetimes, open_families, open_keys
from mcp_gateway_auth.families.service import SignIns
from mcp_gateway_auth.families.store import FamilyStore
from mcp_gateway_auth.settings import AuthSettings

STORES = ("memory", "sqlite", "postgresql", "redis")
ISSUER = "https://media.example"
CLIENT = "client-1"
GRANT = Grant("ada", CLIENT, frozenset({"catalog:read", "playback:write"}), f"{ISSUER}/mcp", "Firefox on Linux", "Bern")
MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"

SECOND, HOUR, DAY = 1, 3600, 86_400


class SkewedClock:
    """A clock that shows another time than the one it follows."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._skew = timedelta(seconds=seconds)

    def now(self) -> datetime:
        """The other time."""
        return self._clock.now() + self._skew

    def monotonic(self) -> float:
        """The same seconds."""
        return self._clock.monotonic()


@dataclass(slots=True)
class Instance:
    """One instance: its own memory, connections and keys."""

    services: Services
    keys: SigningKeys
    store: FamilyStore
    sign_ins: SignIns


@dataclass(slots=True)
class World:
    """All instances, and the announcements that the first one heard."""

    clock: FakeClock
    instances: list[Instance] = field(default_factory=list)
    announced: list[SignInRevoked] = field(default_factory=list)
    _news: anyio.Event = field(default_factory=anyio.Event)

    @property
    def sign_ins(self) -> SignIns:
        """Those of the first instance."""
        return self.instances[0].sign_ins

    async def hear(self, event: SignInRevoked) -> None:
        """Remember an announcement."""
        self.announced.append(event)
        self._news.set()
        self._news = anyio.Event()

    async def hears(self, times: int) -> None:
        """Wait for that many announcements; there are no more."""
        with anyio.fail_after(5):
            while len(self.announced) < times:
                await self._news.wait()
        assert len(self.announced) == times


class LendingPlugin:
    """Stands where the auth plugin does, and gives away what it was lent."""

    NAME = "auth"
    services: Services

    @hookimpl
    def register_settings(self) -> type[AuthSettings]:
        """The plugin's settings."""
        return AuthSettings

    @hookimpl
    def register_migrations(self) -> Path:
        """The plugin's tables."""
        return MIGRATIONS

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[list[Any]]:
        """Lend."""
        self.services = services
        yield []


@asynccontextmanager
async def open_world(
    urls: Urls,
    folder: Path,
    *,
    instances: int = 1,
    skews: tuple[float, ...] = (),
    storage: Mapping[str, Any] = MappingProxyType({}),
    **settings: Any,
) -> AsyncIterator[World]:
    """Open instances on one store.

    Args:
        skews: How far each instance's clock is off, in seconds.
        storage: More settings of the database.
        settings: Of the plugin.
    """
    world = World(FakeClock())
    memory = MemoryFamilies(world.hear) if urls.families == "memory" else None
    auth = AuthSettings(families_url="" if memory else urls.families, **settings)
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(lent(urls, folder, world.clock, storage))
        for number in range(instances):
            clock = SkewedClock(world.clock, skews[number]) if skews else world.clock
            instance = _instance(replace(services, clock=clock), auth, memory)
            world.instances.append(await stack.enter_async_context(instance))
        if memory is None:
            services.events.subscribe(SignInRevoked, world.hear, group="test")
            await services.events.ready()
        yield world


@asynccontextmanager
async def lent(
    urls: Urls, data_dir: Path, clock: Clock | None = None, storage: Mapping[str, Any] = MappingProxyType({})
) -> AsyncIterator[Services]:
    """What a gateway lends the auth plugin."""
    plugin = LendingPlugin()
    sections = {"storage": {"url": urls.storage, **storage}, "pagination": {"cursor_secret": "s" * 32}}
    async with running_gateway(plugin, data_dir=data_dir, clock=clock, **sections):
        yield plugin.services


@dataclass(frozen=True, slots=True)
class Urls:
    """Where a world keeps what: its database, and its families as `families_url` says."""

    storage: str
    families: str = ""


@asynccontextmanager
async def _instance(
    services: Services, settings: AuthSettings, memory: MemoryFamilies | None
) -> AsyncIterator[Instance]:
    async with AsyncExitStack() as stack:
        opening = open_families(services, settings.families_url)
        store: FamilyStore = await stack.enter_async_context(opening) if memory is None else memory
        keys = await open_keys(services, settings, services.clock)
        sign_ins = SignIns(store, keys, services.clock, issuer=ISSUER, lifetimes=lifetimes(settings))
        yield Instance(services, keys, store, sign_ins)


def urls_of(store: str, request: pytest.FixtureRequest) -> Urls:
    """An empty store of this kind."""
    if store == "postgresql":
        return Urls(request.getfixturevalue("postgres_url"))
    sqlite = request.getfixturevalue("sqlite_url")
    families = {"memory": "memory", "redis": request.getfixturevalue("redis_url") if store == "redis" else ""}
    return Urls(sqlite, families.get(store, ""))


@pytest.fixture(params=STORES)
def urls(request: pytest.FixtureRequest) -> Urls:
    """An empty store of each kind."""
    return urls_of(request.param, request)


@pytest.fixture
async def world(urls: Urls, tmp_path: Path) -> AsyncIterator[World]:
    """Two instances on each kind of store."""
    async with open_world(urls, tmp_path, instances=2) as world:
        yield world
