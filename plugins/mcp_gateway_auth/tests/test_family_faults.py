"""Processes that are killed, stores that go away, lose their last writes, or come back empty."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from redis.asyncio import Redis

from mcp_gateway.tests.servers import PostgresServer, RedisServer, Server
from mcp_gateway_auth.families.errors import InvalidGrant, InvalidToken, StoreUnavailable
from mcp_gateway_auth.families.models import TokenPair
from mcp_gateway_auth.families.redis import RedisFamilies
from mcp_gateway_auth.families.service import SignIns
from mcp_gateway_auth.tests.families_world import CLIENT, GRANT, HOUR, Urls, World, open_world, urls_of

pytestmark = pytest.mark.anyio

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("store", ["sqlite", "postgresql", "redis"])
async def test_a_process_killed_between_rotation_and_answer_costs_nobody_the_sign_in(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    urls = urls_of(store, request)
    async with open_world(urls, tmp_path / "ours") as world:
        first = await world.sign_ins.begin(GRANT)
        arguments = [urls.storage, urls.families, str(tmp_path / "theirs"), str(HOUR), first.refresh_token]
        module = "mcp_gateway_auth.tests.refresh_process"
        killed = await anyio.run_process(
            [sys.executable, "-m", module, *arguments],
            check=False,
            cwd=CHECKOUT / "plugins",
            stderr=subprocess.STDOUT,
            env={"PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'plugins'}"},
        )
        assert killed.returncode == -9, killed.stdout.decode()
        world.clock.advance(3 * HOUR)

        second = await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)

        again = await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)
        assert again == second
        assert (await world.sign_ins.check(second.access_token)).generation == 1


@pytest.fixture
async def on_redis(redis_url: str, sqlite_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """Two instances that keep families in Redis."""
    async with open_world(Urls(sqlite_url, redis_url), tmp_path, instances=2) as world:
        yield world


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """The same Redis, for who wants to harm it."""
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


async def test_redis_has_the_active_ids_and_the_state_beside_them(on_redis: World, redis: Redis) -> None:
    first = await on_redis.sign_ins.begin(GRANT)
    second = await on_redis.sign_ins.refresh(first.refresh_token, client_id=CLIENT)
    claims = await on_redis.sign_ins.inspect(second.refresh_token)
    family = await on_redis.instances[0].store.look(claims.family_id) if claims else None
    assert claims and family

    active: Any = await redis.smembers(f"token_family:{{{claims.family_id}}}")
    kept = {*await redis.keys()}

    assert active == {each.encode() for each in (claims.jti, *(record.jti for record in family.access))}
    assert kept == {name.encode() + end for name in [f"token_family:{{{claims.family_id}}}"] for end in (b"", b":meta")}
    assert 0 < await redis.ttl(f"token_family:{{{claims.family_id}}}:meta") <= 30 * 86_400
    assert not await secrets_in(redis, first, second)


async def test_scripts_that_redis_forgot_are_sent_again(on_redis: World, redis: Redis) -> None:
    pair = await on_redis.sign_ins.begin(GRANT)
    for _ in range(3):
        await redis.script_flush()
        pair = await on_redis.sign_ins.refresh(pair.refresh_token, client_id=CLIENT)
        await redis.script_flush()
        access = await on_redis.sign_ins.check(pair.access_token)
    await redis.script_flush()

    assert await on_redis.sign_ins.revoke(access.family_id, "revoked")


async def test_a_redis_that_comes_back_empty_accepts_nothing(on_redis: World, redis: Redis) -> None:
    pair = await on_redis.sign_ins.begin(GRANT)
    await redis.flushall()

    await refused_everywhere(on_redis, pair)

    on_redis.clock.advance(2 * 60)
    await on_redis.sign_ins.tend()
    assert await on_redis.sign_ins.of_user("ada") == []


@pytest.mark.parametrize("lost", [":meta", ""])
async def test_half_a_family_is_none(on_redis: World, redis: Redis, lost: str) -> None:
    """As after a Redis that evicts."""
    pair = await on_redis.sign_ins.begin(GRANT)
    family_id = (await on_redis.sign_ins.check(pair.access_token)).family_id
    await redis.delete(f"token_family:{{{family_id}}}{lost}")

    await refused_everywhere(on_redis, pair)


@pytest.mark.parametrize("comes_first", ["the new token", "the old token"])
async def test_a_lost_rotation_makes_no_second_branch(on_redis: World, redis: Redis, comes_first: str) -> None:
    """Redis failed over to a replica that did not have the last write."""
    first = await on_redis.sign_ins.begin(GRANT)
    first = await on_redis.sign_ins.refresh(first.refresh_token, client_id=CLIENT)
    async with what_is_written_is_lost(redis):
        second = await on_redis.sign_ins.refresh(first.refresh_token, client_id=CLIENT)
    await refused(on_redis.sign_ins.check(second.access_token), InvalidToken)

    if comes_first == "the old token":
        other = await on_redis.sign_ins.refresh(first.refresh_token, client_id=CLIENT)
        await refused(on_redis.sign_ins.refresh(second.refresh_token, client_id=CLIENT), InvalidGrant)
        await refused_everywhere(on_redis, other)
    await refused_everywhere(on_redis, second)
    await refused_everywhere(on_redis, first)
    await on_redis.hears(1)


async def test_a_lost_revocation_stays_in_force(
    on_redis: World, redis: Redis, redis_url: str, sqlite_url: str, tmp_path: Path
) -> None:
    """On every instance that heard of it, and on one that is started afterwards."""
    pair = await on_redis.sign_ins.begin(GRANT)
    family_id = (await on_redis.sign_ins.check(pair.access_token)).family_id
    async with what_is_written_is_lost(redis):
        await on_redis.sign_ins.revoke(family_id, "revoked")
    await on_redis.hears(1)

    await refused_everywhere(on_redis, pair)
    async with open_world(Urls(sqlite_url, redis_url), tmp_path / "later") as later:
        await refused_everywhere(later, pair)

    await on_redis.sign_ins.tend()
    assert not await redis.exists(f"token_family:{{{family_id}}}")


@pytest.mark.parametrize("found_by", ["the next token", "the round"])
async def test_who_is_killed_before_announcing_is_spoken_for(
    on_redis: World, found_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis had ended the family; the event was not written yet."""
    first = await on_redis.sign_ins.begin(GRANT)
    second = await on_redis.sign_ins.refresh(first.refresh_token, client_id=CLIENT)
    third = await on_redis.sign_ins.refresh(second.refresh_token, client_id=CLIENT)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(RedisFamilies, "end", killed)
        await on_redis.sign_ins.refresh(first.refresh_token, client_id=CLIENT)
    await refused(on_redis.sign_ins.check(third.access_token), InvalidToken)
    assert not on_redis.announced

    if found_by == "the next token":
        await refused(on_redis.instances[1].sign_ins.refresh(third.refresh_token, client_id=CLIENT), InvalidGrant)
    else:
        on_redis.clock.advance(2 * 60)
        await on_redis.instances[1].sign_ins.tend()

    await on_redis.hears(1)
    assert on_redis.announced[0].reason == "reuse"


async def test_the_round_leaves_good_sign_ins_alone(on_redis: World, redis: Redis) -> None:
    pairs = [await on_redis.sign_ins.begin(GRANT) for _ in range(3)]
    on_redis.clock.advance(2 * 60)

    await on_redis.sign_ins.tend()

    for pair in pairs:
        await on_redis.sign_ins.check(pair.access_token)
    assert len(await on_redis.sign_ins.of_user("ada")) == 3


@pytest.mark.parametrize("backend", ["postgresql", "redis"])
async def test_a_store_that_is_away_is_no_verdict_on_a_token(
    backend: str, sqlite_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server: Server
    if backend == "redis":
        server = redis = request.getfixturevalue("own_redis_server")
        assert isinstance(redis, RedisServer)
        urls = Urls(sqlite_url, redis.url)
    else:
        server = postgres = request.getfixturevalue("own_postgres_server")
        assert isinstance(postgres, PostgresServer)
        urls = Urls(postgres.create_database())
    async with open_world(urls, tmp_path) as world:
        pair = await world.sign_ins.begin(GRANT)
        await anyio.to_thread.run_sync(server.stop)

        for call in uses(world.sign_ins, pair):
            with pytest.raises(StoreUnavailable) as caught:
                await call()
            assert caught.value.payload() == {
                "reason": "unavailable", "retryable": True, "retry_after_seconds": 1,
            }  # fmt: skip

        await anyio.to_thread.run_sync(server.start)
        pair = await world.sign_ins.refresh(pair.refresh_token, client_id=CLIENT)
        assert await world.sign_ins.check(pair.access_token)


async def test_a_locked_database_is_no_verdict_on_a_token(tmp_path: Path, sqlite_url: str) -> None:
    async with open_world(Urls(sqlite_url), tmp_path, storage={"busy_seconds": 0.1}) as world:
        pair = await world.sign_ins.begin(GRANT)
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable):
                await world.sign_ins.refresh(pair.refresh_token, client_id=CLIENT)

        await world.sign_ins.refresh(pair.refresh_token, client_id=CLIENT)


class Killed(BaseException):
    """Stands for the end of the process."""


async def killed(*_: Any) -> bool:
    """Get no further."""
    raise Killed


def uses(sign_ins: SignIns, pair: TokenPair) -> list[Callable[[], Any]]:
    """All that a token is good for."""
    return [
        lambda: sign_ins.refresh(pair.refresh_token, client_id=CLIENT),
        lambda: sign_ins.check(pair.access_token),
        lambda: sign_ins.inspect(pair.access_token),
        lambda: sign_ins.of_user("ada"),
    ]


@asynccontextmanager
async def what_is_written_is_lost(redis: Redis) -> AsyncIterator[None]:
    """Put Redis back to where it was, as a replica is that takes over too early."""
    names: list[Any] = await redis.keys()
    before: list[tuple[Any, Any]] = [(name, await redis.dump(name)) for name in names]
    yield
    await redis.flushdb()
    for name, value in before:
        await redis.restore(name, 0, value)


async def secrets_in(redis: Redis, *pairs: TokenPair) -> bool:
    """Whether Redis has a token, or the part of one that nobody could make up."""
    names: list[Any] = await redis.keys("*:meta")
    values: list[Any] = [value for name in names for value in await redis.hvals(name)]
    kept = b" ".join(values)
    tokens = [token for pair in pairs for token in (pair.access_token, pair.refresh_token)]
    return any(token.rpartition(".")[2].encode() in kept for token in tokens)


async def refused(call: Any, error: type[Exception]) -> None:
    """The call is refused."""
    with pytest.raises(error):
        await call


async def refused_everywhere(world: World, pair: TokenPair) -> None:
    """A second later at the latest, on every instance."""
    world.clock.advance(1)
    for instance in world.instances:
        await refused(instance.sign_ins.check(pair.access_token), InvalidToken)
        await refused(instance.sign_ins.refresh(pair.refresh_token, client_id=CLIENT), InvalidGrant)
