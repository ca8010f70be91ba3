"""No secret is kept or logged, whatever happens to it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mcp_gateway.observability.logs import configure
from mcp_gateway.settings import LogSection
from mcp_gateway_auth.tests.server_world import PASSWORD, Ask, Person, World, signing_in
from mcp_gateway_auth.tests.test_server_dpop import Prover

pytestmark = pytest.mark.anyio

MISTYPED = "correct horse buttery"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What an operator sees who wants to see everything."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers, root.level
    configure(LogSection(level="debug"), stream)
    yield stream
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


async def test_neither_logs_nor_files_hold_a_secret(tmp_path: Path, log: io.StringIO) -> None:
    """Passwords, codes, cookies, verifiers, clients' secrets and tokens; those that were refused as well."""
    async with signing_in(tmp_path) as world:
        secrets = await _everything(world)
    kept, logged = _kept_in(tmp_path), log.getvalue()

    assert len(secrets) > 15
    assert "an authorization code was used twice" in logged
    assert b"Ada" in kept
    for what, secret in secrets.items():
        assert secret not in logged, f"the log has the {what}"
        assert secret.encode() not in kept, f"a file has the {what}"


def _kept_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def _everything(world: World) -> dict[str, str]:
    """Go through all that works and much that does not; every secret that was used."""
    client = await world.register(token_endpoint_auth_method="client_secret_post")
    ask = client.ask()
    async with world.http() as http:
        person = Person(http)
        anonymous = (await person.open(ask)).cookies["media-gateway-session"]
        await person.sign_in(ask, "Ada", MISTYPED)
        await person.sign_in(ask, MISTYPED, PASSWORD)
        await http.post("/authorize", params=dict(ask.query), data={"form_token": "forged", "password": MISTYPED})
        code = (await person.allow(ask)).params["code"]
        cookies = dict(http.cookies)
    await client.redeem(code, Ask("wrong-verifier-of-somebody-else-wrong-verifier", {}))
    tokens = (await client.redeem(code, ask)).json()
    newer = (await client.refresh(tokens["refresh_token"])).json()
    prover = Prover(world)
    proof = prover.proof()
    await client.refresh(newer["refresh_token"], proof)
    await client.post("/introspect", token=newer["access_token"])
    await client.refresh(newer["access_token"])
    await client.post("/token", client_secret="a-secret-that-is-wrong", grant_type="refresh_token", refresh_token="x")
    await client.redeem(code, ask)
    await client.post("/revoke", token=newer["refresh_token"])
    await _broken(world, tokens)
    assert client.secret
    return {
        "password": PASSWORD, "mistyped password": MISTYPED, "anonymous cookie": anonymous, "code": code,
        **{f"cookie {name}": value for name, value in cookies.items()}, "client's secret": client.secret,
        "wrong secret": "a-secret-that-is-wrong", "verifier": ask.verifier, "proof": proof["DPoP"],
        "wrong verifier": "wrong-verifier-of-somebody-else",
        **{f"{name} {age}": given[name] for age, given in (("first", tokens), ("second", newer))
           for name in ("access_token", "refresh_token")},
        **{f"signature of {name}": newer[name].rpartition(".")[2] for name in ("access_token", "refresh_token")},
    }  # fmt: skip


async def _broken(world: World, tokens: dict[str, str]) -> None:
    """Requests that no client sends."""
    async with world.http() as http:
        await http.get("/token", params={"refresh_token": tokens["refresh_token"]})
        await http.post("/token", params={"refresh_token": tokens["refresh_token"]})
        await http.post("/token", content=f"refresh_token={tokens['refresh_token']}")
        await http.post("/token", headers=httpx.Headers({"Authorization": f"Bearer {tokens['access_token']}"}))
