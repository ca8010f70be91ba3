"""`/authorize`: what clients may ask, what people see, and where browsers are sent."""

from __future__ import annotations

import httpx
import pytest

from mcp_gateway_auth.tests.server_world import ISSUER, REDIRECT, Person, World

pytestmark = pytest.mark.anyio


async def test_a_person_signs_in_and_the_client_gets_a_code(world: World) -> None:
    """RFC 6749 (4.1.2), with the issuer of RFC 9207; the redirect URI is the client's to the letter."""
    client = await world.register()

    async with world.http() as http:
        went = await Person(http).allow(client.ask())

    assert str(went).startswith(f"{REDIRECT}?code=")
    assert went.params["state"] == "state of the client"
    assert went.params["iss"] == ISSUER
    assert sorted(went.params.keys()) == ["code", "iss", "state"]


async def test_one_who_is_signed_in_is_asked_for_consent_again_but_not_for_the_password(world: World) -> None:
    """Any program on the computer can claim to be a client that was allowed before."""
    client = await world.register()

    async with world.http() as http:
        await Person(http).allow(client.ask())
        page = await Person(http).open(client.ask())

    assert "Allow" in page.text
    assert 'name="password"' not in page.text


async def test_one_who_refuses_sends_the_client_away(world: World) -> None:
    client = await world.register()

    async with world.http() as http:
        person = Person(http)
        done = await person.send(await person.consent_page(client.ask()), action="deny")

    went = httpx.URL(done.headers["location"])
    assert (went.params["error"], went.params["iss"]) == ("access_denied", ISSUER)
    assert went.params["state"] == "state of the client"


async def test_the_consent_page_says_who_asks_for_what_and_where_the_answer_goes(world: World) -> None:
    client = await world.register(client_name="Film <b>Friend</b>", redirect_uris=["https://films.example/back"])

    async with world.http() as http:
        ask = client.ask(redirect_uri="https://films.example/back", scope="catalog:read")
        page = await Person(http).consent_page(ask)

    assert "Film &lt;b&gt;Friend&lt;/b&gt;" in page.text
    assert "films.example" in page.text
    assert "Search films and series" in page.text
    assert "Record what you watch" not in page.text
    assert "Nobody has checked that" in page.text


@pytest.mark.parametrize(
    "given",
    [
        "http://127.0.0.1:5555/callback/",
        "http://127.0.0.1:5555/callback?x=1",
        "http://127.0.0.1:5555/CALLBACK",
        "http://127.0.0.1:5555/other/../callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.1:5555@evil.example/callback",
        "http://127.0.0.1:5555\\@evil.example/callback",
        "http://localhost:5555/callback",
        "https://127.0.0.1:5555/callback",
        "HTTP://127.0.0.1:5555/callback",
        "http://127.0.0.1:5555/callback#fragment",
        "//evil.example",
        "javascript:alert(1)",
    ],
)
async def test_a_redirect_uri_that_is_not_the_clients_to_the_letter_leads_nowhere(world: World, given: str) -> None:
    """OAuth 2.1 (2.3.1): exact comparison; the person is told, and no browser is sent anywhere."""
    client = await world.register()

    async with world.http() as http:
        page = await Person(http).open(client.ask(redirect_uri=given))

    assert page.status_code == 400
    assert "location" not in page.headers
    assert "not one of its own" in page.text


async def test_on_this_computer_any_port_will_do(world: World) -> None:
    """RFC 8252 (7.3)."""
    client = await world.register(redirect_uris=["http://127.0.0.1:1/callback", "http://[::1]/callback"])

    async with world.http() as http:
        for given in ("http://127.0.0.1:61234/callback", "http://127.0.0.1/callback", "http://[::1]:9/callback"):
            assert str(await Person(http).allow(client.ask(redirect_uri=given))).startswith(f"{given}?code=")


async def test_elsewhere_the_port_counts(world: World) -> None:
    client = await world.register(redirect_uris=["https://films.example/back"])

    async with world.http() as http:
        page = await Person(http).open(client.ask(redirect_uri="https://films.example:8443/back"))

    assert page.status_code == 400


async def test_without_a_redirect_uri_the_only_one_is_meant(world: World) -> None:
    one = await world.register()
    two = await world.register(redirect_uris=["http://127.0.0.1/a", "http://127.0.0.1/b"])

    async with world.http() as http:
        went = await Person(http).allow(one.ask(redirect_uri=""))
        assert str(went).startswith("http://127.0.0.1/callback?code=")
        assert (await Person(http).open(two.ask(redirect_uri=""))).status_code == 400


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"resource": "https://evil.example/mcp"}, "invalid_target"),
        ({"resource": [f"{ISSUER}/mcp", "https://evil.example/mcp"]}, "invalid_target"),
        ({"scope": "nothing:known"}, "invalid_scope"),
        ({"prompt": "none"}, "interaction_required"),
        ({"request_uri": "https://evil.example/request"}, "request_not_supported"),
        ({"dpop_jkt": "no thumbprint"}, "invalid_request"),
        ({"scope": ["catalog:read", "catalog:write"]}, "invalid_request"),
    ],
)
async def test_what_is_asked_wrongly_is_told_to_the_client(
    world: World, wrong: dict[str, str | list[str]], error: str
) -> None:
    """RFC 6749 (4.1.2.1), RFC 7636 (4.4.1): no PKCE, or a weaker one, is refused; so are other resources (RFC 8707)."""
    client = await world.register()

    async with world.http() as http:
        told = await Person(http).open(client.ask(**wrong))

    went = httpx.URL(told.headers["location"])
    assert str(went).startswith(REDIRECT)
    assert (went.params["error"], went.params["iss"]) == (error, ISSUER)
    assert "code" not in went.params


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("https://evil.example/page", "evil.example"),
        ("evil:/page", "the app on this device that opens evil: links"),
    ],
)
async def test_nobody_is_sent_to_another_site_or_app_by_a_link_alone(world: World, uri: str, words: str) -> None:
    """RFC 9700 (4.11.2): else anybody who registers a client has an open redirector here."""
    client = await world.register(redirect_uris=[uri])
    wrong = client.ask(redirect_uri=uri, response_type="none")

    async with world.http() as http:
        page = await Person(http).open(wrong)
        await Person(http).sign_in(client.ask(redirect_uri=uri))
        told = await Person(http).open(wrong)

    assert page.status_code == 400
    assert "location" not in page.headers
    assert f"Go back to {words}" in page.text
    assert told.headers["location"].startswith(f"{uri}?error=unsupported_response_type")


@pytest.mark.parametrize("resource", [ISSUER, f"{ISSUER}/", f"{ISSUER}/mcp", f"{ISSUER}/mcp/", f"{ISSUER}/sse"])
async def test_every_face_of_the_gateway_can_be_the_resource(world: World, resource: str) -> None:
    client = await world.register()

    assert (await client.sign_in(resource=resource))["token_type"] == "Bearer"


async def test_a_client_that_is_not_known_is_told_to_the_person_alone(world: World) -> None:
    client = await world.register()
    client.client_id = "somebody"

    async with world.http() as http:
        page = await Person(http).open(client.ask())

    assert page.status_code == 400
    assert "not known" in page.text


async def test_a_parameter_may_come_once_only(world: World) -> None:
    """RFC 6749 (3.1): else two programs that read the address see two different requests."""
    client = await world.register()

    async with world.http() as http:
        page = await Person(http).open(client.ask(client_id=[client.client_id, "somebody"]))

    assert page.status_code == 400


async def test_a_very_long_address_is_refused(world: World) -> None:
    client = await world.register()

    async with world.http() as http:
        page = await Person(http).open(client.ask(state="s" * 9000))

    assert page.status_code == 400


@pytest.mark.parametrize(
    ("redirect_uri", "source"),
    [
        ("http://127.0.0.1:5555/callback", "http://127.0.0.1:5555"),
        ("https://films.example/back", "https://films.example"),
        ("http://[::1]:5555/callback", "http:"),
        ("cursor://anysphere.cursor-mcp/oauth/callback", "cursor:"),
    ],
)
async def test_pages_run_nothing_load_nothing_and_stand_in_no_frame(
    world: World, redirect_uri: str, source: str
) -> None:
    """Their forms may lead to the client and nowhere else: browsers apply `form-action` to redirects, too."""
    client = await world.register(redirect_uris=[redirect_uri])

    async with world.http() as http:
        page = await Person(http).open(client.ask(redirect_uri=redirect_uri))

    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == f"'self' {source}"
    assert "script-src" not in policy
    assert "<script" not in page.text
    assert page.headers["referrer-policy"] == "same-origin"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-frame-options"] == "DENY"


async def test_a_viewer_cannot_grant_what_changes_the_gateway(world: World) -> None:
    client = await world.register()

    tokens = await client.sign_in(scope="catalog:read catalog:write experiments:admin")

    assert tokens["scope"] == "catalog:read"


async def test_a_viewer_who_is_asked_for_nothing_else_says_no_by_that(world: World) -> None:
    client = await world.register()

    async with world.http() as http:
        person = Person(http)
        await person.sign_in(client.ask())
        told = await person.open(client.ask(scope="experiments:admin"))

    assert httpx.URL(told.headers["location"]).params["error"] == "access_denied"


async def test_an_operator_can_grant_it(world: World) -> None:
    await world.users.add("Grace", "correct horse battery", is_operator=True)
    client = await world.register()

    tokens = await client.sign_in("Grace", scope="catalog:read catalog:write openid")

    assert tokens["scope"] == "catalog:read catalog:write"
