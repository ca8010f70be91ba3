"""Proofs of possession (RFC 9449)."""

from __future__ import annotations

import hashlib
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from mcp_gateway_auth.tests.server_world import ISSUER, Ask, Person, Registered, World

pytestmark = pytest.mark.anyio

TOKEN = f"{ISSUER}/token"


class Prover:
    """A client's key, and proofs made with it."""

    def __init__(self, world: World, kind: str = "ES256") -> None:
        self.world = world
        self.kind = kind
        self.nonce: str | None = None
        self.key: Any = _key(kind)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public part."""
        algorithm: Any = {"ES256": ECAlgorithm, "EdDSA": OKPAlgorithm, "RS256": RSAAlgorithm}[self.kind]
        return dict(algorithm.to_jwk(self.key.public_key(), as_dict=True))

    @property
    def thumbprint(self) -> str:
        """RFC 7638."""
        members = {name: self.jwk[name] for name in ("crv", "kty", "x", "y") if name in self.jwk}
        text = "{" + ",".join(f'"{name}":"{value}"' for name, value in sorted(members.items())) + "}"
        return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()

    def proof(self, head: Mapping[str, Any] | None = None, **claims: Any) -> dict[str, str]:
        """The header with a proof for /token, right but for what is given."""
        usual = {"jti": str(uuid.uuid4()), "htm": "POST", "htu": TOKEN, "iat": int(self.world.clock.now().timestamp())}
        said = {**usual, **({} if self.nonce is None else {"nonce": self.nonce}), **claims}
        said = {name: value for name, value in said.items() if value is not None}
        headers = {"typ": "dpop+jwt", "jwk": self.jwk, **(head or {})}
        return {"DPoP": jwt.encode(said, self.key, algorithm=self.kind, headers=headers)}

    async def learn_nonce(self, client: Registered) -> None:
        """Ask once without a nonce, as clients do."""
        answer = await client.refresh("x", self.proof())
        assert answer.json()["error"] == "use_dpop_nonce"
        self.nonce = answer.headers["dpop-nonce"]


def _key(kind: str) -> Any:
    match kind:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


async def bound(client: Registered, prover: Prover, **more: str) -> dict[str, Any]:
    """Sign in with tokens that are bound to the key."""
    ask = client.ask(**more)
    async with client.world.http() as http:
        code = (await Person(http).allow(ask)).params["code"]
    await prover.learn_nonce(client)
    return dict((await client.redeem(code, ask, prover.proof())).raise_for_status().json())


@pytest.mark.parametrize("kind", ["ES256", "EdDSA"])
async def test_tokens_are_bound_to_the_key_that_was_proved(world: World, kind: str) -> None:
    client, prover = await world.register(), Prover(world, kind)

    tokens = await bound(client, prover)

    assert tokens["token_type"] == "DPoP"
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert claims["cnf"] == {"jkt": prover.thumbprint}


async def test_without_its_key_a_bound_refresh_token_gives_nothing(world: World) -> None:
    """RFC 9449 (5): the refresh tokens of public clients are bound."""
    client, prover, thief = await world.register(), Prover(world), Prover(world)
    tokens = await bound(client, prover)
    thief.nonce = prover.nonce

    without = await client.refresh(tokens["refresh_token"])
    other = await client.refresh(tokens["refresh_token"], thief.proof())
    own = await client.refresh(tokens["refresh_token"], prover.proof())

    assert (without.json()["error"], other.json()["error"]) == ("invalid_grant", "invalid_grant")
    assert own.json()["token_type"] == "DPoP"
    assert own.headers["dpop-nonce"]


async def test_a_proof_is_good_once(world: World) -> None:
    client, prover = await world.register(), Prover(world)
    tokens = await bound(client, prover)
    proof = prover.proof()

    first = await client.refresh(tokens["refresh_token"], proof)
    again = await client.refresh(first.json()["refresh_token"], proof)

    assert first.status_code == 200
    assert (again.status_code, again.json()["error"]) == (400, "invalid_dpop_proof")


async def test_a_proof_without_our_nonce_is_told_the_nonce(world: World) -> None:
    """RFC 9449 (8)."""
    client, prover = await world.register(), Prover(world)
    await prover.learn_nonce(client)
    old = prover.nonce
    world.clock.advance(3600)

    for nonce in (None, "made up", 7, old):
        answer = await client.refresh("x", prover.proof(nonce=nonce))

        assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
        assert answer.headers["dpop-nonce"] != old


def _wrong(prover: Prover) -> list[dict[str, str]]:
    now = int(prover.world.clock.now().timestamp())
    private: Any = ECAlgorithm.to_jwk(prover.key, as_dict=True)
    symmetric = jwt.encode(
        {"jti": "j", "htm": "POST", "htu": TOKEN, "iat": now}, b"k" * 32, algorithm="HS256",
        headers={"typ": "dpop+jwt", "jwk": {"kty": "oct", "k": "a2tra2s"}},
    )  # fmt: skip
    other = Prover(prover.world)
    rsa_prover = Prover(prover.world, "RS256")
    return [
        prover.proof(htm="GET"),
        prover.proof(htu=f"{ISSUER}/mcp"),
        prover.proof(htu="https://evil.example/token"),
        prover.proof(iat=now - 3600),
        prover.proof(iat=now + 3600),
        prover.proof(iat="now"),
        prover.proof(iat=10**400),
        prover.proof(iat=-(10**400)),
        prover.proof(iat=float("inf")),
        prover.proof(iat=float("nan")),
        prover.proof(iat=None),
        prover.proof(jti=None),
        prover.proof(jti=""),
        prover.proof(jti="j" * 5000),
        prover.proof({"typ": "JWT"}),
        prover.proof({"jwk": None}),
        prover.proof({"jwk": private}),
        prover.proof({"jwk": other.jwk}),
        rsa_prover.proof(),
        {"DPoP": symmetric},
        {"DPoP": "not.a.proof"},
        {"DPoP": jwt.encode({"jti": "j"}, "", algorithm="none", headers={"typ": "dpop+jwt", "jwk": prover.jwk})},
    ]


async def test_a_wrong_proof_is_refused(world: World) -> None:
    """Another request's, another time's, another key's, by another algorithm; and with the private key in it."""
    client, prover = await world.register(), Prover(world)
    tokens = await bound(client, prover)

    for proof in _wrong(prover):
        answer = await client.refresh(tokens["refresh_token"], proof)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof"), answer.json()


async def test_two_proofs_are_refused(world: World) -> None:
    client, prover = await world.register(), Prover(world)
    headers = [("DPoP", prover.proof()["DPoP"]), ("DPoP", prover.proof()["DPoP"])]

    async with world.http() as http:
        fields = {**client.body, "grant_type": "refresh_token", "refresh_token": "x"}
        answer = await http.post("/token", data=fields, headers=httpx.Headers(headers))

    assert answer.json()["error"] == "invalid_dpop_proof"


async def test_a_code_can_be_bound_before_it_is_given(world: World) -> None:
    """RFC 9449 (10): `dpop_jkt`."""
    client, prover, thief = await world.register(), Prover(world), Prover(world)
    ask = client.ask(dpop_jkt=prover.thumbprint)
    async with world.http() as http:
        code = (await Person(http).allow(ask)).params["code"]
    await prover.learn_nonce(client)
    thief.nonce = prover.nonce

    assert (await client.redeem(code, ask)).json()["error"] == "invalid_grant"
    assert (await client.redeem(code, ask, thief.proof())).json()["error"] == "invalid_grant"
    assert (await client.redeem(code, ask, prover.proof())).status_code == 200


async def test_a_stolen_code_is_of_no_use_for_another_verifier(world: World) -> None:
    client, prover = await world.register(), Prover(world)
    ask = client.ask()
    async with world.http() as http:
        code = (await Person(http).allow(ask)).params["code"]
    await prover.learn_nonce(client)

    assert (await client.redeem(code, Ask("v" * 43, {}), prover.proof())).json()["error"] == "invalid_grant"
