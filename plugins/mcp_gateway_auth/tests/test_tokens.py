"""What a token says, and that nobody else can make or change one."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_gateway_auth.families.errors import InvalidGrant, InvalidToken
from mcp_gateway_auth.families.tokens import Tokens
from mcp_gateway_auth.tests.families_world import CLIENT, GRANT, ISSUER, Urls, World, open_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """One instance; what is tested here does not depend on the store."""
    async with open_world(Urls(f"sqlite:///{tmp_path}/g.sqlite3", "memory"), tmp_path) as world:
        yield world


async def test_an_access_token_is_an_rfc_9068_jwt_that_names_its_family(world: World) -> None:
    first = await world.sign_ins.begin(GRANT)
    second = await world.sign_ins.refresh(first.refresh_token, client_id=CLIENT)
    head, claims = parts(second.access_token)

    assert head == {"alg": "EdDSA", "typ": "at+jwt", "kid": world.instances[0].keys.signing.kid}
    assert UUID(claims["token_family_id"]).version == 4
    assert (claims["iss"], claims["aud"], claims["sub"]) == (ISSUER, f"{ISSUER}/mcp", "ada")
    assert (claims["client_id"], claims["scope"]) == (CLIENT, "catalog:read playback:write")
    assert (claims["generation"], claims["exp"] - claims["iat"]) == (1, 300)
    assert len(claims["jti"]) == 32

    head, renews = parts(second.refresh_token)
    assert (head["typ"], renews["aud"], renews["generation"]) == ("rt+jwt", ISSUER, 1)
    assert renews["token_family_id"] == claims["token_family_id"]
    assert renews["jti"] != claims["jti"]


async def test_a_token_of_another_maker_or_algorithm_is_none(world: World) -> None:
    pair = await world.sign_ins.begin(GRANT)
    head, claims = parts(pair.access_token)
    key = world.instances[0].keys.signing
    public = key.public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    names = {"typ": "at+jwt", "kid": key.kid}
    forged = [
        jwt.encode(claims, Ed25519PrivateKey.generate(), "EdDSA", headers=names),
        jwt.encode(claims, public, "HS256", headers=names),
        jwt.encode({**claims, "iss": "https://other.example"}, key.private, "EdDSA", headers=names),
        jwt.encode(claims, key.private, "EdDSA", headers={**names, "typ": "JWT"}),
        jwt.encode(claims, key.private, "EdDSA", headers={**names, "kid": "unknown"}),
        jwt.encode(claims, key.private, "EdDSA", headers={"typ": "at+jwt"}),
        jwt.encode({k: v for k, v in claims.items() if k != "token_family_id"}, key.private, "EdDSA", headers=names),
        jwt.encode({**claims, "pad": "x" * 4096}, key.private, "EdDSA", headers=names),
        joined({**head, "alg": "none"}, claims, ""),
        pair.access_token + "=",
        pair.access_token[:-4] + "AAAA",
        "",
        "a.b.c",
    ]

    for token in forged:
        with pytest.raises(InvalidToken):
            await world.sign_ins.check(token)


async def test_one_kind_of_token_is_never_taken_for_the_other(world: World) -> None:
    pair = await world.sign_ins.begin(GRANT)
    key = world.instances[0].keys.signing
    _, claims = parts(pair.refresh_token)
    disguised = jwt.encode(claims, key.private, "EdDSA", headers={"typ": "at+jwt", "kid": key.kid})

    with pytest.raises(InvalidToken):
        await world.sign_ins.check(pair.refresh_token)
    with pytest.raises(InvalidToken):  # even signed by us: its id is no access token's
        await world.sign_ins.check(disguised)
    with pytest.raises(InvalidGrant):
        await world.sign_ins.refresh(pair.access_token, client_id=CLIENT)


async def test_any_text_is_read_without_an_error(world: World) -> None:
    tokens = Tokens(ISSUER, world.instances[0].keys)
    texts: list[str] = []

    @settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(st.text(max_size=300), st.builds(joined, JSON, JSON, st.text(max_size=20))))
    def collect(text: str) -> None:
        texts.append(text)

    collect()
    for text in texts:
        assert await tokens.read(text) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.dictionaries(st.sampled_from(["alg", "typ", "kid", "iss", "cnf", "b64", "crit"]), inner),
    max_leaves=6,
)


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The head and the claims, unverified."""
    head, body, _ = token.split(".")
    return json.loads(_raw(head)), json.loads(_raw(body))


def joined(head: Any, claims: Any, signature: str) -> str:
    """A token of any parts."""
    encoded = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (head, claims)]
    return ".".join([*encoded, signature])


def _raw(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
