"""What an access token opens, on every face, and what no token opens."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import httpx
import jwt
import pytest

from mcp_gateway_auth.tests.server_world import ISSUER, Person, World
from mcp_gateway_auth.tests.test_server_dpop import Prover

pytestmark = pytest.mark.anyio

ABOUT = f'resource_metadata="{ISSUER}/.well-known/oauth-protected-resource'
ENVELOPE = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


async def call(world: World, token: str, tool: str, *, scheme: str = "Bearer", **arguments: Any) -> httpx.Response:
    """Call a tool with an access token."""
    params = {"name": tool, "arguments": arguments, "_meta": ENVELOPE}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": tool,
        "authorization": f"{scheme} {token}",
    }
    async with world.http() as http:
        return await http.post("/mcp", json=message, headers=headers)


async def called(world: World, token: str, tool: str, **arguments: Any) -> Any:
    """What a tool says."""
    answer = await call(world, token, tool, **arguments)
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]["structuredContent"]


async def access(world: World, name: str = "Ada", **more: str) -> str:
    """An access token of somebody."""
    client = await world.register(client_name="Couch")
    return str((await client.sign_in(name, **more))["access_token"])


async def test_a_token_says_who_asks_and_what_they_may(world: World) -> None:
    token = await access(world, scope="account:read catalog:read")

    account = await called(world, token, "get_account")

    assert account["name"] == "Ada"
    assert account["scopes"] == ["account:read", "catalog:read"]


@pytest.mark.parametrize("path", ["/mcp", "/sse", "/messages?session_id=x", "/api/v1/titles/tt1", "/openapi.json"])
async def test_nothing_opens_without_a_token_and_each_face_says_how_to_get_one(world: World, path: str) -> None:
    async with world.http() as http:
        answer = await http.get(path)
        told = answer.headers["www-authenticate"]
        assert answer.status_code == 401
        assert told.startswith("Bearer ")
        assert ABOUT in told
        assert 'scope="catalog:read' in told
        assert "error=" not in told

        metadata = await http.get(told.split('resource_metadata="')[1].split('"')[0])
        assert metadata.json()["authorization_servers"] == [ISSUER]


async def test_a_wrong_token_is_no_key(world: World) -> None:
    client = await world.register()
    pair = await client.sign_in()
    token, refresh = pair["access_token"], pair["refresh_token"]
    head, claims, signature = token.split(".")
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=="))
    unsigned = jwt.encode(decoded, None, algorithm="none", headers={"typ": "at+jwt"})  # type: ignore[arg-type]
    hmac_by_public = jwt.encode(decoded, "x" * 64, algorithm="HS256", headers={"typ": "at+jwt"})
    another = jwt.encode({**decoded, "aud": "https://elsewhere.example/mcp"}, "x" * 64, algorithm="HS256")
    wrong = [refresh, unsigned, hmac_by_public, another, "x", "x" * 9000, f"{head}.{claims}.{signature[::-1]}"]
    for attempt in wrong:
        answer = await call(world, attempt, "get_account")
        assert answer.status_code == 401, attempt[:40]
        assert attempt not in answer.text
    assert (await call(world, token, "get_account")).status_code == 200


async def test_a_token_for_another_resource_opens_nothing(world: World) -> None:
    client = await world.register()
    async with world.http() as http:
        ask = client.ask(resource="https://elsewhere.example/mcp")
        answer = await http.get("/authorize", params=dict(ask.query))
    assert "invalid_target" in answer.headers["location"]


async def test_a_token_in_the_address_is_refused_even_if_good(world: World) -> None:
    token = await access(world)
    async with world.http() as http:
        for headers in ({}, {"authorization": f"Bearer {token}"}):
            answer = await http.get("/openapi.json", params={"access_token": token}, headers=headers)
            assert answer.status_code == 401
        doubled = [("authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}")]
        assert (await http.get("/openapi.json", headers=doubled)).status_code == 401
        assert (await http.get("/openapi.json", headers={"authorization": f"Bearer {token}"})).status_code == 200


async def test_too_few_rights_are_told_with_the_way_to_more(world: World) -> None:
    token = await access(world, scope="account:read")

    answer = await call(world, token, "revoke_sign_in", id="x")

    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert 'scope="account:write"' in answer.headers["www-authenticate"]
    async with world.http() as http:
        as_rest = await http.get("/api/v1/nothing", headers={"authorization": f"Bearer {token}"})
    assert as_rest.status_code == 404


async def test_a_token_dies_with_its_time(world: World) -> None:
    token = await access(world)
    assert (await call(world, token, "get_account")).status_code == 200

    world.clock.advance(301)

    answer = await call(world, token, "get_account")
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_people_see_and_end_their_own_sign_ins_and_nobody_elses(world: World) -> None:
    await world.users.add("Bea", "correct horse battery")
    mine, other, of_bea = await access(world), await access(world), await access(world, "Bea")

    seen = (await called(world, mine, "list_sign_ins"))["items"]
    of_bea_id = (await called(world, of_bea, "get_account"))["sign_in_id"]
    mine_id = (await called(world, mine, "get_account"))["sign_in_id"]
    other_id = (await called(world, other, "get_account"))["sign_in_id"]
    assert {mine_id, other_id} <= {entry["id"] for entry in seen}
    assert of_bea_id not in {entry["id"] for entry in seen}
    assert [entry["id"] for entry in seen if entry["is_this_one"]] == [mine_id]
    assert [entry["client"] for entry in seen if entry["id"] == other_id] == ["Couch"]

    refused = (await call(world, mine, "revoke_sign_in", id=of_bea_id)).json()["result"]
    assert refused["isError"]
    assert (await called(world, mine, "revoke_sign_in", id=other_id, dry_run=True))["dry_run"]
    assert (await call(world, other, "get_account")).status_code == 200

    await called(world, mine, "revoke_sign_in", id=other_id)
    world.clock.advance(1)
    assert (await call(world, other, "get_account")).status_code == 401
    assert (await call(world, of_bea, "get_account")).status_code == 200


async def test_a_token_that_is_bound_to_a_key_is_of_no_use_without_it(world: World) -> None:
    client, prover = await world.register(), Prover(world)
    await prover.learn_nonce(client)
    ask = client.ask()
    async with world.http() as http:
        code = (await Person(http).allow(ask)).params["code"]
    token = (await client.redeem(code, ask, prover.proof())).json()["access_token"]
    digest = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
    proof = prover.proof(htm="GET", htu=f"{ISSUER}/openapi.json", ath=digest)

    async with world.http() as http:
        get = "/openapi.json"
        assert (await http.get(get, headers={"authorization": f"Bearer {token}"})).status_code == 401
        assert (await http.get(get, headers={"authorization": f"DPoP {token}"})).status_code == 401
        assert (await http.get(get, headers={"authorization": f"Bearer {token}", **proof})).status_code == 401
        fresh = prover.proof(htm="GET", htu=f"{ISSUER}/openapi.json", ath=digest)
        assert (await http.get(get, headers={"authorization": f"DPoP {token}", **fresh})).status_code == 200
        replayed = await http.get(get, headers={"authorization": f"DPoP {token}", **fresh})
        assert replayed.status_code == 401
        assert replayed.headers["www-authenticate"].startswith("DPoP ")
        assert "dpop-nonce" in replayed.headers
        thief = Prover(world)
        thief.nonce = prover.nonce
        stolen = thief.proof(htm="GET", htu=f"{ISSUER}/openapi.json", ath=digest)
        assert (await http.get(get, headers={"authorization": f"DPoP {token}", **stolen})).status_code == 401
