"""The keys that sign tokens: shared, overlapping, secret."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import jwt
import pytest
from sqlalchemy import select

from mcp_gateway.api import Unavailable
from mcp_gateway.testing import running_gateway
from mcp_gateway_auth.families.opening import open_keys
from mcp_gateway_auth.families.tables import signing_keys
from mcp_gateway_auth.settings import AuthSettings
from mcp_gateway_auth.tests.families_world import (
    CLIENT,
    DAY,
    GRANT,
    HOUR,
    ISSUER,
    LendingPlugin,
    Urls,
    World,
    lent,
    open_world,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """Two instances, each with its own view of the keys."""
    async with open_world(Urls(database_url), tmp_path, instances=2, key_days=30) as world:
        yield world


async def test_instances_that_start_together_have_one_key(database_url: str, tmp_path: Path) -> None:
    async with lent(Urls(database_url), tmp_path) as services:
        found: list[Any] = []

        async def start() -> None:
            found.append((await open_keys(services, AuthSettings(), services.clock)).jwks())

        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(start)

    assert len(found) == 8
    assert all(jwks == found[0] for jwks in found)
    assert len(found[0]["keys"]) == 1


async def test_no_call_fails_while_keys_change(world: World) -> None:
    """By time and by command, with refreshes and checks on both instances all the way."""
    pairs = [await world.sign_ins.begin(GRANT) for _ in range(4)]
    signed_by = set()
    for minute in range(3 * 60):
        world.clock.advance(60)
        if minute == 20:
            await world.instances[1].keys.rotate()
        if minute == 90:
            world.clock.advance(30 * DAY - HOUR)  # when the next key is due
        for number, instance in enumerate(world.instances):
            if minute % 2 == number:
                await instance.keys.tend()  # each in its own minute
        turn = minute % 4
        minting, checking = world.instances[minute // 4 % 2], world.instances[1 - minute // 4 % 2]
        if minute == 90:
            pairs = [await world.sign_ins.begin(GRANT) for _ in range(4)]
        pairs[turn] = await minting.sign_ins.refresh(pairs[turn].refresh_token, client_id=CLIENT)
        for instance in (minting, checking):
            assert (await instance.sign_ins.check(pairs[turn].access_token)).user_id == "ada"
            assert verified_by_a_resource_server(instance.keys.jwks(), pairs[turn].access_token)
        signed_by.add(jwt.get_unverified_header(pairs[turn].access_token)["kid"])

    assert len(signed_by) == 3


async def test_a_new_key_is_published_before_it_signs_and_an_old_one_after(world: World) -> None:
    one, other = (instance.keys for instance in world.instances)
    old = one.signing.kid
    new = (await one.rotate()).kid
    assert (await other.rotate()).kid == new  # there is one waiting already
    assert published(one) == published(other) == {old, new}

    world.clock.advance(599)
    assert one.signing.kid == other.signing.kid == old
    world.clock.advance(1)
    assert one.signing.kid == other.signing.kid == new

    world.clock.advance(300 + 300)  # the last access token's life, and what clocks may differ
    assert published(one) == {old, new}
    world.clock.advance(1)
    assert published(one) == {new}


async def test_a_key_is_kept_until_the_last_sign_in_that_had_it_must_have_ended(world: World) -> None:
    one = world.instances[0].keys
    old = one.signing.kid
    await one.rotate()
    for days, is_kept in ((179, True), (2, False)):
        world.clock.advance(days * DAY)
        await one.tend()
        await one.load()
        assert (await one.find(old) is not None) == is_kept


async def test_a_key_that_another_instance_made_just_now_is_found_but_made_up_ones_cost_little(world: World) -> None:
    one, other = (instance.keys for instance in world.instances)
    world.clock.advance(10)
    new = (await one.rotate()).kid

    assert (await other.find(new)) is not None
    newer = await rotated_at_once(world)
    for number in range(100):
        assert await other.find(f"made-up-{number}") is None
    assert await other.find(newer) is None  # looked a moment ago
    world.clock.advance(1)
    assert await other.find(newer)


async def test_private_keys_are_sealed_and_in_no_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = await world.instances[0].keys.rotate()
    pair = await world.sign_ins.begin(GRANT)
    await world.sign_ins.refresh(pair.refresh_token, client_id=CLIENT)
    raw = key.private.private_bytes_raw()
    async with world.instances[0].services.db.reading() as connection:
        rows = (await connection.execute(select(signing_keys))).all()

    assert len(rows) == 2
    assert all(raw not in row.sealed for row in rows)
    assert raw.hex() not in caplog.text and pair.refresh_token not in caplog.text
    assert {"d"} & set(world.instances[0].keys.jwks()["keys"][0]) == set()


async def test_the_secret_can_be_changed_but_not_lost(tmp_path: Path, sqlite_url: str) -> None:
    kids = await keys_with(tmp_path, sqlite_url, "a" * 32)

    assert await keys_with(tmp_path, sqlite_url, "b" * 32, "a" * 32) == kids
    advice = await keys_with(tmp_path, sqlite_url, "b" * 32)
    assert isinstance(advice, str) and "cursor_previous_secrets" in advice


async def keys_with(data_dir: Path, url: str, secret: str, *previous: str) -> set[str] | str:
    """The keys that a gateway with these secrets publishes, or what its operator is told."""
    plugin = LendingPlugin()
    pagination = {"cursor_secret": secret, "cursor_previous_secrets": list(previous)}
    async with running_gateway(plugin, data_dir=data_dir, storage={"url": url}, pagination=pagination):
        try:
            return published(await open_keys(plugin.services, AuthSettings(), plugin.services.clock))
        except Unavailable as error:
            return error.for_operator


async def rotated_at_once(world: World) -> str:
    """A key that one instance makes while the other has just looked."""
    world.clock.advance(600)
    assert await world.instances[1].keys.find("made-up") is None
    return (await world.instances[0].keys.rotate()).kid


def published(keys: Any) -> set[str]:
    """The ids that resource servers see."""
    return {key["kid"] for key in keys.jwks()["keys"]}


def verified_by_a_resource_server(jwks: Any, token: str) -> bool:
    """As one of somebody else's does it, by the published keys alone."""
    key = jwt.PyJWKSet.from_dict(dict(jwks))[jwt.get_unverified_header(token)["kid"]]
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=["EdDSA"], audience=f"{ISSUER}/mcp", issuer=ISSUER, options=options
    )
    return claims["token_family_id"] != "" and bool(claims["client_id"] == CLIENT)
