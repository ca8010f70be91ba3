"""Signing in: what attackers try with forms, cookies and guesses."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import anyio
import httpx
import pytest
from starlette.requests import Request

from mcp_gateway.api import RateLimited
from mcp_gateway_auth.server import passwords
from mcp_gateway_auth.server.addresses import Addresses
from mcp_gateway_auth.server.client_address import ClientAddress
from mcp_gateway_auth.server.guesses import Guesses
from mcp_gateway_auth.server.passwords import Passwords
from mcp_gateway_auth.server.store import CookieStore, UserStore
from mcp_gateway_auth.server.throttle import Throttle
from mcp_gateway_auth.server.visits import Visits
from mcp_gateway_auth.tests.server_world import PASSWORD, Person, World, signing_in, token_in

pytestmark = pytest.mark.anyio

SESSION = "media-gateway-session"


async def test_a_wrong_password_and_an_unknown_name_are_answered_alike(world: World) -> None:
    client = await world.register()

    async with world.http() as http:
        person = Person(http)
        wrong = await person.sign_in(client.ask(state="s"), "Ada", "wrong")
        unknown = await person.sign_in(client.ask(state="s"), "Eve", "wrong")

    assert wrong.status_code == unknown.status_code == 400
    assert _alike(wrong).replace("Ada", "Eve") == _alike(unknown)
    assert "The name or the password is wrong." in wrong.text


def _alike(page: httpx.Response) -> str:
    return page.text.replace(token_in(page), "")


async def test_an_unknown_name_takes_as_long_as_a_wrong_password(world: World) -> None:
    """By the time the processor spends, which is what a password costs: 20 of each, taking turns."""
    client = await world.register()
    spent: dict[str, list[float]] = {"Ada": [], "Nobody": []}

    async with world.http() as http:
        person = Person(http)
        page = await person.open(client.ask())
        for _ in range(20):
            for name, times in spent.items():
                world.clock.advance(3600)
                begun = time.process_time()
                await person.send(page, action="sign-in", name=name, password="wrong")
                times.append(time.process_time() - begun)

    known, unknown = median(spent["Ada"]), median(spent["Nobody"])
    assert unknown > 0.01  # argon2id was asked
    assert 0.7 < known / unknown < 1.4


async def test_what_is_missing_is_said_beside_its_field(world: World) -> None:
    client = await world.register()

    async with world.http() as http:
        page = await Person(http).sign_in(client.ask(), "Ada", "")

    assert '<a href="#password">Enter your password.</a>' in page.text
    assert 'aria-describedby="password-fault"' in page.text
    assert 'id="name-fault"' not in page.text
    assert "<title>Error: Sign in" in page.text


async def test_a_password_is_never_sent_back(world: World) -> None:
    client = await world.register()

    async with world.http() as http:
        page = await Person(http).sign_in(client.ask(), "Eve", "a secret thing")

    assert "a secret thing" not in page.text
    assert 'value="Eve"' in page.text


async def test_a_form_of_another_site_does_nothing(world: World) -> None:
    """CSRF: without our token, with another browser's, from another origin."""
    client = await world.register()
    ask = client.ask()
    async with world.http() as http, world.http() as strangers:
        person = Person(http)
        mine = await person.consent_page(ask)
        theirs = await Person(strangers).consent_page(ask)
        url = str(mine.url)
        forged = [
            await http.post(url, data={"action": "allow"}),
            await http.post(url, data={"action": "allow", "form_token": token_in(theirs)}),
            await person.send(mine, {"Origin": "http://127.0.0.1:6666"}, action="allow"),
            await person.send(mine, {"Origin": "http://localhost:8765"}, action="allow"),
        ]
        guarded = [
            await person.send(mine, {"Origin": "https://evil.example"}, action="allow"),
            await person.send(mine, {"Origin": "null"}, action="allow"),
        ]
        allowed = await person.send(mine, {"Origin": world.issuer}, action="allow")

    assert [page.status_code for page in forged + guarded] == [403] * 6
    assert all("location" not in page.headers for page in forged + guarded)
    assert allowed.status_code == 303


async def test_the_token_of_one_request_is_no_good_for_another(world: World) -> None:
    """A page that was shown for one client never lets in another."""
    one, other = await world.register(), await world.register()

    async with world.http() as http:
        page = await Person(http).consent_page(one.ask())
        elsewhere = await Person(http).open(other.ask())
        answer = await http.post(elsewhere.url, data={"form_token": token_in(page), "action": "allow"})

    assert answer.status_code == 403


async def test_nobody_is_signed_in_as_somebody_else_behind_their_back(world: World) -> None:
    """Login CSRF: the form needs a token that goes with the browser."""
    client = await world.register()
    fields = {"action": "sign-in", "name": "Ada", "password": PASSWORD}

    async with world.http() as http:
        page = await http.post("/authorize", params=dict(client.ask().query), data=fields)

    assert page.status_code == 403
    async with world.http() as http:
        assert 'name="password"' in (await Person(http).open(client.ask())).text


async def test_a_cookie_that_was_planted_before_opens_nothing_afterwards(world: World) -> None:
    """Session fixation: signing in gives the browser a new secret."""
    client = await world.register()
    async with world.http() as http, world.http() as attacker:
        await Person(attacker).open(client.ask())
        planted = attacker.cookies[SESSION]
        http.cookies.set(SESSION, planted, domain="127.0.0.1")
        await Person(http).allow(client.ask())

        assert http.cookies[SESSION] != planted
        assert 'name="password"' in (await Person(attacker).open(client.ask())).text


async def test_signing_out_ends_the_session_on_the_server(world: World) -> None:
    client = await world.register()
    async with world.http() as http, world.http() as thief:
        person = Person(http)
        page = await person.consent_page(client.ask())
        thief.cookies.set(SESSION, http.cookies[SESSION], domain="127.0.0.1")
        assert 'name="password"' not in (await Person(thief).open(client.ask())).text

        await person.send(page, action="sign-out")

        assert 'name="password"' in (await Person(thief).open(client.ask())).text
        assert 'name="password"' in (await person.open(client.ask())).text


async def test_a_session_ends_after_half_a_day_and_a_remembered_one_after_a_month(world: World) -> None:
    client = await world.register()
    async with world.http() as http, world.http() as remembered:
        await Person(http).sign_in(client.ask())
        await Person(remembered).sign_in(client.ask(), remember="yes")
        world.clock.advance(13 * 3600)

        assert 'name="password"' in (await Person(http).open(client.ask())).text
        assert 'name="password"' not in (await Person(remembered).open(client.ask())).text
        world.clock.advance(30 * 24 * 3600)
        assert 'name="password"' in (await Person(remembered).open(client.ask())).text


async def test_cookies_are_out_of_reach_of_scripts_and_other_sites(world: World) -> None:
    client = await world.register()

    async with world.http() as http:
        done = await Person(http).sign_in(client.ask(), remember="yes")

    for cookie in done.headers.get_list("set-cookie"):
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "samesite=lax", "path=/"} <= attributes
        assert "secure" not in attributes  # http: browsers would drop it


async def test_over_https_cookies_belong_to_this_host_alone(tmp_path: Path) -> None:
    async with signing_in(tmp_path, issuer="https://media.example") as world:
        client = await world.register()
        async with world.http() as http:
            done = await Person(http).sign_in(client.ask())

    cookies = done.headers.get_list("set-cookie")
    assert [cookie.partition("=")[0] for cookie in cookies] == [
        "__Host-media-gateway-session",
        "__Host-media-gateway-device",
    ]
    assert all("Secure" in cookie and "Path=/" in cookie and "Domain" not in cookie for cookie in cookies)


async def test_guessing_from_one_address_ends_soon(world: World) -> None:
    """At however many names: 30 are looked at, then one in ten seconds."""
    client = await world.register()
    looked_at = 0

    async with world.http("198.51.100.7") as http:
        person = Person(http)
        page = await person.open(client.ask())
        for number in range(100):
            answer = await person.send(page, action="sign-in", name=f"name {number}", password="guess")
            looked_at += answer.status_code == 400
        world.clock.advance(10)
        answer = await person.send(page, action="sign-in", name="name", password="guess")

    assert looked_at == 30
    assert answer.status_code == 400


async def test_guesses_at_one_name_from_everywhere_find_nothing(world: World) -> None:
    """The right password is among them: the name is closed to strangers by then."""
    client = await world.register()
    transport, answers = httpx.ASGITransport(world.app), []

    async with httpx.AsyncClient(transport=transport, base_url=world.issuer) as http:
        person = Person(http)
        page = await person.open(client.ask())
        for number in range(500):
            transport.client = (f"10.0.{number >> 8}.{number & 255}", 1)
            guess = PASSWORD if number == 499 else f"guess {number}"
            answers.append(await person.send(page, action="sign-in", name="Ada", password=guess))

    assert [answer.status_code for answer in answers] == [400] * 10 + [429] * 490


async def test_ten_thousand_guesses_cost_ten_hashes(world: World) -> None:
    """Without the layers of HTTP above: what is refused is refused without the database or the processor."""
    services = world.services
    counting = CountingPasswords()
    guesses = Guesses(
        UserStore(services),
        counting,
        Throttle(services),
        Visits(CookieStore(services), Addresses(world.issuer)),
        ClientAddress(""),
    )
    refused = 0

    for number in range(10_000):
        scope = {"type": "http", "headers": [], "client": (f"10.0.{number >> 8}.{number & 255}", 1)}
        try:
            guess = await guesses.check(Request(scope), "ADA", PASSWORD if number > 10 else "guess")
            assert guess.user is None
        except RateLimited:
            refused += 1

    assert (refused, counting.verified) == (9_990, 10)


class CountingPasswords(Passwords):
    """Passwords that know how often they were asked."""

    verified = 0

    async def verify(self, kept: str | None, password: str) -> bool:
        """As ever."""
        self.verified += 1
        return await super().verify(kept, password)


async def test_where_one_has_signed_in_before_strangers_lock_nobody_out(world: World) -> None:
    client = await world.register()
    async with world.http("198.51.100.1") as home, world.http("198.51.100.2") as attacker:
        await Person(home).allow(client.ask())
        home.cookies.delete(SESSION)
        for _ in range(12):
            refused = await Person(attacker).sign_in(client.ask(), "Ada", "guess")

        new = world.http("198.51.100.3")
        async with new:
            elsewhere = await Person(new).sign_in(client.ask())
        at_home = await Person(home).sign_in(client.ask())
        world.clock.advance(301)
        async with world.http("198.51.100.3") as http:
            later = await Person(http).sign_in(client.ask())

    assert refused.status_code == elsewhere.status_code == 429
    assert "Try again in 5 minutes" in elsewhere.text
    assert elsewhere.headers["retry-after"] == "300"
    assert at_home.status_code == later.status_code == 303


async def test_ones_own_sign_ins_are_not_counted(world: World) -> None:
    client = await world.register()

    for _ in range(15):
        async with world.http("198.51.100.9") as http:
            assert (await Person(http).sign_in(client.ask())).status_code == 303


async def test_signing_in_as_oneself_does_not_buy_more_guesses(world: World) -> None:
    client = await world.register()
    guesses = 0

    async with world.http("198.51.100.10") as http:
        person = Person(http)
        page = await person.open(client.ask())
        for number in range(60):
            if number % 5 == 0:
                async with world.http("198.51.100.10") as own:
                    await Person(own).sign_in(client.ask())
            answer = await person.send(page, action="sign-in", name=f"name {number}", password="guess")
            guesses += answer.status_code == 400

    assert guesses <= 31


async def test_behind_a_proxy_its_word_for_the_address_counts_and_nobody_elses(tmp_path: Path) -> None:
    async with signing_in(tmp_path, client_address_header="X-Forwarded-For") as world:
        client = await world.register()
        async with world.http() as http:
            person = Person(http)
            page = await person.open(client.ask())

            async def guess(forwarded: str, number: int) -> int:
                headers = {"X-Forwarded-For": forwarded}
                done = await person.send(page, headers, action="sign-in", name=f"name {number}", password="guess")
                return done.status_code

            claimed = [await guess(f"203.0.113.{number}, 198.51.100.4", number) for number in range(32)]
            other = await guess("203.0.113.1, 198.51.100.5", 99)

    assert claimed == [400] * 30 + [429] * 2
    assert other == 400


async def test_too_many_at_once_are_sent_away_instead_of_piling_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "WAITING", 2)
    client = await world.register()
    answers: list[int] = []

    async with world.http() as http:
        person = Person(http)
        page = await person.open(client.ask())

        async def guess(number: int) -> None:
            done = await person.send(page, action="sign-in", name=f"name {number}", password="guess")
            answers.append(done.status_code)

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(guess, number)

    assert set(answers) == {400, 503}


async def test_who_is_erased_is_signed_out_and_their_codes_are_void(world: World) -> None:
    await world.users.add("Leaving", PASSWORD)
    client = await world.register()
    tokens = await client.sign_in("Leaving")
    ask = client.ask()
    async with world.http() as http:
        code = (await Person(http).allow(ask, "Leaving")).params["code"]

        assert await world.users.erase("leaving") == 1

        assert 'name="password"' in (await Person(http).open(client.ask())).text
    assert (await client.redeem(code, ask)).json()["error"] == "invalid_grant"
    assert (await client.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_new_password_ends_what_the_old_one_opened(world: World) -> None:
    await world.users.add("Careful", PASSWORD)
    client = await world.register()
    tokens = await client.sign_in("Careful")
    async with world.http() as http:
        await Person(http).sign_in(client.ask(), "Careful")

        await world.users.set_password("Careful", "another horse battery")

        assert 'name="password"' in (await Person(http).open(client.ask())).text
        assert (await Person(http).sign_in(client.ask(), "Careful")).status_code == 400
        done = await Person(http).sign_in(client.ask(), "Careful", "another horse battery")
    assert done.status_code == 303
    assert (await client.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
