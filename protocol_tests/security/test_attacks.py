"""Attacks on a gateway over HTTP and stdio. Those it does not withstand yet are strict xfails, with the reason."""

from __future__ import annotations

import json
import logging
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, ConfigDict
from starlette.types import Message, Receive, Scope, Send

from mcp_gateway import arguments, errors
from mcp_gateway.api import Call, InvalidParams, capability
from mcp_gateway.capability import Definition
from mcp_gateway.errors import StorageError
from mcp_gateway.observability.logs import TextFormatter
from mcp_gateway.pagination import SECRET_BYTES, load_or_create_secret
from mcp_gateway.registry import Registry
from mcp_gateway.transports.security import Guard
from protocol_tests.gateways import COMMAND, HttpGateway, environment, http_gateway, run

SECRET = "hunter2-hunter2"

PLUGIN = f'''
"""A plugin that fails in every way."""
import anyio, asyncio, os, sys
from contextlib import asynccontextmanager
from pydantic import BaseModel, ConfigDict
from starlette.routing import Route
from mcp_gateway import arguments
from mcp_gateway.api import Call, InvalidParams, capability, hookimpl

os.write(1, b"written at import\\n")

class How(BaseModel):
    model_config = ConfigDict(extra="forbid")
    how: str

class Told(BaseModel):
    text: str

async def fail(params: How, call: Call) -> Told:
    """Fail."""
    print("printed in a call")
    match params.how:
        case "raise":
            raise ValueError("password={SECRET} /etc/passwd SELECT 1")
        case "exit":
            sys.exit("{SECRET}")
        case "cancelled":
            raise asyncio.CancelledError
        case "generator exit":
            raise GeneratorExit
        case "wait":
            await anyio.sleep(20)
        case "first" | "second":
            await anyio.sleep(0.8)
    return Told(text=params.how)

async def page(request):
    raise ValueError("{SECRET}")

@hookimpl
@asynccontextmanager
async def lifespan(services):
    yield [
        capability("fail", fail, read_only=False, rest="POST /api/v1/fail"),
        capability("fail_read", fail, tool=False, uri="fail://{{how}}", rest="GET /api/v1/fail/{{how}}"),
        Route("/page", page),
    ]
'''
BROKEN = f'"""A plugin that does not load."""\nraise RuntimeError("postgresql://u:{SECRET}@db/x")\n'

ROUTES = (
    "/", "/healthz", "/readyz", "/openapi.json", "/mcp", "/sse", "/messages?session_id=x", "/nothing", "/page",
    "/api/v1/titles/tt0468569", "/api/v1/discovery/search",
)  # fmt: skip
FOREIGN_HOSTS = (
    "evil.example", "localhost.", "localhost.evil.example", "127.0.0.1.nip.io", "127.1", "2130706433",
    "[::ffff:127.0.0.1]", "evil@localhost", "localhost@evil.example", "localhost:80@evil.example", "localhost:abc",
    "localhost/x", "localhost#x", "evil.example, localhost", "localhost, evil.example", "[::1", "", "0x7f000001",
)  # fmt: skip
FOREIGN_ORIGINS = (
    "null", "http://evil.example", "http://localhost.evil.example", "http://localhost.", "file://localhost",
    "http://localhost@evil.example", "http://evil.example#localhost", "http://localhost, http://evil.example", "",
)  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: str


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "hostile.py").write_text(PLUGIN)
    (folder / "broken.py").write_text(BROKEN)
    return folder


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, plugins: Path) -> Iterator[HttpGateway]:
    folder = tmp_path_factory.mktemp("attacked") / "data"
    with http_gateway(folder, ["--profile", "full", "--plugins-dir", str(plugins)]) as served:
        yield served


@contextmanager
def connected(gateway: HttpGateway, seconds: float = 5) -> Iterator[socket.socket]:
    host, _, port = gateway.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        yield connection


def raw(gateway: HttpGateway, head: str, body: bytes = b"", *, host: str | None = "localhost") -> Reply:
    """Send a request as it is written, and read the answer to its end."""
    lines = [head, *([] if host is None else [f"Host: {host}"]), "Connection: close", "", ""]
    with connected(gateway) as connection:
        connection.sendall("\r\n".join(lines).encode("latin-1") + body)
        answer = b""
        with suppress(ConnectionError):
            while chunk := connection.recv(65536):
                answer += chunk
    top, _, content = answer.partition(b"\r\n\r\n")
    status, *headers = top.decode("latin-1").split("\r\n")
    parted = (line.partition(": ") for line in headers)
    return Reply(int(status.split()[1]), {name.lower(): value for name, _, value in parted}, content.decode())


class Client:
    """One session of streamable HTTP."""

    def __init__(self, gateway: HttpGateway) -> None:
        self._http = httpx.Client(
            base_url=gateway.url, timeout=20, headers={"Accept": "application/json, text/event-stream"}
        )
        opened = self.post(initialize())
        self._http.headers["Mcp-Session-Id"] = self.id = opened.headers["mcp-session-id"]
        self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def post(self, message: object, **options: Any) -> httpx.Response:
        return self._http.post("/mcp", json=message, **options)

    def ask(self, method: str, params: object = None, request_id: object = 1, **options: Any) -> dict[str, Any]:
        message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}}
        return answer_in(self.post(message, **options))

    def call(self, tool: str, **given: object) -> dict[str, Any]:
        result: dict[str, Any] = self.ask("tools/call", {"name": tool, "arguments": given})["result"]
        return result


def initialize() -> dict[str, object]:
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    return {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}


def answer_in(response: httpx.Response) -> dict[str, Any]:
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        data = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")]
        return dict(json.loads(data[-1]))
    return dict(response.json())


@pytest.fixture
def client(gateway: HttpGateway) -> Iterator[Client]:
    with Client(gateway) as opened:
        yield opened


# --- who may ask


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS", "HEAD"])
def test_every_route_refuses_a_foreign_host_and_a_foreign_page(gateway: HttpGateway, method: str) -> None:
    hosts = {path: raw(gateway, f"{method} {path} HTTP/1.1", host="evil.example").status for path in ROUTES}
    page = "HTTP/1.1\r\nOrigin: http://evil.example"
    origins = {path: raw(gateway, f"{method} {path} {page}").status for path in ROUTES}

    assert set(hosts.values()) == {421}, hosts
    assert set(origins.values()) == {403}, origins


def test_no_spelling_makes_a_foreign_name_ours(gateway: HttpGateway) -> None:
    hosts = {host: raw(gateway, "GET /healthz HTTP/1.1", host=host).status for host in FOREIGN_HOSTS}
    origins = {o: raw(gateway, f"GET /healthz HTTP/1.1\r\nOrigin: {o}").status for o in FOREIGN_ORIGINS}
    forwarded = raw(gateway, "GET /healthz HTTP/1.1\r\nX-Forwarded-Host: localhost", host="evil.example")

    assert set(hosts.values()) == {421}, hosts
    assert set(origins.values()) == {403}, origins
    assert raw(gateway, "GET /healthz HTTP/1.1", host=None).status == 421
    assert raw(gateway, "GET http://localhost/healthz HTTP/1.1", host="evil.example").status == 421
    assert forwarded.status == 421


@pytest.mark.parametrize("host", ["evil.example[::1]", "[::1]evil.example", "[::1].evil.example:80"])
def test_nothing_stands_around_the_brackets_of_an_address(gateway: HttpGateway, host: str) -> None:
    assert raw(gateway, "GET /healthz HTTP/1.1", host=host).status == 421
    assert raw(gateway, f"GET /healthz HTTP/1.1\r\nOrigin: http://{host}").status == 403


@pytest.mark.parametrize("name", ["Host", "Origin"])
def test_a_header_that_decides_comes_once(gateway: HttpGateway, name: str) -> None:
    ours = "" if name == "Host" else "Origin: http://localhost\r\n"
    foreign = "evil.example" if name == "Host" else "http://evil.example"

    # Our own Host is added behind: put it first for the duplicate to come second.
    head = f"GET /healthz HTTP/1.1\r\n{ours}" + (f"Host: localhost\r\nHost: {foreign}" if name == "Host" else "")
    reply = raw(
        gateway, head if name == "Host" else head + f"Origin: {foreign}", host=None if name == "Host" else "localhost"
    )

    assert reply.status in {400, 403, 421}


@pytest.mark.anyio
async def test_a_websocket_is_guarded_too() -> None:
    reached = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["type"])

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        pass

    guard = Guard(app, allowed_hosts=[], allowed_origins=[], max_body_bytes=1024, max_bodies_bytes=1024)
    await guard({"type": "websocket", "headers": [(b"host", b"evil.example")]}, receive, send)

    assert not reached


def test_sessions_of_others_cannot_be_used(gateway: HttpGateway, client: Client) -> None:
    guesses = ["x", client.id.upper(), client.id[:-1], f"{client.id},{client.id}", "../" + client.id, ""]
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}

    statuses = {guess: client.post(ping, headers={"Mcp-Session-Id": guess}).status_code for guess in guesses}

    assert set(statuses.values()) == {404}, statuses
    assert httpx.post(f"{gateway.url}/messages?session_id={client.id}", json=ping).status_code == 404


def test_a_request_of_another_session_cannot_be_cancelled(gateway: HttpGateway, client: Client) -> None:
    answers = []
    params = {"name": "fail", "arguments": {"how": "first"}}
    asking = threading.Thread(target=lambda: answers.append(client.ask("tools/call", params, 55)))
    asking.start()
    time.sleep(0.2)
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 55}}
    with Client(gateway) as other:
        other.post(cancelled)
    asking.join(timeout=10)

    assert answers[0]["result"]["structuredContent"] == {"text": "first"}


@pytest.mark.parametrize("second_id", [7, "7"])
def test_each_of_two_requests_with_one_id_is_answered_or_refused(client: Client, second_id: object) -> None:
    told: dict[str, str] = {}

    def ask(how: str, request_id: object) -> None:
        params = {"name": "fail", "arguments": {"how": how}}
        with suppress(httpx.TimeoutException):
            told[how] = json.dumps(client.ask("tools/call", params, request_id, timeout=2))

    asking = [threading.Thread(target=ask, args=pair) for pair in (("first", 7), ("second", second_id))]
    for thread in asking:
        thread.start()
        time.sleep(0.2)
    for thread in asking:
        thread.join(timeout=10)

    assert "first" in told
    assert "first" in told["first"]
    assert "second" in told["second"] or "error" in told["second"]


def test_a_cursor_serves_its_own_list_unchanged(client: Client) -> None:
    cursor = client.call("search_titles", query="the", limit=2)["structuredContent"]["next_cursor"]
    altered = [cursor + "=", cursor + "\n", cursor[:-1], "", "A" * 5000, cursor[:8] + "!" + cursor[9:]]
    misused: list[dict[str, object]] = [
        {"query": "dark", "cursor": cursor},
        {"query": "the", "sort": "name", "cursor": cursor},
        {"query": "the", "filters": {"year_from": 1990}, "cursor": cursor},
        *({"query": "the", "cursor": other} for other in altered),
    ]

    assert "isError" not in client.call("search_titles", query="the", cursor=cursor)
    assert not [use for use in misused if not client.call("search_titles", **use).get("isError")]
    assert client.ask("tools/list", {"cursor": cursor})["error"]["code"] == -32602


# --- what is asked


@pytest.mark.parametrize(
    "message",
    [
        b"[" * 100_000,
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":' + b'{"a":' * 900 + b"1" + b"}" * 901,
        b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}',
        b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"ping"}',
        b"\x1f\x8b\x08\x00",
        b"\xff\xfe{}",
    ],
    ids=["nested", "nested objects", "surrogate", "huge id", "gzip", "UTF-16"],
)
def test_malformed_messages_are_refused(gateway: HttpGateway, client: Client, message: bytes) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", "Mcp-Session-Id": client.id}
    accept = {"Accept": "application/json, text/event-stream"}

    response = httpx.post(f"{gateway.url}/mcp", content=message, headers=headers | accept)

    assert response.status_code in {200, 400}
    assert response.json()["error"]["code"] in {-32700, -32600, -32602}


@pytest.mark.parametrize("request_id", [None, True, 1.5, [1], {"a": 1}])
def test_a_request_with_an_impossible_id_is_refused(client: Client, request_id: object) -> None:
    assert client.post({"jsonrpc": "2.0", "id": request_id, "method": "ping"}).status_code == 400


def test_stdio_outlives_malformed_messages_and_stays_clean(tmp_path: Path, plugins: Path) -> None:
    hostile = [
        b"[" * 100_000,
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":"' + b"a" * (17 << 20) + b'"}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_titles","arguments":'
        + b'{"filters":' * 900 + b"1" + b"}" * 902,
        b'{"jsonrpc":"2.0","id":true,"method":"ping"}',
        b"[" + b",".join([b"1"] * 1001) + b"]",
        b'{"jsonrpc":"2.0","id":1,"method":"notifications/cancelled","params":{"requestId":1}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"fail","arguments":{"how":"raise"}}}',
    ]  # fmt: skip
    unanswered = [
        b'{"jsonrpc":"2.0","id":{"a":1},"result":{}}',
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":[1]}}',
    ]
    ping = b'{"jsonrpc":"2.0","id":"last","method":"ping"}'
    with stdio_gateway(tmp_path / "data", plugins) as process:
        out, _ = process.communicate(b"\n".join([*hostile, *unanswered, ping, b""]), timeout=30)

    answers = [json.loads(line) for line in out.splitlines()]
    assert len(answers) == len(hostile) + 1
    assert {"jsonrpc": "2.0", "id": "last", "result": {}} in answers
    assert SECRET.encode() not in out
    assert process.returncode == 0


@pytest.mark.parametrize(
    "uri",
    ["..", "../../etc/passwd", "%2e%2e%2fx", "..%5Cx", "a%00b", "%E2%80%AEx", "%0d%0ax", "a" * 5000, "x?y=1", "x#y"],
)
def test_a_uri_does_not_climb_or_hide(client: Client, uri: str) -> None:
    assert client.ask("resources/read", {"uri": f"fail://{uri}"})["error"]["code"] in {-32002, -32602}


@pytest.mark.parametrize("path", ["%2Fetc%2Fpasswd", "C%3A%5Cx", "%5C%5Chost%5Cshare"])
def test_a_variable_of_a_uri_is_no_absolute_path(client: Client, path: str) -> None:
    assert "error" in client.ask("resources/read", {"uri": f"fail://{path}"})


@pytest.mark.parametrize("path", ["%2e%2e", "%2e%2e%5cx", "a%00b", "%1b%5b31m"])
def test_a_path_of_rest_does_not_climb_or_hide(gateway: HttpGateway, path: str) -> None:
    assert raw(gateway, f"GET /api/v1/fail/{path} HTTP/1.1").status in {400, 404}


@pytest.mark.parametrize("query", ["name:dark", "* OR *", '"', "a~9999", "/.*/", "[a TO z]", "((((", "dark^999", "%"])
def test_what_is_searched_is_no_language(client: Client, query: str) -> None:
    assert "isError" not in client.call("search_titles", query=query, filters={"people": [query, "%", "_", "' OR 1=1"]})
    assert "isError" not in client.call("resolve_title", name=query)
    assert client.call("get_titles", ids=[query, "%", "_", "*", "' OR 1=1"])["structuredContent"]["items"] == []


@pytest.mark.parametrize(
    "text", ["\u0301" * 10_000, "\ufdfa" * 10_000, "the " * 2500, "a" * 10_000, "\u202edune" * 2000, "x\0y"]
)
def test_catastrophic_texts_are_answered_at_once(client: Client, text: str) -> None:
    begun = time.monotonic()
    client.call("search_titles", query=text)
    client.call("resolve_title", name=text[:500])

    assert time.monotonic() - begun < 2


def test_many_faults_cost_no_more_than_one(client: Client) -> None:
    begun = time.monotonic()
    assert client.call("get_titles", ids=[1] * 150_000)["isError"]

    assert time.monotonic() - begun < 0.5


def test_a_long_unknown_name_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    def compare(name: str, known: list[str], **options: float) -> list[str]:
        lengths.append(len(name))
        return []

    monkeypatch.setattr(errors, "get_close_matches", compare)
    schema = {"type": "object", "properties": {"query": {"type": "string"}}, "additionalProperties": False}
    with pytest.raises(InvalidParams):
        arguments.check(arguments.compile_schema(schema), schema, {"a" * 100_000: 1})

    assert max(lengths, default=0) <= 1000


@pytest.mark.parametrize("face", ["query", "body"])
def test_deep_arguments_of_rest_are_the_callers_fault(gateway: HttpGateway, face: str) -> None:
    if face == "query":
        response = httpx.get(f"{gateway.url}/api/v1/discovery/search?a{'.a' * 1500}=1")
    else:
        body = b'{"how":' * 900 + b"1" + b"}" * 900
        headers = {"Content-Type": "application/json"}
        response = httpx.post(f"{gateway.url}/api/v1/fail", content=body, headers=headers)

    assert response.status_code == 400


def test_what_only_postgresql_refuses_is_no_inner_error(postgres_url: str, tmp_path: Path) -> None:
    with http_gateway(tmp_path / "data", MEDIA_GATEWAY_STORAGE__URL=postgres_url) as served:
        statuses = {p: raw(served, f"GET /api/v1/{p} HTTP/1.1").status for p in ("titles/a%00b", "people/a%00b")}

    assert set(statuses.values()) <= {400, 404}, statuses


def test_hostile_records_are_rejected_one_by_one(client: Client) -> None:
    good = {"id": "good-1", "type": "movie", "title": "Good", "year": 2000}
    faults: list[dict[str, object]] = [
        {"title": "a\0b"}, {"id": "../../etc"}, {"id": "a\nb"}, {"id": "x" * 1000}, {"title": "a" * 100_000},
        {"year": 10**30}, {"runtime_min": 2**70}, {"popularity": 1e300}, {"cast": [{"name": "n"}] * 10_000},
        {"release_date": "2000-01-01'; DROP TABLE titles;--"}, {"ratings": {"x" * 9999: {"score": 5}}},
    ]  # fmt: skip
    rejected = client.call("ingest_titles", titles=[good, *({**good, "id": "bad-1", **fault} for fault in faults)])

    result = rejected["structuredContent"]
    assert [item["id"] for item in result["items"]] == ["good-1"]
    assert len(result["rejected"]) == len(faults)


def test_no_hidden_text_reaches_a_model(client: Client) -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "obey")
    client.call(
        "ingest_titles", titles=[{"id": "hid-1", "type": "movie", "title": f"Sun\u202e set{hidden}", "year": 2000}]
    )

    shown = client.call("get_titles", ids=["hid-1"])["structuredContent"]["items"][0]["title"]
    assert shown.startswith("Sun")
    assert not re.search("[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", shown)


# --- how it is asked


@pytest.mark.parametrize("path", ["/mcp", "/api/v1/fail"])
def test_a_body_without_a_length_is_bounded_too(gateway: HttpGateway, path: str) -> None:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Accept: application/json, text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with connected(gateway) as connection:
        connection.sendall(head.encode())
        with suppress(OSError):
            for _ in range(80):
                connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_requests_cannot_be_smuggled(gateway: HttpGateway) -> None:
    for framing in (
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 0",
        "Transfer-Encoding: xchunked",
        "Content-Length: -1",
        "Content-Length: " + "9" * 5000,
    ):
        assert raw(gateway, f"POST /healthz HTTP/1.1\r\n{framing}", b"0\r\n\r\nGET /").status == 400


def test_hundreds_of_streams_slow_bodies_and_half_requests_harm_nobody(gateway: HttpGateway) -> None:
    host, _, port = gateway.url.removeprefix("http://").partition(":")
    post = (
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n "
    )
    opened = []
    try:
        for start in (b"GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n", post, b"GET / HTTP/1.1\r\nHo"):
            for _ in range(150):
                connection = socket.create_connection((host, int(port)), timeout=5)
                connection.sendall(start)
                opened.append(connection)
        begun = time.monotonic()
        assert httpx.get(f"{gateway.url}/api/v1/titles/tt0468569").status_code == 200
        assert time.monotonic() - begun < 1
    finally:
        for connection in opened:
            connection.close()


@pytest.mark.parametrize("headers", ["X: " + "a" * 2_000_000, "X: y\r\n" * 50_000 + "X: y"], ids=["long", "many"])
def test_headers_are_bounded(gateway: HttpGateway, headers: str) -> None:
    with suppress(OSError, IndexError):  # hung up on: as good
        assert raw(gateway, f"GET /healthz HTTP/1.1\r\n{headers}").status in {400, 413, 431}


# --- what is told


@pytest.mark.parametrize("path", ["/page", "/api/v1/fail/raise", "/nothing", "/openapi.json", "/healthz"])
def test_answers_tell_nothing_of_the_inside(gateway: HttpGateway, path: str) -> None:
    assert_tells_nothing(raw(gateway, f"GET {path} HTTP/1.1").body)


def test_a_failing_handler_tells_nothing_of_the_inside(client: Client) -> None:
    assert_tells_nothing(json.dumps(client.call("fail", how="raise")))
    assert_tells_nothing(json.dumps(client.ask("resources/read", {"uri": "fail://raise"})))


def assert_tells_nothing(text: str) -> None:
    assert not [
        word for word in (SECRET, "Traceback", "SELECT 1", "/etc/", "/work", ".py", "sqlalchemy") if word in text
    ]


def test_why_a_plugin_is_set_aside_tells_no_secret(gateway: HttpGateway, client: Client) -> None:
    assert SECRET not in raw(gateway, "GET /readyz HTTP/1.1").body
    assert SECRET not in json.dumps(client.ask("resources/read", {"uri": "gateway://plugins"}))


def test_a_refused_message_tells_nothing_of_the_libraries(client: Client) -> None:
    assert "pydantic" not in client.post([{"jsonrpc": "2.0", "id": 1, "method": "ping"}]).text


def test_a_failure_is_protected_like_every_answer(gateway: HttpGateway) -> None:
    reply = raw(gateway, "GET /page HTTP/1.1")

    assert reply.status == 500
    assert reply.headers.get("x-content-type-options") == "nosniff"
    assert reply.headers.get("cache-control") == "no-store"


def test_a_caller_cannot_write_lines_of_the_log() -> None:
    record = logging.makeLogRecord({"msg": "request cancelled", "reason": "x\n12:00:00 error   forged\x1b[2J\r"})

    assert not set("\n\r\x1b") & set(TextFormatter().format(record))


def test_passwords_in_the_query_of_an_address_are_hidden(tmp_path: Path) -> None:
    url = f"postgresql://u@127.0.0.1/x?password={SECRET}"

    assert SECRET not in run("config", "show", data_dir=tmp_path, MEDIA_GATEWAY_STORAGE__URL=url).stdout


# --- plugins and the data folder


@pytest.mark.parametrize("how", ["exit", "generator exit"])
def test_a_handler_that_exits_harms_nobody_else(tmp_path: Path, plugins: Path, how: str) -> None:
    bare = {"MEDIA_GATEWAY_GATEWAY__DISABLED": "ingestion,search,suggest"}
    gateway = http_gateway(tmp_path / "data", ["--plugins-dir", str(plugins)], **bare)
    with gateway as served, Client(served) as victim, Client(served) as other:
        with suppress(httpx.HTTPError, IndexError, KeyError):
            victim.call("fail", how=how)
        assert "result" in other.ask("ping")


def test_a_handler_that_was_cancelled_from_inside_is_answered(tmp_path: Path, plugins: Path) -> None:
    call = {"name": "fail", "arguments": {"how": "cancelled"}}
    with stdio_gateway(tmp_path / "data", plugins) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}).encode())
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1


@contextmanager
def stdio_gateway(data_dir: Path, plugins: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A gateway over stdio that has been initialised."""
    command = [COMMAND, "serve", "--profile", "full", "--plugins-dir", str(plugins), "--data-dir", str(data_dir)]
    pipe = subprocess.PIPE
    kept = environment(MEDIA_GATEWAY_PLUGINS__INGESTION__STARTER="false")
    with subprocess.Popen(command, env=kept, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(initialize()).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == 0
            yield process
        finally:
            process.kill()


class Named(BaseModel):
    """What a title is named."""

    model_config = ConfigDict(extra="forbid")
    id: str


class Renamed(BaseModel):
    """The same under another name."""

    model_config = ConfigDict(extra="forbid")
    a: str


def test_no_plugin_takes_a_place_by_renaming_its_variable() -> None:
    async def own(params: Named, call: Call) -> Named:
        """Read it."""
        return params

    async def shadow(params: Renamed, call: Call) -> Renamed:
        """Read something else."""
        return params

    registry = Registry()
    registry.add("search", [capability("title", own, uri="media://titles/{id}", rest="GET /api/v1/titles/{id}")])
    with pytest.raises(Definition):
        registry.add("evil", [capability("shadow", shadow, uri="media://titles/{a}", rest="GET /api/v1/titles/{a}")])


def test_a_key_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    key = tmp_path / "cursor.key"
    key.write_bytes(bytes(SECRET_BYTES))
    key.chmod(0o666)

    with pytest.raises(StorageError):
        load_or_create_secret(key)


def test_the_key_is_made_for_its_owner_alone_and_not_through_a_link(tmp_path: Path) -> None:
    load_or_create_secret(tmp_path / "cursor.key")
    (tmp_path / "linked.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError):
        load_or_create_secret(tmp_path / "linked.key")

    assert (tmp_path / "cursor.key").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "elsewhere").exists()
