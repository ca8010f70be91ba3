"""Official clients sign in by themselves: discovery, registration, the person's consent, tokens, and their refresh."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken, TokenEndpointAuthMethod
from pydantic import AnyUrl

from protocol_tests.flows.real_clients import TYPESCRIPT
from protocol_tests.gateways import environment
from protocol_tests.sign_in import allow, signing_in_gateway

METHODS = ["none", "client_secret_basic", "client_secret_post"]
REDIRECT = "http://127.0.0.1:5555/callback"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with signing_in_gateway(tmp_path_factory.mktemp("clients") / "data") as gateway:
        yield gateway.url


@pytest.mark.parametrize("package", ["@modelcontextprotocol/client", "sdk-latest"])
@pytest.mark.parametrize("method", [*METHODS, "any"])
def test_a_typescript_client_signs_in_by_itself(gateway: str, package: str, method: str) -> None:
    node = shutil.which("node")
    if node is None or not (TYPESCRIPT / "node_modules").exists():
        pytest.skip("the TypeScript clients are not installed; run scripts/test_clients.sh")
    program = [node, str(TYPESCRIPT / "sign_in.mjs"), package, f"{gateway}/mcp", method]

    with subprocess.Popen(
        program, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        went = allow(json.loads(client.stdout.readline())["open"])
        said, _ = client.communicate(f"{went}\n", timeout=60)

    told = json.loads(said)
    assert told["steps"] == ["UnauthorizedError", "AUTHORIZED"]
    assert "search_titles" in told["tools"]
    assert told["refreshed"]
    assert told["method"] == ("client_secret_basic" if method == "any" else method)
    assert "catalog:read" in told["scope"]


@pytest.mark.anyio
@pytest.mark.parametrize("method", [*METHODS, None])
async def test_a_python_client_signs_in_by_itself(gateway: str, method: TokenEndpointAuthMethod | None) -> None:
    person, kept = Person(), Kept()
    metadata = OAuthClientMetadata(
        client_name="Python", redirect_uris=[AnyUrl(REDIRECT)], token_endpoint_auth_method=method
    )
    provider = OAuthClientProvider(f"{gateway}/mcp", metadata, kept, person.open, person.come_back)

    async with (
        httpx2.AsyncClient(auth=provider) as http,
        Client(streamable_http_client(f"{gateway}/mcp", http_client=http)) as client,
    ):
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert kept.tokens is not None
        first = kept.tokens.refresh_token
        provider.context.token_expiry_time = 1  # long ago
        found = await client.call_tool("search_titles", {"query": "film"})

    assert "search_titles" in tools
    assert not found.is_error
    assert kept.tokens.scope is not None
    assert "catalog:read" in kept.tokens.scope
    assert kept.tokens.refresh_token != first
    assert kept.client is not None
    assert kept.client.issuer == gateway


class Person:
    """Somebody who lets the client in."""

    went = ""

    async def open(self, url: str) -> None:
        """Follow the client's link."""
        self.went = await anyio.to_thread.run_sync(allow, url)

    async def come_back(self) -> AuthorizationCodeResult:
        """Where the browser was sent."""
        brought = {name: values[0] for name, values in parse_qs(urlsplit(self.went).query).items()}
        return AuthorizationCodeResult(**brought)


class Kept:
    """What the client keeps."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        """The tokens."""
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep tokens."""
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """Itself, as registered."""
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep what was registered."""
        self.client = client_info
