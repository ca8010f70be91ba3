"""The server under test: ours by default, any other by `--server` or `--url`; and a peer of it on each transport."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
import pytest

from mcp_gateway.tests.wire import WAIT_SECONDS, Wire, sse_session
from protocol_tests.conformance.wires import StdioWire, stdio_wire, streamable_wire
from protocol_tests.gateways import COMMAND, ROOT, environment, http_gateway

Transport = Literal["stdio", "sse", "http"]
TRANSPORTS: tuple[Transport, ...] = ("stdio", "sse", "http")
# Streamable HTTP began with 2025-03-26, so its rules are those of the oldest revision that has it.
VERSIONS: Mapping[str, str] = {"stdio": "2024-11-05", "sse": "2024-11-05", "http": "2025-03-26"}

EVERYTHING = {"sampling": {}, "roots": {"listChanged": True}}

# Our server, set up for rules that show only at a limit.
VARIANTS: Mapping[str, Mapping[str, str]] = {
    "": {},
    "small pages": {"MEDIA_GATEWAY_MCP__PAGE_SIZE": "2"},
    "short waits": {"MEDIA_GATEWAY_MCP__ASK_SECONDS": "0.3"},
    "frequent pings": {"MEDIA_GATEWAY_MCP__PING_SECONDS": "0.1", "MEDIA_GATEWAY_MCP__ASK_SECONDS": "0.5"},
    "frequent comments": {"MEDIA_GATEWAY_HTTP__SSE_PING_SECONDS": "0.05"},
    "few calls": {"MEDIA_GATEWAY_LIMITS__CALLS_PER_MINUTE": "6"},
}


@dataclass(slots=True)
class Server:
    """The server under test, and its variants.

    Attributes:
        command: Starts it over stdio; empty when it cannot be.
        urls: Its address by HTTP transport, when it runs already.
        own: It is ours: then nothing may be missing.
    """

    command: Sequence[str]
    urls: Mapping[str, str]
    own: bool
    folder: Path
    plugins: Path = ROOT / "fixtures"
    running: dict[str, str] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)

    def url(self, transport: str, variant: str) -> str:
        """Where it serves this transport. Ours is started when first asked for."""
        if not self.own:
            return self.urls[transport]
        if variant not in self.running:
            arguments = ["--plugins-dir", str(self.plugins)]
            gateway = http_gateway(self.folder / f"http {variant}".strip(), arguments, **VARIANTS[variant])
            self.running[variant] = self.stack.enter_context(gateway).url
        return self.running[variant] + ("/sse" if transport == "sse" else "/mcp")

    def start(self, variant: str = "") -> AbstractAsyncContextManager[StdioWire]:
        """Start it over stdio."""
        return stdio_wire(self.stdio_command(), environment(**VARIANTS[variant] if self.own else {}))

    def stdio_command(self) -> list[str]:
        """What starts it over stdio."""
        if not self.own:
            return list(self.command)
        return [COMMAND, "serve", "--plugins-dir", str(self.plugins), "--data-dir", str(self.folder / "stdio")]


def server_of(config: pytest.Config, folder: Path) -> Server:
    """The server that the options name, or ours."""
    command, url = config.getoption("--server"), config.getoption("--url")
    plugins = Path(config.getoption("--fixture-plugins") or ROOT / "fixtures")
    urls = {"sse" if urlsplit(url).path.endswith("/sse") else "http": url} if url else {}
    return Server(shlex.split(command or ""), urls, not (command or url), folder, plugins)


def transports_of(config: pytest.Config) -> list[Transport]:
    """The transports on which there is something to test."""
    command, url = config.getoption("--server"), config.getoption("--url")
    if not command and not url:
        return list(TRANSPORTS)
    http: Transport = "sse" if url and urlsplit(url).path.endswith("/sse") else "http"
    return [*(["stdio"] if command else []), *([http] if url else [])]  # type: ignore[list-item]


@dataclass(slots=True)
class Offer:
    """What a server says it has."""

    tools: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, Any] = field(default_factory=dict)
    templates: dict[str, Any] = field(default_factory=dict)
    prompts: dict[str, Any] = field(default_factory=dict)
    capabilities: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Peer:
    """The server on one transport."""

    server: Server
    transport: Transport
    offer: Offer = field(default_factory=Offer)
    wait_seconds: float = WAIT_SECONDS

    @property
    def version(self) -> str:
        """The revision that is agreed on unless a test says otherwise."""
        return VERSIONS[self.transport]

    @asynccontextmanager
    async def open(self, variant: str = "") -> AsyncIterator[Wire]:
        """A session before its handshake. Skips the test when another server would need a variant."""
        if variant and not self.server.own:
            pytest.skip(f"needs a server set up for it: {variant}")
        if self.transport == "stdio":
            async with self.server.start(variant) as wire:
                wire.wait_seconds = self.wait_seconds
                yield wire
            return
        async with self.http(variant) as client:
            path = urlsplit(self.server.url(self.transport, variant)).path
            opened = sse_session if self.transport == "sse" else streamable_wire
            async with opened(client, path) as session:
                session.wait_seconds = self.wait_seconds
                yield session

    @asynccontextmanager
    async def http(self, variant: str = "") -> AsyncIterator[httpx.AsyncClient]:
        """A client of the server's address."""
        parts = urlsplit(self.server.url(self.transport, variant))
        base = f"{parts.scheme}://{parts.netloc}"
        async with httpx.AsyncClient(
            base_url=base,
            timeout=WAIT_SECONDS,
            trust_env=False,
            limits=httpx.Limits(max_connections=None),
            verify=parts.scheme == "https",  # without it reading the certificates takes longer than a test
        ) as client:
            yield client

    @asynccontextmanager
    async def ready(
        self, capabilities: Mapping[str, Any] | None = None, *, version: str | None = None, variant: str = ""
    ) -> AsyncIterator[Wire]:
        """A new session after its handshake."""
        async with self.open(variant) as wire:
            await wire.initialize(version or self.version, capabilities)
            yield wire

    def needs(self, *tools: str, resources: Sequence[str] = (), prompts: Sequence[str] = ()) -> None:
        """Skip the test when another server does not offer what it uses; ours fails."""
        wanted = [
            *(f"tool {name}" for name in tools if name not in self.offer.tools),
            *(f"resource {uri}" for uri in resources if uri not in {**self.offer.resources, **self.offer.templates}),
            *(f"prompt {name}" for name in prompts if name not in self.offer.prompts),
        ]
        if wanted and self.server.own:
            pytest.fail(f"the fixture plugins do not offer: {', '.join(wanted)}")
        if wanted:
            pytest.skip(f"the server does not offer: {', '.join(wanted)}")

    def declares(self, *names: str) -> None:
        """Skip the test when another server does not declare a capability; ours fails."""
        missing = [name for name in names if name not in self.offer.capabilities]
        if missing and self.server.own:
            pytest.fail(f"not declared: {', '.join(missing)}")
        if missing:
            pytest.skip(f"the server does not declare: {', '.join(missing)}")


async def offer_of(wire: Wire, capabilities: Mapping[str, Any]) -> Offer:
    """List everything on the first pages."""
    offer = Offer(capabilities=dict(capabilities))
    lists = [
        ("tools/list", "tools", "name", offer.tools),
        ("resources/list", "resources", "uri", offer.resources),
        ("resources/templates/list", "resourceTemplates", "uriTemplate", offer.templates),
        ("prompts/list", "prompts", "name", offer.prompts),
    ]
    for method, member, key, into in lists:
        if method.partition("/")[0] in capabilities:
            answer = await wire.request(method)
            into.update({item[key]: item for item in answer.get("result", {}).get(member, [])})
    return offer
