"""What a sign-in gives and how it ends, on every store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from mcp_gateway_auth.families.errors import InvalidGrant, InvalidScope, InvalidTarget, InvalidToken
from mcp_gateway_auth.tests.families_world import (
    CLIENT,
    DAY,
    GRANT,
    HOUR,
    ISSUER,
    Urls,
    World,
    open_world,
    urls,
    world,
)

__all__ = ["urls", "world"]  # fixtures

pytestmark = pytest.mark.anyio


async def test_a_refresh_gives_the_next_generation(world: World) -> None:
    first = await world.sign_ins.begin(GRANT)
    world.clock.advance(HOUR)

    second = await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)

    access = await world.sign_ins.check(second.access_token, resource=f"{ISSUER}/mcp")
    assert (access.generation, access.user_id, access.client_id) == (1, "ada", CLIENT)
    assert access.scopes == second.scopes == GRANT.scopes
    assert second.refresh_token != first.refresh_token
    assert (second.expires_in, second.token_type) == (300, "Bearer")


async def test_the_parent_gives_the_same_bytes_while_its_successor_is_unconfirmed(world: World) -> None:
    first = await world.sign_ins.begin(GRANT)
    second = await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)
    world.clock.advance(100)

    again = await world.instances[1].sign_ins.refresh(first.refresh_token, client_id=CLIENT)

    assert (again.refresh_token, again.access_token) == (second.refresh_token, second.access_token)
    assert again.expires_in == 200


async def test_an_answer_that_was_lost_for_hours_comes_with_an_access_token_that_lives(world: World) -> None:
    first = await world.sign_ins.begin(GRANT)
    second = await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)
    world.clock.advance(5 * HOUR)

    again = await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)

    assert again.refresh_token == second.refresh_token
    assert (await world.sign_ins.check(again.access_token)).generation == 1


async def test_the_access_token_before_a_rotation_confirms_nothing(world: World) -> None:
    """Whoever uses it need not have the successor."""
    first = await world.sign_ins.begin(GRANT)
    second = await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)
    await world.sign_ins.check(first.access_token)
    world.clock.advance(100)

    assert (await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)).refresh_token == second.refresh_token


async def test_a_race_may_last_ten_seconds(world: World) -> None:
    first = await world.sign_ins.begin(GRANT)
    second = await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)
    await world.sign_ins.check(second.access_token)
    world.clock.advance(10)

    assert (await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)).refresh_token == second.refresh_token


@pytest.mark.parametrize("confirm", ["by its access token", "by its refresh token"])
@pytest.mark.parametrize("seconds", [11, HOUR, 29.9 * DAY])
async def test_reuse_after_confirmation_ends_the_family(world: World, seconds: float, confirm: str) -> None:
    first = await world.sign_ins.begin(GRANT)
    second = await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)
    if confirm == "by its access token":
        await world.sign_ins.check(second.access_token)
    else:
        second = await world.sign_ins.refresh(second.refresh_token, client_id=CLIENT)
    world.clock.advance(seconds)

    with pytest.raises(InvalidGrant):
        await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)

    await nothing_is_good(world, second.refresh_token, second.access_token)
    await world.hears(1)
    assert world.announced[0].reason == "reuse"


async def test_reuse_of_a_token_that_is_no_parent_ends_the_family_within_a_second(world: World) -> None:
    """The window of ten seconds is for the parent alone."""
    first = await world.sign_ins.begin(GRANT)
    second = await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)
    third = await world.sign_ins.refresh(second.refresh_token, client_id=CLIENT)
    world.clock.advance(1)

    with pytest.raises(InvalidGrant):
        await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)

    await nothing_is_good(world, third.refresh_token, third.access_token)


async def test_reuse_is_noticed_although_the_token_has_long_expired(world: World) -> None:
    """A family that is refreshed all the time outlives its early tokens."""
    first = await world.sign_ins.begin(GRANT)
    latest = first
    for _ in range(5):
        world.clock.advance(10 * DAY)
        latest = await world.sign_ins.refresh(latest.refresh_token, client_id=CLIENT)

    with pytest.raises(InvalidGrant):
        await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)

    await nothing_is_good(world, latest.refresh_token, latest.access_token)
    await world.hears(1)


async def test_64_concurrent_refreshes_are_one_rotation_with_one_successor(world: World) -> None:
    first = await world.sign_ins.begin(GRANT)
    answers: set[tuple[str, str]] = set()

    async def refresh(number: int) -> None:
        pair = await world.instances[number % 2].sign_ins.refresh(first.refresh_token, client_id=CLIENT)
        answers.add((pair.refresh_token, pair.access_token))

    async with anyio.create_task_group() as tasks:
        for number in range(64):
            tasks.start_soon(refresh, number)

    assert len(answers) == 1
    access = await world.sign_ins.check(answers.pop()[1])
    assert access.generation == 1


async def test_a_revoked_sign_in_is_dead_on_every_instance_within_a_second(world: World) -> None:
    pair = await world.sign_ins.begin(GRANT)
    for instance in world.instances:
        access = await instance.sign_ins.check(pair.access_token)

    assert await world.sign_ins.revoke(access.family_id, "the person said so")

    assert not await world.sign_ins.revoke(access.family_id, "again")
    await nothing_is_good(world, pair.refresh_token, pair.access_token)
    await world.hears(1)
    assert world.announced[0].family_id == access.family_id


async def test_the_access_token_before_a_rotation_lives_on_until_its_time(world: World) -> None:
    """Another process of the client may be using it."""
    first = await world.sign_ins.begin(GRANT)
    await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)
    world.clock.advance(299)
    await world.sign_ins.check(first.access_token)

    world.clock.advance(1)

    with pytest.raises(InvalidToken):
        await world.sign_ins.check(first.access_token)


async def test_a_sign_in_ends_when_idle_and_after_its_longest_life(world: World) -> None:
    idle, kept = await world.sign_ins.begin(GRANT), await world.sign_ins.begin(GRANT)
    for _ in range(17):
        world.clock.advance(10 * DAY)
        kept = await world.sign_ins.refresh(kept.refresh_token, client_id=CLIENT)
    with pytest.raises(InvalidGrant):
        await world.sign_ins.refresh(idle.refresh_token, client_id=CLIENT)

    world.clock.advance(10 * DAY)

    with pytest.raises(InvalidGrant):
        await world.sign_ins.refresh(kept.refresh_token, client_id=CLIENT)
    assert await world.sign_ins.of_user("ada") == []


async def test_a_client_that_never_saves_keeps_its_refresh_token(world: World) -> None:
    first = await world.sign_ins.begin(replace(GRANT, never_saves_refresh_token=True))
    for _ in range(3):
        world.clock.advance(HOUR)
        pair = await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)
        await world.sign_ins.check(pair.access_token)

    assert await world.sign_ins.inspect(first.refresh_token)


async def test_what_a_client_asks_for_must_have_been_granted(world: World) -> None:
    pair = await world.sign_ins.begin(GRANT)

    with pytest.raises(InvalidGrant):
        await world.sign_ins.refresh(pair.refresh_token, client_id="another")
    with pytest.raises(InvalidGrant):
        await world.sign_ins.refresh(pair.access_token, client_id=CLIENT)
    with pytest.raises(InvalidScope):
        await world.sign_ins.refresh(
            pair.refresh_token, client_id=CLIENT, scopes=frozenset({"catalog:read", "experiments:admin"})
        )
    with pytest.raises(InvalidTarget):
        await world.sign_ins.refresh(pair.refresh_token, client_id=CLIENT, resource="https://other.example/mcp")
    with pytest.raises(InvalidToken):
        await world.sign_ins.check(pair.access_token, resource="https://other.example/mcp")
    with pytest.raises(InvalidToken):
        await world.sign_ins.check(pair.refresh_token)

    narrow = await world.sign_ins.refresh(pair.refresh_token, client_id=CLIENT, scopes=frozenset({"catalog:read"}))
    assert (await world.sign_ins.check(narrow.access_token)).scopes == narrow.scopes == {"catalog:read"}
    wide = await world.sign_ins.refresh(narrow.refresh_token, client_id=CLIENT)
    assert wide.scopes == GRANT.scopes


async def test_tokens_bound_to_a_key_are_refreshed_with_that_key_only(world: World) -> None:
    first = await world.sign_ins.begin(replace(GRANT, dpop_key="thumbprint"))
    assert first.token_type == "DPoP"
    for key in (None, "another"):
        with pytest.raises(InvalidGrant):
            await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT, dpop_key=key)

    second = await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT, dpop_key="thumbprint")

    assert (await world.sign_ins.check(second.access_token)).dpop_key == "thumbprint"


async def test_a_person_sees_sign_ins_and_can_be_erased(world: World) -> None:
    pair = await world.sign_ins.begin(GRANT)
    world.clock.advance(HOUR)
    await world.sign_ins.begin(GRANT)

    latest, oldest = await world.sign_ins.of_user("ada")
    assert (oldest.device, oldest.place, oldest.client_id) == ("Firefox on Linux", "Bern", CLIENT)
    assert (latest.begun_at - oldest.begun_at).total_seconds() == HOUR
    assert (oldest.ends_at - oldest.last_used_at).total_seconds() == 30 * DAY

    assert await world.sign_ins.erase_user("ada") == 2

    await nothing_is_good(world, pair.refresh_token, pair.access_token)
    assert await world.sign_ins.of_user("ada") == []
    await world.hears(2)


async def test_a_client_revokes_by_either_token_but_only_its_own(world: World) -> None:
    pair = await world.sign_ins.begin(GRANT)
    await world.sign_ins.revoke_token(pair.refresh_token, client_id="another")
    await world.sign_ins.revoke_token("no token", client_id=CLIENT)
    assert await world.sign_ins.inspect(pair.access_token)

    await world.sign_ins.revoke_token(pair.access_token, client_id=CLIENT)

    await nothing_is_good(world, pair.refresh_token, pair.access_token)


async def test_introspection_confirms_nothing(world: World) -> None:
    first = await world.sign_ins.begin(GRANT)
    second = await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)
    inspected = await world.sign_ins.inspect(second.access_token)
    world.clock.advance(HOUR)

    again = await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)

    assert inspected and inspected.user_id == "ada"
    assert again.refresh_token == second.refresh_token
    assert await world.sign_ins.inspect(first.refresh_token) is None


@pytest.mark.parametrize("first", [0, 1])
async def test_clocks_that_differ_by_ten_minutes_make_no_second_branch(urls: Urls, tmp_path: Path, first: int) -> None:
    async with open_world(urls, tmp_path, instances=2, skews=(-300, 300)) as world:
        ahead, behind = world.instances[first].sign_ins, world.instances[1 - first].sign_ins
        begun = await ahead.begin(GRANT)
        rotated = await behind.refresh(begun.refresh_token, client_id=CLIENT)

        again = await ahead.refresh(begun.refresh_token, client_id=CLIENT)

        assert again.refresh_token == rotated.refresh_token
        await behind.refresh(rotated.refresh_token, client_id=CLIENT)
        world.clock.advance(700)
        for instance in (ahead, behind):
            with pytest.raises(InvalidGrant):
                await instance.refresh(begun.refresh_token, client_id=CLIENT)
        await nothing_is_good(world, rotated.refresh_token, rotated.access_token)


async def nothing_is_good(world: World, refresh_token: str, access_token: str) -> None:
    """A second later at the latest, on every instance."""
    world.clock.advance(1)
    for instance in world.instances:
        with pytest.raises(InvalidToken):
            await instance.sign_ins.check(access_token)
        with pytest.raises(InvalidGrant):
            await instance.sign_ins.refresh(refresh_token, client_id=CLIENT)
        assert await instance.sign_ins.inspect(refresh_token) is None
