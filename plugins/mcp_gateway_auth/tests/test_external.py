"""Tokens of another provider."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from mcp_gateway.testing import FakeClock
from mcp_gateway_auth.families.errors import InvalidToken, StoreUnavailable
from mcp_gateway_auth.resource.external import ExternalIssuer
from mcp_gateway_auth.server.guarded_fetch import GuardedFetch
from mcp_gateway_auth.tests.server_world import signing_in
from mcp_gateway_auth.tests.test_resource import call, called
from mcp_gateway_auth.tests.tls import https_server, make_certificate, trusting

pytestmark = pytest.mark.anyio

HOST, AUDIENCE, RESOURCE = "login.example", "media", "https://gateway.example"


class Provider:
    """An OpenID provider that really answers over TLS."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.asked: list[str] = []
        self.away = False
        self.issuer = self.claimed = ""
        self.keys: dict[str, Any] = {"rsa": rsa.generate_private_key(65537, 2048)}

    def answer(self, request: Any) -> None:
        self.asked.append(request.path)
        documents = {
            "/.well-known/openid-configuration": {"issuer": self.claimed, "jwks_uri": f"{self.issuer}/keys"},
            "/keys": {"keys": [self.jwk(kid) for kid in self.keys] + [{"kty": "oct", "k": "eA", "kid": "secret"}]},
        }
        body = json.dumps(documents.get(request.path)).encode()
        request.send_response(503 if self.away else 200)
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def jwk(self, kid: str) -> dict[str, Any]:
        key = self.keys[kid]
        kind: Any = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
        return {**kind.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}

    def token(self, kid: str = "rsa", *, head: dict[str, Any] | None = None, **claims: Any) -> str:
        now = int(self.clock.now().timestamp())
        said = {"iss": self.issuer, "aud": AUDIENCE, "sub": "ada", "exp": now + 300, "scope": "catalog:read", **claims}
        said = {name: value for name, value in said.items() if value is not None}
        algorithm = "RS256" if isinstance(self.keys[kid], rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(said, self.keys[kid], algorithm=algorithm, headers={"kid": kid, **(head or {})})


@asynccontextmanager
async def provider_and_checker(folder: Path) -> AsyncIterator[tuple[Provider, ExternalIssuer]]:
    clock = FakeClock()
    provider = Provider(clock)
    certificate = make_certificate(folder, HOST)

    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    with https_server(certificate, provider.answer) as port:
        provider.issuer = provider.claimed = f"https://{HOST}:{port}"
        fetch = GuardedFetch(here, lambda _: True, trusting(certificate))
        yield provider, ExternalIssuer(provider.issuer, AUDIENCE, RESOURCE, fetch, clock)


async def test_a_good_token_says_who_asks_and_the_keys_are_asked_for_once(tmp_path: Path) -> None:
    async with provider_and_checker(tmp_path) as (provider, checker):
        for _ in range(3):
            access = await checker.check(provider.token())

        assert (access.user_id, access.resource) == ("ada", RESOURCE)
        assert access.scopes == {"catalog:read"}
        assert (await checker.check(provider.token(scope=None, scp=["a", "b"]))).scopes == {"a", "b"}
        assert provider.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_a_wrong_token_opens_nothing(tmp_path: Path) -> None:
    async with provider_and_checker(tmp_path) as (provider, checker):
        now = int(provider.clock.now().timestamp())
        good = {"iss": provider.issuer, "aud": AUDIENCE, "sub": "ada", "exp": now + 60}
        wrong = [
            jwt.encode(good, "x" * 64, algorithm="HS256", headers={"kid": "rsa"}),
            jwt.encode(good, None, algorithm="none", headers={"kid": "rsa"}),  # type: ignore[arg-type]  # so it is
            provider.token(aud="https://elsewhere.example"),
            provider.token(iss="https://evil.example"),
            provider.token(exp=now - 61),
            provider.token(nbf=now + 61),
            provider.token(exp="soon"),
            provider.token(head={"typ": "rt+jwt"}),
            provider.token(head={"kid": "secret"}),
            provider.token()[:-4] + "AAAA",
            "x",
            "",
        ]
        for token in wrong:
            with pytest.raises(InvalidToken):
                await checker.check(token)


async def test_a_new_key_is_found_and_unknown_ones_do_not_make_us_ask_all_the_time(tmp_path: Path) -> None:
    async with provider_and_checker(tmp_path) as (provider, checker):
        await checker.check(provider.token())
        provider.keys["new"] = ec.generate_private_key(ec.SECP256R1())
        for _ in range(5):
            with pytest.raises(InvalidToken):
                await checker.check(provider.token("new"))
        assert len(provider.asked) == 2

        provider.clock.advance(31)
        assert (await checker.check(provider.token("new"))).user_id == "ada"
        assert len(provider.asked) == 4


async def test_while_the_provider_is_away_its_keys_stay_good_for_a_day(tmp_path: Path) -> None:
    async with provider_and_checker(tmp_path) as (provider, checker):
        await checker.check(provider.token())
        provider.away = True
        provider.clock.advance(23 * 3600)
        await checker.check(provider.token())

        provider.clock.advance(2 * 3600)
        with pytest.raises(StoreUnavailable):
            await checker.check(provider.token())

        provider.away = False
        provider.clock.advance(31)
        await checker.check(provider.token())


async def test_metadata_of_somebody_else_is_not_believed(tmp_path: Path) -> None:
    async with provider_and_checker(tmp_path) as (provider, checker):
        provider.claimed = "https://evil.example"
        with pytest.raises(StoreUnavailable):
            await checker.check(provider.token())


async def test_a_gateway_takes_the_tokens_of_the_provider_it_was_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    provider = Provider(FakeClock())
    with https_server(certificate, provider.answer) as port:
        provider.issuer = provider.claimed = f"https://localhost:{port}"
        settings: dict[str, Any] = {"external_issuer": provider.issuer, "external_audience": AUDIENCE}
        async with signing_in(tmp_path / "data", people=(), **settings) as world:
            provider.clock = world.clock
            account = await called(world, provider.token(scope="account:read"), "get_account")
            async with world.http() as http:
                metadata = await http.get("/.well-known/oauth-protected-resource/mcp")
                page = await http.get("/authorize")
            refused = await call(world, provider.token(aud="somebody else"), "get_account")

    assert (account["id"], account["scopes"]) == ("ada", ["account:read"])
    assert metadata.json()["authorization_servers"] == [provider.issuer]
    assert (page.status_code, refused.status_code) == (401, 401)
