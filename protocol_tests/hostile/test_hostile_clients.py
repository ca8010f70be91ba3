"""Clients that read slowly or not at all, send a byte now and then, or open whatever can be opened.

Each holds a bounded amount of memory for a bounded time, and another client is served meanwhile as ever.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from protocol_tests.conformance.shapes import initialize_params
from protocol_tests.gateways import HttpGateway
from protocol_tests.hostile.raw_http import Connection, get, post
from protocol_tests.hostile.servers import memory_mb, over_http

pytestmark = pytest.mark.timeout(120)

PLUGINS = Path(__file__).with_name("plugins")
LIMIT_SECONDS = 1.5
BODIES_MB = 16
LIMITS = {
    "MEDIA_GATEWAY_HTTP__HEADER_SECONDS": str(LIMIT_SECONDS),
    "MEDIA_GATEWAY_HTTP__BODY_SECONDS": str(LIMIT_SECONDS),
    "MEDIA_GATEWAY_HTTP__MAX_BODIES_BYTES": str(BODIES_MB * 1024 * 1024),
    "MEDIA_GATEWAY_MCP__SLOW_READER_SECONDS": str(LIMIT_SECONDS),
}
STREAMS = 1000
STREAM_KB = 120
SERVED_SECONDS = 1.0
SETTLE_SECONDS = 20.0
# Of one connection to SQLite: the database, its log and its index.
DATABASE_FILES = 3


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpGateway]:
    with over_http(tmp_path_factory.mktemp("hostile"), PLUGINS, **LIMITS) as gateway:
        other = Other(gateway)  # what is loaded with the first call is not what the tests are about
        other.ask("say_much", kilobytes=1000)
        other.close()
        yield gateway


@pytest.fixture
def other(gateway: HttpGateway) -> Iterator[Other]:
    """A client like any other."""
    other = Other(gateway)
    yield other
    other.close()


class Other:
    """A client of streamable HTTP that behaves."""

    def __init__(self, gateway: HttpGateway) -> None:
        self._url = gateway.url
        opened = self._exchange(post("/mcp", request("initialize", initialize_params("2025-03-26"))))
        self.session_id = opened.headers["mcp-session-id"]

    def ask(self, tool: str, **arguments: Any) -> Any:
        """Call a tool; its structured result or its text."""
        body = request("tools/call", {"name": tool, "arguments": arguments})
        reply = self._exchange(post("/mcp", body, Mcp_Session_Id=self.session_id))
        assert reply.status == 200, reply
        result = json.loads(reply.body)["result"]
        return json.loads(result["content"][0]["text"]) if tool == "what_is_held" else result["content"][0]["text"]

    def close(self) -> None:
        """Leave."""
        connection = Connection(self._url)
        connection.send(
            f"DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Session-Id: {self.session_id}\r\n\r\n".encode()
        )
        connection.reply()
        connection.close()

    def _exchange(self, sent: bytes) -> Any:
        connection = Connection(self._url)
        connection.send(sent)
        reply = connection.reply()
        connection.close()
        return reply


def request(method: str, params: object, request_id: int = 1) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}).encode()


def assert_served(other: Other) -> None:
    """Another client gets its answers; once in five tries the machine may be busy with something else."""
    took = []
    for _ in range(5):
        begun = time.monotonic()
        assert other.ask("read_one") == "1"
        took.append(time.monotonic() - begun)
    assert sorted(took)[-2] < SERVED_SECONDS


def until(reached: Callable[[], bool], what: object) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while not reached():
        assert time.monotonic() < deadline, str(what)
        time.sleep(0.05)


@contextmanager
def nothing_left(other: Other) -> Iterator[dict[str, int]]:
    """After the block, and a while, the gateway holds no more tasks, threads and files than before."""
    before = other.ask("what_is_held")
    yield before
    held: dict[str, int] = {}

    def is_settled() -> bool:
        held.update(other.ask("what_is_held"))
        more = {name: held[name] - before[name] for name in before}
        if more["threads"] == 1 and more["files"] <= DATABASE_FILES:  # a job of the gateway's own opened a connection
            more |= {"threads": 0, "files": 0}
        return all(count <= 0 for count in more.values())

    until(is_settled, {"held": held, "before": before})


@contextmanager
def connections(gateway: HttpGateway, count: int, first: bytes = b"") -> Iterator[list[Connection]]:
    """So many, each with something sent at once: to open them all may take longer than a request may."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            connection = Connection(gateway.url)
            stack.callback(connection.close)
            connection.send(first)
            opened.append(connection)
        yield opened


def test_a_thousand_streams_hold_little_and_leave_nothing(gateway: HttpGateway, other: Other) -> None:
    before_mb = memory_mb(gateway.process.pid)
    with nothing_left(other) as before, connections(gateway, STREAMS, get("/sse")) as streams:
        until(lambda: other.ask("what_is_held")["files"] >= before["files"] + STREAMS, "the streams are not open")
        for stream in streams:
            assert stream.head()[0] == 200
        assert_served(other)

        assert memory_mb(gateway.process.pid) - before_mb < STREAMS * STREAM_KB / 1000


def test_streams_that_are_not_read_take_a_bounded_part_together(tmp_path: Path) -> None:
    """Each has a little in its outbox, and as much under way to its socket."""
    count, mb_each, waiting_mb = 200, 0.9, 32
    call = request("tools/call", {"name": "say_much", "arguments": {"kilobytes": 100}})
    limit = {"MEDIA_GATEWAY_MCP__MAX_WAITING_BYTES": str(waiting_mb * 1024 * 1024)}
    with over_http(tmp_path, PLUGINS, **limit) as gateway, connections(gateway, count) as streams:
        other = Other(gateway)
        before_mb = memory_mb(gateway.process.pid)
        with connections(gateway, count) as posting:
            for stream, sender in zip(streams, posting, strict=True):
                sender.send(post(open_stream(stream), call) * 45)
            assert_served(other)
            grown_mb = memory_mb(gateway.process.pid) - before_mb
        other.close()

    assert grown_mb < waiting_mb + count * mb_each


def test_a_flood_of_calls_whose_answers_nobody_reads_is_bounded(gateway: HttpGateway, other: Other) -> None:
    """Each call comes on a connection of its own, which is left at once."""
    call = request("tools/call", {"name": "say_much", "arguments": {"kilobytes": 500}})
    with nothing_left(other), connections(gateway, 1) as (stream,):
        before_mb = memory_mb(gateway.process.pid)
        path, peak_mb = open_stream(stream), 0.0
        deadline = time.monotonic() + LIMIT_SECONDS * 0.8
        while time.monotonic() < deadline:
            with connections(gateway, 20) as posting:
                for sender in posting:
                    sender.send(post(path, call))
            peak_mb = max(peak_mb, memory_mb(gateway.process.pid) - before_mb)
        assert_served(other)

    assert peak_mb < 60


def test_a_batch_whose_answers_are_large_is_bounded(gateway: HttpGateway, other: Other) -> None:
    call = json.loads(request("tools/call", {"name": "say_much", "arguments": {"kilobytes": 1000}}))
    batch = json.dumps([{**call, "id": number} for number in range(300)]).encode()
    with nothing_left(other), connections(gateway, 2) as (stream, sender):
        before_mb = memory_mb(gateway.process.pid)
        sender.send(post(open_stream(stream), batch))
        peak_mb, deadline = 0.0, time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            peak_mb = max(peak_mb, memory_mb(gateway.process.pid) - before_mb)
            time.sleep(0.02)
        assert_served(other)

    assert peak_mb < 100


def open_stream(stream: Connection) -> str:
    """Open an SSE session and shake hands; nothing is read after. Where its messages go."""
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    stream.send(get("/sse"))
    stream.head()
    path = next(stream.events())[1].decode()
    host, port = stream.socket.getpeername()[:2]
    sender = Connection(f"http://{host}:{port}")
    sender.send(post(path, request("initialize", initialize_params())))
    assert sender.reply().status == 202
    sender.close()
    return path


def test_answers_that_are_not_read_are_given_up(gateway: HttpGateway, other: Other) -> None:
    call = request("tools/call", {"name": "say_much", "arguments": {"kilobytes": 10_000}})
    asking = post("/mcp", call, Mcp_Session_Id=other.session_id)
    with nothing_left(other) as before, connections(gateway, 20, asking) as readers:
        for reader in readers:
            assert reader.head()[0] == 200
        assert_served(other)
        until(lambda: bool(other.ask("what_is_held")["files"] <= before["files"]), "the answers are kept")


@pytest.mark.parametrize(
    "begun", [b"", get("/")[:-2] + b"X: ", post("/mcp", b"x" * 100_000)[:-99_999]], ids=["silent", "head", "body"]
)
def test_a_byte_now_and_then_holds_nothing_for_long(gateway: HttpGateway, other: Other, begun: bytes) -> None:
    with nothing_left(other) as before, connections(gateway, 300, begun) as slow:
        dripping = threading.Event()
        thread = threading.Thread(target=drip, args=(slow if begun else [], dripping))
        thread.start()
        try:
            assert_served(other)
            until(lambda: other.ask("what_is_held")["files"] <= before["files"], "they are still open")
        finally:
            dripping.set()
            thread.join()


def drip(slow: list[Connection], over: threading.Event) -> None:
    while not over.wait(0.2):
        for connection in slow:
            with suppress(OSError):
                connection.send(b"x")


def test_large_bodies_take_a_bounded_part_together(gateway: HttpGateway, other: Other) -> None:
    whole = post("/mcp", b" " * 4_000_000)
    with nothing_left(other), connections(gateway, 40) as senders:
        before_mb = memory_mb(gateway.process.pid)
        for sender in senders:
            with suppress(OSError):
                sender.send(whole[:-1])
        assert_served(other)
        grown_mb = memory_mb(gateway.process.pid) - before_mb
        statuses = [status_of(sender) for sender in senders]

    assert grown_mb < 4 * BODIES_MB
    assert statuses.count(503) >= 30
    assert set(statuses) <= {503, 408}


def status_of(connection: Connection) -> int:
    try:
        return connection.reply().status
    except OSError:  # the refusal came while all was still being sent
        return 503
