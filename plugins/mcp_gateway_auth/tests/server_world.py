"""A gateway that signs people in, a browser that goes through its pages, and a client that gets tokens."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from mcp_gateway.api import Services, Users, hookimpl
from mcp_gateway.gateway import Gateway
from mcp_gateway.testing import FakeClock, running_gateway
from mcp_gateway.transports.http import http_app
from mcp_gateway_auth import plugin

ISSUER = "http://127.0.0.1:8765"
PASSWORD = "correct horse battery"
REDIRECT = "http://127.0.0.1:5555/callback"

Parameters = Mapping[str, str | Sequence[str]]


@dataclass
class World:
    """A running gateway and its surroundings."""

    gateway: Gateway
    services: Services
    clock: FakeClock
    app: Any
    issuer: str = ISSUER

    @property
    def users(self) -> Users:
        """The people."""
        return self.gateway.provided(Users)

    def http(self, address: str = "127.0.0.1") -> httpx.AsyncClient:
        """A connection from an address, with a cookie jar of its own."""
        transport = httpx.ASGITransport(self.app, client=(address, 50_000))
        return httpx.AsyncClient(transport=transport, base_url=self.issuer)

    async def register(self, **metadata: Any) -> Registered:
        """Register a client: a public one, unless told otherwise."""
        given = {"redirect_uris": ["http://127.0.0.1/callback"], "client_name": "Try", **metadata}
        given.setdefault("token_endpoint_auth_method", "none")
        async with self.http() as http:
            answer = (await http.post("/register", json=given)).raise_for_status().json()
        return Registered(self, answer["client_id"], answer.get("client_secret"))


@dataclass
class Registered:
    """A client that registered."""

    world: World
    client_id: str
    secret: str | None = None

    def ask(self, **more: str | Sequence[str]) -> Ask:
        """Ask a person for access, with a new verifier."""
        verifier = secrets.token_urlsafe(48)
        usual: dict[str, str | Sequence[str]] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": REDIRECT,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
            "state": "state of the client",
        }
        return Ask(verifier, {name: value for name, value in {**usual, **more}.items() if value})

    @property
    def body(self) -> dict[str, str]:
        """What it shows in a form to prove who it is."""
        shown = {"client_id": self.client_id}
        return shown if self.secret is None else {**shown, "client_secret": self.secret}

    async def post(self, path: str, headers: Mapping[str, str] | None = None, **fields: str) -> httpx.Response:
        """Post a form to an endpoint."""
        async with self.world.http() as http:
            return await http.post(path, data={**self.body, **fields}, headers=headers)

    async def redeem(
        self, code: str, ask: Ask, headers: Mapping[str, str] | None = None, **more: str
    ) -> httpx.Response:
        """Ask for tokens with a code."""
        fields = {"code": code, "code_verifier": ask.verifier, "redirect_uri": REDIRECT, **more}
        return await self.post("/token", headers, grant_type="authorization_code", **fields)

    async def refresh(self, token: str, headers: Mapping[str, str] | None = None, **more: str) -> httpx.Response:
        """Ask for tokens with a refresh token."""
        return await self.post("/token", headers, grant_type="refresh_token", refresh_token=token, **more)

    async def sign_in(self, name: str = "Ada", **more: str) -> dict[str, Any]:
        """Tokens, from the first page to the last."""
        ask = self.ask(**more)
        async with self.world.http() as http:
            code = (await Person(http).allow(ask, name)).params["code"]
        return dict((await self.redeem(code, ask)).raise_for_status().json())


@dataclass(frozen=True)
class Ask:
    """What a client sends a person to the browser with."""

    verifier: str
    query: Parameters


@dataclass
class Person:
    """Somebody in front of a browser."""

    http: httpx.AsyncClient

    async def open(self, ask: Ask) -> httpx.Response:
        """Follow the client's link."""
        return await self.http.get("/authorize", params=dict(ask.query))

    async def send(
        self, page: httpx.Response, headers: Mapping[str, str] | None = None, **fields: str
    ) -> httpx.Response:
        """Send a page's form."""
        return await self.http.post(page.url, data={"form_token": token_in(page), **fields}, headers=headers)

    async def sign_in(self, ask: Ask, name: str = "Ada", password: str = PASSWORD, **more: str) -> httpx.Response:
        """Sign in; what the browser is told."""
        fields = {"action": "sign-in", "name": name, "password": password, **more}
        return await self.send(await self.open(ask), None, **fields)

    async def consent_page(self, ask: Ask, name: str = "Ada") -> httpx.Response:
        """The page that asks whether the client may; signed in before where that is needed."""
        page = await self.open(ask)
        if 'name="password"' in page.text:
            done = await self.send(page, action="sign-in", name=name, password=PASSWORD)
            page = await self.http.get(done.headers["location"])
        return page

    async def allow(self, ask: Ask, name: str = "Ada") -> httpx.URL:
        """Let the client in; where the browser is sent."""
        done = await self.send(await self.consent_page(ask, name), action="allow")
        assert done.status_code == 303, done.text
        return httpx.URL(done.headers["location"])


class Neighbour:
    """A plugin that shows what services plugins are lent, for tests of classes by themselves."""

    NAME = "neighbour"
    services: Services

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, services: Services) -> AsyncIterator[list[Any]]:
        """Keep them."""
        self.services = services
        yield []


@asynccontextmanager
async def signing_in(
    data_dir: Path,
    *,
    issuer: str = ISSUER,
    people: Sequence[str] = ("Ada",),
    sections: Mapping[str, dict[str, Any]] | None = None,
    **settings: Any,
) -> AsyncIterator[World]:
    """A gateway that signs in these people; all have the same password.

    Args:
        sections: Settings of the gateway.
        settings: Of the plugin.
    """
    clock, host, neighbour = FakeClock(), httpx.URL(issuer).host, Neighbour()
    http = {"allowed_hosts": [host], "allowed_origins": [issuer]}
    auth = {"enabled": True, "issuer": issuer, **settings}
    async with running_gateway(
        plugin, neighbour, data_dir=data_dir, clock=clock, http=http, plugins={"auth": auth}, **(sections or {})
    ) as gateway:
        app = http_app(gateway)
        async with app.router.lifespan_context(app):
            world = World(gateway, neighbour.services, clock, app, issuer)
            for name in people:
                await world.users.add(name, PASSWORD)
            yield world


def challenge_of(verifier: str) -> str:
    """PKCE's S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def token_in(page: httpx.Response) -> str:
    """The token of a page's form; empty when it has none."""
    found = re.search(r'name="form_token" value="([^"]*)"', page.text)
    return html.unescape(found[1]) if found else ""
