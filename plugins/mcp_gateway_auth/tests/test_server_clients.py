"""Clients: registration, redirect URIs, and what the server says of itself."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.api import Unavailable
from mcp_gateway_auth.server.clients import ClientMetadata
from mcp_gateway_auth.server.redirects import csp_source, fault_of, in_words, matches, with_parameters
from mcp_gateway_auth.server.store import ClientStore
from mcp_gateway_auth.tests.server_world import ISSUER, Person, World, signing_in

pytestmark = pytest.mark.anyio

METADATA = {"redirect_uris": ["http://127.0.0.1/callback"]}


@pytest.mark.parametrize("method", ["none", "client_secret_basic", "client_secret_post", None])
async def test_a_client_registers_and_is_told_what_was_registered(world: World, method: str | None) -> None:
    """RFC 7591 (3.2.1); without a wish the method is client_secret_basic."""
    asked = {**METADATA, "client_name": "Film Friend", "software_id": "ff", "unknown": [1]}

    async with world.http() as http:
        answer = await http.post(
            "/register", json=asked if method is None else {**asked, "token_endpoint_auth_method": method}
        )

    told = answer.json()
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert told["token_endpoint_auth_method"] == (method or "client_secret_basic")
    assert ("client_secret" in told) == (method != "none")
    assert ("client_secret_expires_at" in told) == (method != "none")
    assert told["client_name"] == "Film Friend"
    assert told["redirect_uris"] == METADATA["redirect_uris"]
    assert told["client_id_issued_at"] == int(world.clock.now().timestamp())
    assert "unknown" not in told


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": None}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://films.example/back"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://films.example/back#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://user@films.example/back"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://films.example/back\r\nSet-Cookie: a=b"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://films.example;script-src/*"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["/back"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [f"https://films.example/{n}" for n in range(21)]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://films.example/" + "x" * 2000]}, "invalid_redirect_uri"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"client_name": "n" * 101}, "invalid_client_metadata"),
        ({"client_uri": "javascript:alert(1)"}, "invalid_client_metadata"),
    ],
)
async def test_what_cannot_be_registered_is_named(world: World, wrong: dict[str, object], error: str) -> None:
    async with world.http() as http:
        answer = await http.post("/register", json={**METADATA, **wrong})

    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"redirect_uris": [1]}', b"{" * 2000])
async def test_a_body_that_is_no_metadata_is_refused(world: World, body: bytes) -> None:
    async with world.http() as http:
        answer = await http.post("/register", content=body)

    assert answer.status_code == 400


async def test_a_long_body_is_not_read(world: World) -> None:
    async with world.http() as http:
        answer = await http.post("/register", json={**METADATA, "client_name": "n" * 20_000})

    assert answer.status_code == 413


async def test_one_address_registers_so_many_clients_and_no_more(world: World) -> None:
    async with world.http("198.51.100.20") as http:
        answers = [await http.post("/register", json=METADATA) for _ in range(21)]
    async with world.http("198.51.100.21") as http:
        other = await http.post("/register", json=METADATA)

    assert [answer.status_code for answer in answers] == [201] * 20 + [429]
    assert answers[-1].headers["retry-after"] == "60"
    assert other.status_code == 201


async def test_where_there_are_too_many_the_oldest_that_nobody_used_goes(world: World) -> None:
    world.clock.advance(10 * 24 * 3600)
    await ClientStore(world.services).prune()
    store = ClientStore(world.services, max_clients=2)
    details = ClientMetadata.model_validate(METADATA)

    for name in ("first", "second", "third"):
        world.clock.advance(1)
        await store.add(name, details, None)

    assert await store.get("first") is None
    assert await store.get("second") is not None
    await store.used("second")
    await store.used("third")
    with pytest.raises(Unavailable):
        await store.add("fourth", details, None)
    world.clock.advance(401 * 24 * 3600)
    await store.prune()
    assert await store.get("second") is None


async def test_registration_can_be_turned_off(tmp_path: Path) -> None:
    async with signing_in(tmp_path, registration=False, client_documents=False) as world, world.http() as http:
        answer = await http.post("/register", json=METADATA)
        told = (await http.get("/.well-known/oauth-authorization-server")).json()

    assert (answer.status_code, answer.json()["error"]) == (403, "access_denied")
    assert "registration_endpoint" not in told
    assert told["client_id_metadata_document_supported"] is False


async def test_ways_to_prove_who_one_is_can_be_left_out(tmp_path: Path) -> None:
    async with signing_in(tmp_path, client_authentication=["client_secret_basic"]) as world, world.http() as http:
        told = (await http.get("/.well-known/oauth-authorization-server")).json()
        public = await http.post("/register", json={**METADATA, "token_endpoint_auth_method": "none"})
        client = await world.register(token_endpoint_auth_method="client_secret_basic")
        in_form = await client.refresh("x")

    assert told["token_endpoint_auth_methods_supported"] == ["client_secret_basic"]
    assert public.status_code == 400
    assert in_form.status_code == 401


async def test_a_name_cannot_hide_what_it_says(world: World) -> None:
    client = await world.register(client_name="Film\u202egpj.exe\u0000\n\t Friend")

    async with world.http() as http:
        page = await Person(http).open(client.ask())

    assert "Filmgpj.exe Friend" in page.text


async def test_metadata_name_every_endpoint_and_the_issuer_to_the_letter(world: World) -> None:
    """RFC 8414 (2), RFC 9207 (3), RFC 9449 (5.1)."""
    async with world.http() as http:
        answer = await http.get("/.well-known/oauth-authorization-server")

    told = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert told["issuer"] == ISSUER
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["authorization_response_iss_parameter_supported"] is True
    assert told["client_id_metadata_document_supported"] is True
    assert set(told["token_endpoint_auth_methods_supported"]) == {"none", "client_secret_basic", "client_secret_post"}
    async with world.http() as http:
        for name, url in told.items():
            if name.endswith("_endpoint"):
                assert (await http.post(url)).status_code in {400, 401, 403}, name
        assert (await http.get(told["jwks_uri"])).json()["keys"]


@pytest.mark.parametrize("face", ["", "/mcp", "/sse", "/messages"])
async def test_each_face_has_metadata_at_its_path(world: World, face: str) -> None:
    """RFC 9728 (3.1, 3.3): `resource` is the address that the path was made of."""
    async with world.http() as http:
        told = (await http.get(f"/.well-known/oauth-protected-resource{face}")).json()

    assert told["resource"] == f"{ISSUER}{face}"
    assert told["authorization_servers"] == [ISSUER]
    assert told["bearer_methods_supported"] == ["header"]


@pytest.mark.parametrize("path", ["oauth-protected-resource/other", "oauth-authorization-server/other"])
async def test_there_are_no_metadata_of_anything_else(world: World, path: str) -> None:
    async with world.http() as http:
        assert (await http.get(f"/.well-known/{path}")).status_code == 404


async def test_below_a_path_the_metadata_stand_where_clients_look_for_them(tmp_path: Path) -> None:
    """RFC 8414 (3.1): the path of the issuer follows the well-known name."""
    async with signing_in(tmp_path, issuer="https://media.example/films") as world, world.http() as http:
        server = await http.get("https://media.example/.well-known/oauth-authorization-server/films")
        resource = await http.get("https://media.example/.well-known/oauth-protected-resource/films/mcp")

    assert server.json()["issuer"] == "https://media.example/films"
    assert resource.json()["resource"] == "https://media.example/films/mcp"


@pytest.mark.parametrize(
    "scheme",
    [
        "javascript",
        "data",
        "file",
        "vbscript",
        "feed",
        "search-ms",
        "search",
        "ms-settings",
        "ms-msdt",
        "microsoft-edge",
    ],
)
def test_what_opens_other_programs_may_not_be_registered(scheme: str) -> None:
    assert fault_of(f"{scheme}:back") == "must begin with https:, or a scheme of the client's own"
    assert fault_of(f"com.example.{scheme}:back") is None


TEXT = st.text(alphabet=string.printable + "é\u202e\\@#?/:[]", max_size=60)


@given(TEXT, TEXT)
def test_a_redirect_uri_matches_itself_and_on_this_computer_its_port_aside(registered: str, given_uri: str) -> None:
    for uri in (registered, f"https://films.example/{registered}", f"http://127.0.0.1/{registered}"):
        assert matches(uri, [uri]) == (fault_of(uri) is None)
        if matches(given_uri, [uri]):
            assert given_uri == uri


@given(TEXT)
def test_no_redirect_uri_writes_a_header_or_a_policy(text: str) -> None:
    for uri in (text, f"https://{text}", f"http://127.0.0.1{text}", f"app:{text}"):
        if fault_of(uri) is None:
            assert uri.isascii()
            assert uri.isprintable()
            assert not set(csp_source(uri)) & set(" ;,'\"")
            assert with_parameters(uri, {"code": "c"}).startswith(uri)
            assert in_words(uri)
