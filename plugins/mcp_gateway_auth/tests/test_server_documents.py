"""Clients whose id is the address of a document: fetched from a server of the test, and attacks on the fetch."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.api import Unavailable
from mcp_gateway_auth.server import guarded_fetch
from mcp_gateway_auth.server.client_documents import ClientDocuments, checked_client_id
from mcp_gateway_auth.server.guarded_fetch import GuardedFetch, NotFetched, is_public
from mcp_gateway_auth.server.throttle import Throttle
from mcp_gateway_auth.tests.server_world import Person, Registered, World, signing_in
from mcp_gateway_auth.tests.tls import https_server, make_certificate, trusting

pytestmark = pytest.mark.anyio

HOST = "client.example"


@dataclass
class Site:
    """A client's site."""

    certificate: Path
    port: int = 0
    document: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    status: int = 200
    asked: list[tuple[str, str]] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    is_slow: bool = False

    @property
    def client_id(self) -> str:
        """The document's address."""
        return f"https://{HOST}:{self.port}/client.json"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a request."""
        self.asked.append((request.headers["Host"], request.path))
        if self.is_slow:
            self.hold.wait(10)
        body = (
            self.body if self.body is not None else json.dumps({"client_id": self.client_id, **self.document}).encode()
        )
        request.send_response(self.status)
        for name, value in self.headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    def fetch(self, *addresses: str, trusted: Path | None = None) -> GuardedFetch:
        """A fetch for which the client's host is on this machine, and that may go there."""

        async def lookup(host: str, port: int) -> Sequence[str]:
            assert host == HOST
            return addresses or ("127.0.0.1",)

        allows = (lambda address: address == ip_address("127.0.0.1")) if not addresses else is_public
        return GuardedFetch(lookup, allows, trusting(trusted or self.certificate))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), HOST)


@pytest.fixture
def site(certificate: Path) -> Iterator[Site]:
    site = Site(certificate)
    site.document = {"client_name": "Film Friend", "redirect_uris": ["http://127.0.0.1/callback"]}
    with https_server(certificate, site.answer) as port:
        site.port = port
        yield site
        site.hold.set()


@pytest.fixture
async def world_of(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A gateway to which the client's site is on the internet."""
    monkeypatch.setattr("mcp_gateway_auth.server.opening.GuardedFetch", site.fetch)
    async with signing_in(tmp_path) as world:
        yield world


async def test_a_client_signs_in_with_nothing_but_a_document(world_of: World, site: Site) -> None:
    client = Registered(world_of, site.client_id)
    async with world_of.http() as http:
        page = await Person(http).consent_page(client.ask())

    tokens = await client.sign_in()

    assert "Film Friend" in page.text
    assert HOST in page.text
    assert tokens["token_type"] == "Bearer"
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200
    assert site.asked == [(f"{HOST}:{site.port}", "/client.json")]  # once


async def test_a_document_is_asked_for_again_when_it_is_old(world_of: World, site: Site) -> None:
    site.headers = {"Cache-Control": "max-age=7200"}
    client = Registered(world_of, site.client_id)

    async with world_of.http() as http:
        for seconds in (0, 7000, 300):
            world_of.clock.advance(seconds)
            await Person(http).open(client.ask())

    assert len(site.asked) == 2


async def test_what_the_document_no_longer_has_is_refused(world_of: World, site: Site) -> None:
    client = Registered(world_of, site.client_id)
    site.document["redirect_uris"] = ["http://127.0.0.1/other"]

    async with world_of.http() as http:
        page = await Person(http).open(client.ask())

    assert page.status_code == 400
    assert "location" not in page.headers


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": "https://client.example/other.json"},
        {"client_id": None},
        {"client_secret": "s"},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": []},
        {"grant_types": ["implicit"]},
    ],
)
async def test_a_document_that_is_wrong_makes_no_client(world: World, site: Site, wrong: dict[str, Any]) -> None:
    site.document |= wrong

    assert await _documents(world, site.fetch()).get(site.client_id) is None
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (302, {"Location": "https://client.example/elsewhere.json"}, b""),
        (404, {}, b"{}"),
        (200, {}, b"not json"),
        (200, {}, b"[]"),
        (200, {}, b'"' + b"x" * 100_000 + b'"'),
        (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b" + b"\0" * 50),
    ],
)
async def test_an_answer_that_is_no_document_makes_no_client(
    world: World, site: Site, status: int, headers: dict[str, str], body: bytes
) -> None:
    """Redirects are not followed: they would lead past the guard."""
    site.status, site.headers, site.body = status, headers, body

    assert await _documents(world, site.fetch()).get(site.client_id) is None
    assert len(site.asked) == 1


async def test_a_server_that_is_slow_is_given_up(world: World, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_fetch, "FETCH_SECONDS", 0.3)
    site.is_slow = True

    with pytest.raises(Unavailable):
        await _documents(world, site.fetch()).get(site.client_id)


async def test_a_server_that_cannot_prove_its_name_is_not_believed(world: World, site: Site, tmp_path: Path) -> None:
    other = make_certificate(tmp_path, HOST)

    with pytest.raises(Unavailable):
        await _documents(world, site.fetch(trusted=other)).get(site.client_id)
    assert site.asked == []


async def test_a_client_whose_site_is_down_keeps_its_sign_ins(world_of: World, site: Site) -> None:
    """`invalid_client` would have it throw its tokens away. So an old document does; without one it is told to wait."""
    client = Registered(world_of, site.client_id)
    tokens = await client.sign_in()
    site.status = 503
    world_of.clock.advance(2 * 24 * 3600)

    refreshed = await client.refresh(tokens["refresh_token"])
    client.client_id += "?another"
    unknown = await client.refresh(tokens["refresh_token"])

    assert refreshed.status_code == 200
    assert (unknown.status_code, unknown.json()["error"]) == (503, "temporarily_unavailable")
    assert unknown.headers["retry-after"]


async def test_a_client_that_takes_its_document_away_is_let_in_no_more(world_of: World, site: Site) -> None:
    client = Registered(world_of, site.client_id)
    tokens = await client.sign_in()
    site.status = 404
    world_of.clock.advance(2 * 24 * 3600)

    assert (await client.refresh(tokens["refresh_token"])).status_code == 401


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"], ["10.0.0.1"], ["192.168.1.1"], ["172.16.0.1"], ["169.254.169.254"], ["100.64.0.1"], ["0.0.0.1"],
        ["::1"], ["fe80::1%eth0"], ["fd00::1"], ["::ffff:127.0.0.1"], ["::ffff:8.8.8.8"], ["::7f00:1"],
        ["64:ff9b::7f00:1"], ["64:ff9b:1::a00:1"], ["2002:7f00:1::"], ["2001:0:1::"], ["224.0.0.1"], ["ff02::1"],
        ["255.255.255.255"], ["192.0.2.1"], ["198.18.0.1"], [], ["93.184.215.14", "127.0.0.1"],
    ],
)  # fmt: skip
async def test_nothing_is_asked_that_only_this_machine_can_reach(site: Site, addresses: list[str]) -> None:
    """SSRF: private, local and reserved addresses, and those of IPv6 that lead to them; one of several is enough."""

    async def lookup(host: str, port: int) -> Sequence[str]:
        return addresses

    with pytest.raises(NotFetched, match="not on the internet"):
        await GuardedFetch(lookup, is_public, trusting(site.certificate)).fetch(site.client_id)
    assert site.asked == []


async def test_a_name_that_leads_elsewhere_a_moment_later_gains_nothing(site: Site) -> None:
    """DNS rebinding: the name is looked up once, and the connection goes to what was checked."""
    looked_up: list[str] = []

    async def lookup(host: str, port: int) -> Sequence[str]:
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) == 1 else ["10.0.0.1"]

    fetched = await GuardedFetch(lookup, lambda _: True, trusting(site.certificate)).fetch(site.client_id)

    assert looked_up == [HOST]
    assert json.loads(fetched.body)["client_id"] == site.client_id


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111"])
def test_the_internet_may_be_asked(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "client_id",
    [
        "http://client.example/client.json",
        "https://client.example",
        "https://client.example/",
        "https://client.example/a/../client.json",
        "https://client.example/./client.json",
        "https://user:secret@client.example/client.json",
        "https://client.example/client.json#fragment",
        "https://client.example:x/client.json",
        "https://client.example\\@evil.example/client.json",
        "https:///client.json",
        "https://cliént.example/client.json",
        "https://client.example/" + "x" * 500,
        "file:///etc/passwd",
    ],
)
def test_only_plain_https_addresses_are_client_ids(client_id: str) -> None:
    with pytest.raises(NotFetched):
        checked_client_id(client_id)


async def test_a_host_is_not_asked_on_strangers_behalf_over_and_over(world: World, site: Site) -> None:
    documents = _documents(world, site.fetch())

    for number in range(15):
        with suppress(Unavailable):
            await documents.get(f"https://{HOST}:{site.port}/{number}.json")

    assert len(site.asked) == 10


def _documents(world: World, fetch: GuardedFetch) -> ClientDocuments:
    return ClientDocuments(world.services, Throttle(world.services), fetch)
