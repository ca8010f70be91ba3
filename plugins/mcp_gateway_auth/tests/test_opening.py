"""Sign-ins as the plugin opens them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest
from pydantic import ValidationError

from mcp_gateway.api import TokenKeys
from mcp_gateway.testing import FakeClock, running_gateway
from mcp_gateway.tests.servers import RedisServer
from mcp_gateway_auth import plugin
from mcp_gateway_auth.families.errors import InvalidGrant, InvalidToken, StoreUnavailable
from mcp_gateway_auth.families.opening import open_sign_ins
from mcp_gateway_auth.families.service import SignIns
from mcp_gateway_auth.settings import AuthSettings
from mcp_gateway_auth.tests.families_world import CLIENT, GRANT, ISSUER, SkewedClock, Urls, lent, urls_of

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["postgresql", "redis"])
def shared(request: pytest.FixtureRequest) -> Urls:
    """Stores that several machines share."""
    return urls_of(request.param, request)


@pytest.fixture
async def skewed(shared: Urls, tmp_path: Path) -> AsyncIterator[tuple[FakeClock, list[SignIns]]]:
    """Three instances whose clocks are five minutes slow, right, and five minutes fast."""
    clock = FakeClock()
    settings = AuthSettings(families_url=shared.families)
    instances = []
    async with AsyncExitStack() as stack:
        for seconds in (-300, 0, 300):
            wrong = SkewedClock(clock, seconds)
            services = await stack.enter_async_context(lent(shared, tmp_path / f"{seconds}", wrong))
            opened = await stack.enter_async_context(open_sign_ins(services, settings, ISSUER))
            instances.append(opened.sign_ins)
        yield clock, instances


async def test_clocks_ten_minutes_apart_cost_nobody_anything(skewed: tuple[FakeClock, list[SignIns]]) -> None:
    """All go by the store's clock: a token is good for five minutes everywhere, and the window is ten seconds."""
    clock, instances = skewed
    pair = await instances[0].begin(GRANT)
    for turn in range(6):
        clock.advance(290)
        for instance in instances:
            await instance.check(pair.access_token)
        parent, minting, racing = pair, instances[turn % 3], instances[(turn + 1) % 3]
        pair = await minting.refresh(parent.refresh_token, client_id=CLIENT)
        await minting.check(pair.access_token)
        clock.advance(8)
        assert (await racing.refresh(parent.refresh_token, client_id=CLIENT)).refresh_token == pair.refresh_token

    clock.advance(300)
    for instance in instances:
        with pytest.raises(InvalidToken):
            await instance.check(pair.access_token)
    with pytest.raises(InvalidGrant):
        await instances[2].refresh(parent.refresh_token, client_id=CLIENT)


async def test_a_redis_that_is_away_at_the_start_is_waited_for(
    own_redis_server: RedisServer, sqlite_url: str, tmp_path: Path
) -> None:
    own_redis_server.stop()
    urls, clock = Urls(sqlite_url, own_redis_server.url), FakeClock()
    settings = AuthSettings(families_url=urls.families)
    async with lent(urls, tmp_path, clock) as services, open_sign_ins(services, settings, ISSUER) as opened:
        with pytest.raises(StoreUnavailable):
            await opened.sign_ins.begin(GRANT)
        await anyio.to_thread.run_sync(own_redis_server.start)

        pair = await opened.sign_ins.begin(GRANT)

        assert (await opened.sign_ins.check(pair.access_token)).user_id == "ada"


def test_another_store_than_redis_is_refused_in_the_settings() -> None:
    with pytest.raises(ValidationError, match="redis://"):
        AuthSettings(families_url="memcached://localhost")


async def test_the_command_line_sees_and_rotates_the_keys(tmp_path: Path) -> None:
    clock = FakeClock()
    async with running_gateway(plugin, data_dir=tmp_path, clock=clock) as gateway:
        keys = gateway.provided(TokenKeys)
        (first,) = await keys.list()

        following = await keys.rotate()

        assert [key.kid for key in await keys.list()] == [first.kid, following.kid]
        assert (following.signs_from - clock.now()).total_seconds() == 600
        assert (await keys.list())[0].signs_until == following.signs_from
        assert await keys.rotate() == following
