"""People who are erased, or get another password, in the middle of something."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway_auth.families.models import TokenPair
from mcp_gateway_auth.server.codes import Codes, Consent
from mcp_gateway_auth.server.passwords import Passwords
from mcp_gateway_auth.server.token import TokenEndpoint
from mcp_gateway_auth.tests.server_world import PASSWORD, Person, World

pytestmark = pytest.mark.anyio


async def test_a_new_password_voids_the_codes_given_before(world: World) -> None:
    await world.users.add("Prudent", PASSWORD)
    client = await world.register()
    ask = client.ask()
    async with world.http() as http:
        code = (await Person(http).allow(ask, "Prudent")).params["code"]

    await world.users.set_password("Prudent", "another horse battery")

    assert (await client.redeem(code, ask)).json()["error"] == "invalid_grant"


async def test_an_old_password_opens_nothing_where_it_changes_while_it_is_checked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.users.add("Hasty", PASSWORD)
    client = await world.register()
    verify = Passwords.verify

    async def changed_meanwhile(passwords: Passwords, kept: str | None, password: str) -> bool:
        is_right = await verify(passwords, kept, password)
        await world.users.set_password("Hasty", "another horse battery")
        return is_right

    monkeypatch.setattr(Passwords, "verify", changed_meanwhile)
    async with world.http() as http:
        done = await Person(http).sign_in(client.ask(), "Hasty")
        page = await Person(http).open(client.ask())

    assert done.status_code == 400
    assert "The name or the password is wrong." in done.text
    assert not any("device" in cookie for cookie in http.cookies)
    assert 'name="password"' in page.text


async def test_hashing_again_does_not_bring_an_old_password_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password changes between the check and the hash that is to replace a cheaper one."""
    await world.users.add("Changing", PASSWORD)
    client = await world.register()
    hash_of, new = Passwords.hash, "another horse battery"

    async def changed_meanwhile(passwords: Passwords, password: str) -> str:
        if password == PASSWORD:
            await world.users.set_password("Changing", new)
        return await hash_of(passwords, password)

    with monkeypatch.context() as patched:
        patched.setattr(Passwords, "is_outdated", lambda *_: True)
        patched.setattr(Passwords, "hash", changed_meanwhile)
        async with world.http() as http:
            old = await Person(http).sign_in(client.ask(), "Changing")
    async with world.http() as http:
        assert (await Person(http).sign_in(client.ask(), "Changing", new)).status_code == 303
    assert old.status_code == 400


async def test_what_was_hashed_more_cheaply_is_hashed_again_and_still_signs_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await world.register()
    monkeypatch.setattr(Passwords, "is_outdated", lambda *_: True)

    for _ in range(2):
        async with world.http() as http:
            assert (await Person(http).allow(client.ask())).params["code"]


@pytest.mark.parametrize("change", ["erased", "other password"])
async def test_who_allows_a_client_while_they_are_signed_out_gives_no_code(
    world: World, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    name = f"Gone: {change}"
    await world.users.add(name, PASSWORD)
    client = await world.register()
    issue = Codes.issue

    async def changed_before(codes: Codes, *given: Any) -> str | None:
        if change == "erased":
            await world.users.erase(name)
        else:
            await world.users.set_password(name, "another horse battery")
        return await issue(codes, *given)

    monkeypatch.setattr(Codes, "issue", changed_before)
    async with world.http() as http:
        person = Person(http)
        done = await person.send(await person.consent_page(client.ask(), name), action="allow")
        page = await http.get(done.headers["location"])

    assert done.headers["location"].startswith(f"{world.issuer}/authorize?")
    assert 'name="password"' in page.text


@pytest.mark.parametrize("change", ["erased", "other password"])
async def test_a_code_whose_person_goes_while_it_is_redeemed_gives_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """The tokens exist after the person's sign-ins were ended."""
    name = f"Leaving: {change}"
    await world.users.add(name, PASSWORD)
    client = await world.register()
    ask = client.ask()
    async with world.http() as http:
        code = (await Person(http).allow(ask, name)).params["code"]
    begin = TokenEndpoint._begin
    given: list[TokenPair] = []

    async def gone_meanwhile(endpoint: TokenEndpoint, consent: Consent, key: str | None) -> TokenPair:
        if change == "erased":
            await world.users.erase(name)
        else:
            await world.users.set_password(name, "another horse battery")
        given.append(await begin(endpoint, consent, key))
        return given[0]

    monkeypatch.setattr(TokenEndpoint, "_begin", gone_meanwhile)
    answer = await client.redeem(code, ask)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert (await client.refresh(given[0].refresh_token)).json()["error"] == "invalid_grant"
