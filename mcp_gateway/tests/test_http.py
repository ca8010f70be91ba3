"""The HTTP application: who may use it, health, streamable HTTP, and how it starts. Ids name requirements."""

import socket
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import orjson
import pytest

from mcp_gateway.errors import SettingsError, StartupError
from mcp_gateway.settings import HttpSection, Settings
from mcp_gateway.tests.conftest import Web
from mcp_gateway.tests.small_gateway import SECRET, SmallGateway
from mcp_gateway.tests.wire import CLIENT_INFO, listening
from mcp_gateway.transports.http import serve_http

pytestmark = pytest.mark.anyio

ROUTES = [
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/openapi.json"),
    ("GET", "/sse"),
    ("POST", "/messages"),
    ("POST", "/mcp"),
    ("GET", "/mcp"),
    ("GET", "/api/v1/search"),
    ("GET", "/nowhere"),
]
BOTH = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_foreign_host_or_origin_is_refused_on_every_route(web: Web, method: str, path: str) -> None:
    """D04: against DNS rebinding."""
    host = await web.http.request(method, path, headers={"host": "evil.example"})
    origin = await web.http.request(method, path, headers={"origin": "http://evil.example"})

    assert (host.status_code, origin.status_code) == (421, 403)
    assert host.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8765",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil@localhost",
        "localhost:80:80",
        "localhost:x",
        "[::2]",
        "",
        "localhost/..",
    ],
)
async def test_what_only_looks_like_this_machine_is_refused(web: Web, host: str) -> None:
    """D04."""
    assert (await web.http.get("/healthz", headers={"host": host})).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9999", "[::1]", "[::1]:8765"])
async def test_every_name_of_this_machine_is_accepted(web: Web, host: str) -> None:
    """D04."""
    origin = {"origin": f"http://{host.lower()}"}

    assert (await web.http.get("/healthz", headers={"host": host, **origin})).status_code == 200


@pytest.mark.parametrize("origin", ["null", "file://", "http://localhost.evil.example", "ftp://localhost", "localhost"])
async def test_a_strange_origin_is_refused(web: Web, origin: str) -> None:
    """D04."""
    assert (await web.http.get("/healthz", headers={"origin": origin})).status_code == 403


async def test_hosts_and_origins_can_be_allowed() -> None:
    """D04."""
    http = HttpSection(port=0, allowed_hosts=["media.example", "other:99"], allowed_origins=["https://app.example"])
    async with listening(SmallGateway(Settings(http=http))) as client:
        statuses = {
            host: (await client.get("/healthz", headers={"host": host})).status_code
            for host in ("media.example", "media.example:5", "other:99", "other:98")
        }
        origin = await client.get("/healthz", headers={"origin": "https://app.example"})

    assert statuses == {"media.example": 200, "media.example:5": 200, "other:99": 200, "other:98": 421}
    assert origin.status_code == 200


async def test_a_page_of_the_gateway_itself_may_use_it_and_one_of_another_port_may_not() -> None:
    http = HttpSection(port=0, allowed_hosts=["media.example"])
    origins = ["https://media.example", "http://media.example", "https://media.example:8443", "https://evil.example"]
    async with listening(SmallGateway(Settings(http=http))) as client:
        statuses = [
            (await client.get("/healthz", headers={"host": "media.example", "origin": origin})).status_code
            for origin in origins
        ]
        rebound = await client.get("/healthz", headers={"host": "evil.example", "origin": "http://evil.example"})

    assert statuses == [200, 200, 403, 403]
    assert rebound.status_code == 421


async def test_health_says_whether_to_send_requests(web: Web) -> None:
    ready = await web.http.get("/readyz")
    web.gateway.status = "draining"
    draining = await web.http.get("/readyz")
    web.gateway.status = "degraded"
    degraded = await web.http.get("/readyz")
    web.gateway.status = "ok"

    assert (ready.status_code, draining.status_code, degraded.status_code) == (200, 503, 200)
    assert ready.json()["status"] == "ok"
    assert (await web.http.get("/healthz")).json() == {"status": "ok"}


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nope", 404), ("POST", "/healthz", 405)])
async def test_what_is_not_there_is_a_problem_document(web: Web, method: str, path: str, status: int) -> None:
    response = await web.http.request(method, path)

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status


async def test_others_can_only_connect_where_somebody_asks_who_they_are() -> None:
    """D05, D06."""
    closed = SmallGateway(Settings(http=HttpSection(host="0.0.0.0", port=0)))  # noqa: S104
    with pytest.raises(SettingsError, match="allow_unauthenticated"):
        await serve_http(closed, on_listening=lambda url: None)

    http = HttpSection(host="0.0.0.0", port=0, allow_unauthenticated=True)  # noqa: S104
    async with listening(SmallGateway(Settings(http=http))) as client:
        assert (await client.get("/healthz", headers={"host": "localhost"})).status_code == 200


async def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=rf"Port {port} on 127\.0\.0\.1 is in use.*--port"):
            await serve_http(SmallGateway(Settings(http=HttpSection(port=port))), on_listening=lambda url: None)


async def test_an_unknown_address_is_named() -> None:
    http = HttpSection(host="127.0.0.1.invalid", port=0, allow_unauthenticated=True)
    with pytest.raises(StartupError, match="--host"):
        await serve_http(SmallGateway(Settings(http=http)), on_listening=lambda url: None)


def events(response: httpx.Response) -> list[Any]:
    if response.headers["content-type"].startswith("application/json"):
        return [response.json()]
    lines = response.text.splitlines()
    return [orjson.loads(line[6:]) for line in lines if line.startswith("data: ") and len(line) > 6]


class Session:
    """A raw streamable HTTP session."""

    def __init__(self, http: httpx.AsyncClient, version: str) -> None:
        self.http = http
        self.version = version
        self.headers = dict(BOTH)

    async def send(self, method: str, params: Any = None, request_id: int | None = 1) -> list[Any]:
        """The messages that came back."""
        message = {"jsonrpc": "2.0", "method": method, **({"params": params} if params is not None else {})}
        if request_id is not None:
            message["id"] = request_id
        response = await self.http.post("/mcp", json=message, headers=self.headers)
        self.headers.setdefault("mcp-session-id", response.headers.get("mcp-session-id", ""))
        return events(response) if response.content else []

    async def initialize(self) -> Any:
        """Shake hands."""
        params = {"protocolVersion": self.version, "capabilities": {}, "clientInfo": CLIENT_INFO}
        (answer,) = await self.send("initialize", params)
        await self.send("notifications/initialized", request_id=None)
        return answer["result"]


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_streamable_http_serves_every_revision_with_a_handshake(web: Web, version: str) -> None:
    """P03."""
    session = Session(web.http, version)
    assert (await session.initialize())["protocolVersion"] == version

    (listed,) = await session.send("tools/list")
    (called,) = await session.send("tools/call", {"name": "echo", "arguments": {"text": "hi"}})

    assert ("title" in listed["result"]["tools"][0]) == (version >= "2025-06-18")
    assert called["result"]["content"][0]["text"] == '{"text":"hi"}'


async def test_streamable_http_follows_the_same_rules(web: Web) -> None:
    """A17, A19, B14, G03, G04, I09, K02."""
    session = Session(web.http, "2025-06-18")
    await session.initialize()

    unknown = (await session.send("no/such"))[-1]
    missing = (await session.send("resources/read", {"uri": "example://nothing"}))[-1]
    crash = (await session.send("prompts/get", {"name": "failing"}))[-1]
    again = (await session.send("initialize", {"protocolVersion": "x", "capabilities": {}, "clientInfo": CLIENT_INFO}))[
        -1
    ]
    await session.send("logging/setLevel", {"level": "alert"})
    logged = await session.send("tools/call", {"name": "chatter"})
    counted = await session.send("tools/call", {"name": "count_up", "_meta": {"progressToken": "t"}})

    codes = [answer["error"]["code"] for answer in (unknown, missing, crash, again)]
    assert codes == [-32601, -32002, -32603, -32600]
    assert SECRET not in str(crash)
    assert [m["params"]["level"] for m in logged[:-1]] == ["alert", "emergency"]
    values = [m["params"]["progress"] for m in counted[:-1]]
    assert values == sorted(set(values))
    assert values[-1] == 9999


async def test_streamable_http_serves_requests_that_carry_their_own_envelope(web: Web) -> None:
    """2026-07-28."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    session = Session(web.http, "2026-07-28")
    session.headers |= {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "echo"}
    (called,) = await session.send("tools/call", {"name": "echo", "arguments": {"text": "hi"}, "_meta": meta})
    session.headers |= {"mcp-method": "server/discover"}
    (discovered,) = await session.send("server/discover", {"_meta": meta})
    session.headers |= {"mcp-method": "initialize"}
    (removed,) = await session.send("initialize", {"_meta": meta})

    assert called["result"]["structuredContent"] == {"text": "hi"}
    assert called["result"]["resultType"] == "complete"
    assert discovered["result"]["instructions"] == "Use echo."
    assert removed["error"]["code"] == -32601


async def test_blanks_around_a_header_value_are_no_part_of_it(web: Web) -> None:
    """RFC 9110, 5.5. The client library would not send them."""
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    params = {"name": "echo", "arguments": {"text": "hi"}, "_meta": meta}
    body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    head = [
        "POST /mcp HTTP/1.1", f"host: {web.http.base_url.netloc.decode()}", f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in BOTH.items()), "connection: close",
        "mcp-protocol-version: 2026-07-28 ", "mcp-method:   tools/call", "mcp-name:  echo \t",
    ]  # fmt: skip
    async with await anyio.connect_tcp(web.http.base_url.host, web.http.base_url.port or 0) as stream:
        await stream.send("\r\n".join([*head, "", ""]).encode() + body)
        answer = b"".join([chunk async for chunk in stream])

    assert b" 200 " in answer.splitlines()[0]
    assert b'{"text":"hi"}' in answer.replace(b"\\", b"")


async def test_subscriptions_reach_streamable_http_too(web: Web) -> None:
    """I08."""
    session = Session(web.http, "2025-06-18")
    await session.initialize()
    await session.send("resources/subscribe", {"uri": "example://items/1"})
    headers = {**session.headers, "accept": "text/event-stream"}
    async with web.http.stream("GET", "/mcp", headers=headers) as response:
        lines = response.aiter_lines()
        with anyio.fail_after(10):
            while True:
                web.gateway.resources.changed("example://items/1")
                line = await anext(lines)
                if "notifications/resources/updated" in line:
                    break

    assert orjson.loads(line[6:])["params"] == {"uri": "example://items/1"}


async def test_sessions_of_streamable_http_are_bounded() -> None:
    """B19."""
    async with listening(SmallGateway(Settings(http=HttpSection(port=0, max_sessions=1)))) as client:
        first = Session(client, "2025-06-18")
        await first.initialize()
        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": CLIENT_INFO}
        body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
        async with client.stream("GET", "/mcp", headers={**first.headers, "accept": "text/event-stream"}):
            refused = await client.post("/mcp", json=body, headers=BOTH)
        while (taken := await client.post("/mcp", json=body, headers=BOTH)).status_code == 503:
            await anyio.lowlevel.checkpoint()  # until it is noticed that the stream was left
        forgotten = await client.post("/mcp", json=body, headers=first.headers)

    assert (refused.status_code, taken.status_code, forgotten.status_code) == (503, 200, 404)
