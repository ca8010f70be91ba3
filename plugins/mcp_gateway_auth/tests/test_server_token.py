"""`/token`, `/revoke` and `/introspect`: codes, refresh tokens, and clients that prove who they are."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import anyio
import httpx
import jwt
import pytest

from mcp_gateway_auth.families.models import TokenPair
from mcp_gateway_auth.server.codes import Consent
from mcp_gateway_auth.server.token import TokenEndpoint
from mcp_gateway_auth.tests.server_world import ISSUER, REDIRECT, Ask, Person, Registered, World, challenge_of

pytestmark = pytest.mark.anyio

SECRET_METHODS = ["client_secret_basic", "client_secret_post"]


async def code_for(client: Registered, ask: Ask) -> str:
    async with client.world.http() as http:
        return (await Person(http).allow(ask)).params["code"]


def basic(client_id: str, secret: str | None) -> Mapping[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"}


async def test_a_code_gives_tokens_that_nobody_keeps(world: World) -> None:
    """RFC 6749 (5.1)."""
    client = await world.register()
    ask = client.ask(scope="catalog:read")

    answer = await client.redeem(await code_for(client, ask), ask)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert (told["token_type"], told["scope"], told["expires_in"]) == ("Bearer", "catalog:read", 300)
    claims = jwt.decode(told["access_token"], options={"verify_signature": False})
    assert (claims["iss"], claims["aud"], claims["client_id"]) == (ISSUER, ISSUER, client.client_id)


async def test_a_code_that_comes_twice_ends_what_came_of_it(world: World) -> None:
    """RFC 6749 (4.1.2), RFC 9700 (4.5): one of the two has stolen it."""
    client = await world.register()
    ask = client.ask()
    code = await code_for(client, ask)
    tokens = (await client.redeem(code, ask)).json()
    tokens = (await client.refresh(tokens["refresh_token"])).json()

    again = await client.redeem(code, ask)

    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    refused = await client.refresh(tokens["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


async def test_a_code_that_comes_twice_is_noticed_days_later(world: World) -> None:
    client = await world.register()
    ask = client.ask()
    code = await code_for(client, ask)
    tokens = (await client.redeem(code, ask)).json()
    world.clock.advance(3 * 24 * 3600)

    await client.redeem(code, ask)

    assert (await client.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_code_that_comes_many_times_at_once_gives_nobody_anything_that_lasts(world: World) -> None:
    client = await world.register()
    ask = client.ask()
    code = await code_for(client, ask)
    answers: list[httpx.Response] = []

    async def redeem() -> None:
        answers.append(await client.redeem(code, ask))

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(redeem)

    given = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(given) <= 1
    for tokens in given:
        assert (await client.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_code_that_comes_again_before_the_first_answer_is_out_gives_nobody_anything(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second comes when the tokens exist, and nobody has noted yet which family they are of."""
    client = await world.register()
    ask = client.ask()
    code = await code_for(client, ask)
    begin = TokenEndpoint._begin
    given: list[Any] = []

    async def replayed_meanwhile(endpoint: TokenEndpoint, consent: Consent, key: str | None) -> TokenPair:
        given.append(await begin(endpoint, consent, key))
        given.append((await client.redeem(code, ask)).json())
        pair: TokenPair = given[0]
        return pair

    monkeypatch.setattr(TokenEndpoint, "_begin", replayed_meanwhile)
    answer = await client.redeem(code, ask)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert given[1]["error"] == "invalid_grant"
    assert (await client.refresh(given[0].refresh_token)).json()["error"] == "invalid_grant"


async def test_a_code_is_good_for_a_minute(world: World) -> None:
    client = await world.register()
    ask = client.ask()
    code = await code_for(client, ask)
    world.clock.advance(61)

    assert (await client.redeem(code, ask)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("verifier", ["x" * 43, "", "short", "x" * 200])
async def test_a_code_needs_the_verifier_it_was_asked_for_with(world: World, verifier: str) -> None:
    """RFC 7636 (4.6)."""
    client = await world.register()
    ask = client.ask()
    code = await code_for(client, ask)

    answer = await client.redeem(code, Ask(verifier, {}))

    assert answer.status_code == 400
    assert answer.json()["error"] in {"invalid_grant", "invalid_request"}


async def test_the_challenge_is_no_verifier(world: World) -> None:
    """PKCE downgrade: a thief of the address has the challenge."""
    client = await world.register()
    ask = client.ask()
    code = await code_for(client, ask)

    answer = await client.redeem(code, Ask(challenge_of(ask.verifier), {}))

    assert answer.json()["error"] == "invalid_grant"


async def test_a_code_is_good_for_its_client_alone(world: World) -> None:
    client, other = await world.register(), await world.register()
    ask = client.ask()
    code = await code_for(client, ask)

    assert (await other.redeem(code, ask)).json()["error"] == "invalid_grant"
    assert (await client.redeem(code, ask)).status_code == 200


async def test_a_code_goes_with_the_redirect_uri_it_was_sent_to(world: World) -> None:
    client = await world.register()
    ask = client.ask()
    code = await code_for(client, ask)

    assert (await client.redeem(code, ask, redirect_uri=f"{REDIRECT}/x")).json()["error"] == "invalid_grant"
    assert (await client.redeem(code, ask, redirect_uri="")).status_code == 200  # OAuth 2.1 leaves it out


@pytest.mark.parametrize("registered", SECRET_METHODS)
@pytest.mark.parametrize("shown", SECRET_METHODS)
async def test_a_secret_may_be_shown_in_the_header_or_in_the_form(world: World, registered: str, shown: str) -> None:
    client = await world.register(token_endpoint_auth_method=registered)
    ask = client.ask()
    code = await code_for(client, ask)
    fields = {"grant_type": "authorization_code", "code": code, "code_verifier": ask.verifier}

    async with world.http() as http:
        if shown == "client_secret_basic":
            answer = await http.post("/token", data=fields, headers=basic(client.client_id, client.secret))
        else:
            answer = await http.post("/token", data={**fields, **client.body})

    assert answer.status_code == 200


async def test_a_client_that_does_not_prove_itself_is_asked_to(world: World) -> None:
    """RFC 6749 (5.2): 401, with the scheme."""
    client = await world.register(token_endpoint_auth_method="client_secret_basic")
    fields = {"grant_type": "refresh_token", "refresh_token": "x"}
    shown: list[tuple[dict[str, str], Mapping[str, str]]] = [
        ({"client_id": client.client_id}, {}),
        ({"client_id": client.client_id, "client_secret": "wrong"}, {}),
        ({"client_id": "nobody"}, {}),
        ({}, {}),
        ({}, basic(client.client_id, "wrong")),
        ({}, basic(client.client_id, "")),
        ({}, {"Authorization": "Basic !!!"}),
        ({}, {"Authorization": "Bearer token"}),
    ]

    async with world.http() as http:
        for body, headers in shown:
            for path in ("/token", "/revoke", "/introspect"):
                answer = await http.post(path, data={**fields, "token": "x", **body}, headers=headers)

                assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), (body, headers)
                assert answer.headers["www-authenticate"].startswith("Basic ")


async def test_two_proofs_at_once_are_refused(world: World) -> None:
    client = await world.register(token_endpoint_auth_method="client_secret_basic")

    answer = await client.refresh("x", dict(basic(client.client_id, client.secret)))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_the_header_and_the_form_must_name_the_same_client(world: World) -> None:
    client = await world.register(token_endpoint_auth_method="client_secret_basic")

    async with world.http() as http:
        fields = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": "another"}
        answer = await http.post("/token", data=fields, headers=basic(client.client_id, client.secret))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("path", ["/token", "/revoke", "/introspect"])
async def test_secrets_in_the_address_are_refused(world: World, path: str) -> None:
    """Addresses end up in logs and histories."""
    client = await world.register(token_endpoint_auth_method="client_secret_post")

    answer = await client.post(f"{path}?token=x&refresh_token=x&grant_type=refresh_token")

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "address" in answer.json()["error_description"]


async def test_tokens_are_not_given_by_get(world: World) -> None:
    async with world.http() as http:
        assert (await http.get("/token")).status_code == 405


@pytest.mark.parametrize("content", [b"\xff\xfe", b"&" * 70, b"a=" + b"x" * 70_000])
async def test_a_body_that_is_no_form_is_refused(world: World, content: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    async with world.http() as http:
        answer = await http.post("/token", content=content, headers=headers)

    assert answer.status_code in {400, 413, 401}
    assert answer.json()["error"] in {"invalid_request", "invalid_client"}


async def test_a_grant_that_is_not_served_is_named(world: World) -> None:
    client = await world.register()

    answer = await client.post("/token", grant_type="password", username="Ada", password="x")

    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


async def test_tokens_for_another_resource_are_refused(world: World) -> None:
    """RFC 8707 (2.2), also on refreshing."""
    client = await world.register()
    tokens = await client.sign_in()

    answer = await client.refresh(tokens["refresh_token"], resource="https://evil.example/mcp")

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
    assert (await client.refresh(tokens["refresh_token"], resource=f"{ISSUER}/mcp")).status_code == 200


async def test_a_refresh_may_ask_for_less_but_not_for_more(world: World) -> None:
    client = await world.register()
    tokens = await client.sign_in(scope="catalog:read playback:read")

    more = await client.refresh(tokens["refresh_token"], scope="catalog:read catalog:write")
    less = await client.refresh(tokens["refresh_token"], scope="catalog:read")

    assert (more.status_code, more.json()["error"]) == (400, "invalid_scope")
    assert less.json()["scope"] == "catalog:read"


async def test_a_refresh_token_is_good_for_its_client_alone(world: World) -> None:
    client, other = await world.register(), await world.register()
    tokens = await client.sign_in()

    assert (await other.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_refresh_token_is_no_access_token_and_the_other_way_round(world: World) -> None:
    client = await world.register()
    tokens = await client.sign_in()

    assert (await client.refresh(tokens["access_token"])).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_a_public_client_ends_its_sign_in_without_a_secret(world: World, kind: str) -> None:
    """RFC 7009: whichever token, and no `client_secret` in the form."""
    client = await world.register()
    tokens = await client.sign_in()

    answer = await client.post("/revoke", token=tokens[kind])

    assert (answer.status_code, answer.content) == (200, b"")
    assert (await client.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_another_clients_token_is_left_alone_without_a_word(world: World) -> None:
    client, other = await world.register(), await world.register()
    tokens = await client.sign_in()

    assert (await other.post("/revoke", token=tokens["refresh_token"])).status_code == 200
    assert (await other.post("/revoke", token="no token")).status_code == 200
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200


async def test_a_client_with_a_secret_may_ask_what_its_tokens_are_good_for(world: World) -> None:
    """RFC 7662."""
    client = await world.register(token_endpoint_auth_method="client_secret_post")
    other = await world.register(token_endpoint_auth_method="client_secret_post")
    tokens = await client.sign_in(scope="catalog:read")

    told = (await client.post("/introspect", token=tokens["access_token"])).json()

    assert (told["active"], told["scope"], told["client_id"]) == (True, "catalog:read", client.client_id)
    assert (told["iss"], told["aud"]) == (ISSUER, ISSUER)
    inactive: list[dict[str, Any]] = [
        (await other.post("/introspect", token=tokens["access_token"])).json(),
        (await client.post("/introspect", token="no token")).json(),
    ]
    await client.post("/revoke", token=tokens["access_token"])
    inactive.append((await client.post("/introspect", token=tokens["access_token"])).json())
    assert inactive == [{"active": False}] * 3


async def test_a_public_client_may_not_ask(world: World) -> None:
    client = await world.register()

    assert (await client.post("/introspect", token="x")).status_code == 401


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_a_token_that_is_signed_with_another_algorithm_opens_nothing(world: World, algorithm: str) -> None:
    """Algorithm confusion: the public key as the secret of an HMAC, or no signature at all."""
    client = await world.register(token_endpoint_auth_method="client_secret_post")
    tokens = await client.sign_in()
    async with world.http() as http:
        public = (await http.get("/.well-known/jwks.json")).json()["keys"][0]
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    head = {**jwt.get_unverified_header(tokens["access_token"])}
    head.pop("alg")
    raw = base64.urlsafe_b64decode(public["x"] + "=")
    forged = jwt.encode(claims, raw if algorithm == "HS256" else "", algorithm=algorithm, headers=head)

    assert (await client.post("/introspect", token=forged)).json() == {"active": False}
    assert (await client.refresh(forged)).json()["error"] == "invalid_grant"


async def test_pages_of_other_origins_may_use_what_needs_no_cookie(world: World) -> None:
    """MCP clients in browsers do. What the guard lets through is answered to them."""
    origin = {"Origin": "http://localhost:6274"}
    asks = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,dpop"}

    async with world.http() as http:
        asked = await http.options("/token", headers=asks)
        told = await http.post("/token", headers=origin)
        page = await http.get("/authorize", headers=origin)

    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == told.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in told.headers
    assert "access-control-allow-origin" not in page.headers
