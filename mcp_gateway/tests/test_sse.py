"""HTTP with SSE, beyond what it shares with stdio. Ids name lines of the requirements."""

from collections.abc import AsyncIterator

import anyio
import httpx
import pytest

from mcp_gateway.settings import HttpSection, McpSection, Settings
from mcp_gateway.tests.conftest import Web
from mcp_gateway.tests.small_gateway import SmallGateway
from mcp_gateway.tests.wire import SseWire, listening, sse_session

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json"}
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


async def test_the_endpoint_comes_first_and_messages_are_accepted(web: Web) -> None:
    """D01, D02, D03, D08, D11."""
    async with sse_session(web.http) as wire:
        await wire.initialize()
        assert isinstance(wire, SseWire)

        assert wire.endpoint.startswith("/messages?session_id=")
        assert len(wire.endpoint) > 60
        assert wire.events == ["endpoint", "message"]
        assert wire.statuses == [202, 202]
        assert wire.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert "no-cache" in wire.headers["cache-control"]


async def test_sessions_know_nothing_of_one_another(web: Web) -> None:
    """D07, K02, I08, P02."""
    async with sse_session(web.http) as one, sse_session(web.http) as other:
        for wire in (one, other):
            await wire.initialize()
        await one.result("logging/setLevel", {"level": "emergency"})
        await one.result("resources/subscribe", {"uri": "example://items/1"})
        await one.call("chatter")
        await other.call("chatter")
        web.gateway.resources.changed("example://items/1")
        await one.until(lambda m: m.get("method") == "notifications/resources/updated")
        await other.result("ping")

        assert len(one.notifications("notifications/message")) == 1
        assert len(other.notifications("notifications/message")) == 7
        assert not other.notifications("notifications/resources/updated")


async def test_progress_arrives_before_the_call_ends(web: Web) -> None:
    """D11, N06."""
    web.gateway.gate = anyio.Event()
    async with sse_session(web.http) as wire:
        await wire.initialize()
        waiting = await wire.post("tools/call", {"name": "wait"})
        await wire.call("count_up", progressToken=1)
        assert wire.notifications("notifications/progress")
        web.gateway.gate.set()
        await wire.answer_to(waiting)


@pytest.mark.parametrize("session_id", ["", "x", "a" * 43, "..%2f"])
async def test_a_session_that_is_not_there_is_not_found(web: Web, session_id: str) -> None:
    """D09."""
    response = await web.http.post(f"/messages?session_id={session_id}", content=PING, headers=JSON)

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_stream_that_was_closed_frees_its_session_and_stops_its_work(web: Web) -> None:
    """B17, D09, E03."""
    web.gateway.gate = anyio.Event()
    async with sse_session(web.http) as wire:
        await wire.initialize()
        await wire.post("tools/call", {"name": "wait"})
        with anyio.fail_after(10):
            while not web.gateway.running:
                await wire.result("ping")
        assert isinstance(wire, SseWire)
        endpoint = wire.endpoint

    with anyio.fail_after(10):
        while (await web.http.post(endpoint, content=PING, headers=JSON)).status_code != 404:
            pass
        while web.gateway.running:
            await anyio.lowlevel.checkpoint()


async def test_what_is_not_a_json_post_is_refused(web: Web) -> None:
    """D10, D12."""
    async with sse_session(web.http) as wire:
        assert isinstance(wire, SseWire)
        wrong_type = await web.http.post(wire.endpoint, content=PING, headers={"content-type": "text/plain"})
        no_json = await web.http.post(wire.endpoint, content=b"{", headers=JSON)
        wrong_method = await web.http.get(wire.endpoint)
        posted_stream = await web.http.post("/sse", content=PING, headers=JSON)
        large = await web.http.post(wire.endpoint, content=b" " * (5 * 1024 * 1024), headers=JSON)
        chunked = await web.http.post(wire.endpoint, content=chunks(), headers=JSON)
        await wire.initialize()

    assert wrong_type.status_code == 415
    assert no_json.status_code == 400
    assert wire.received[0]["error"]["code"] == -32700
    assert (wrong_method.status_code, wrong_method.headers["allow"]) == (405, "POST")
    assert (posted_stream.status_code, posted_stream.headers["allow"]) == (405, "GET")
    assert (large.status_code, chunked.status_code) == (413, 413)


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(100):
        yield b" " * 65536


async def test_streams_are_kept_open_and_their_number_is_bounded() -> None:
    """D13, B19."""
    gateway = SmallGateway(Settings(http=HttpSection(port=0, sse_ping_seconds=0.01, max_sessions=1)))
    async with listening(gateway) as client, client.stream("GET", "/sse") as response:
        lines = response.aiter_lines()
        with anyio.fail_after(10):
            async for line in lines:
                if line == ": ping":
                    break
        refused = await client.get("/sse")

    assert refused.status_code == 503


async def test_a_client_that_reads_nothing_is_disconnected() -> None:
    """Its memory is given back."""
    gateway = SmallGateway(Settings(http=HttpSection(port=0), mcp=McpSection(slow_reader_seconds=0.2)))
    async with listening(gateway) as client:
        stream = await anyio.connect_tcp(client.base_url.host, client.base_url.port or 80)
        async with stream:
            await stream.send(b"GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = b""
            while b"session_id=" not in head or not head.endswith(b"\r\n\r\n"):
                head += await stream.receive()
            endpoint = next(line[6:] for line in head.decode().splitlines() if line.startswith("data: "))
            status = await flood(client, endpoint)

    assert status == 404


async def flood(client: httpx.AsyncClient, endpoint: str) -> int:
    """Ask for large answers that nobody reads, until the session is refused."""
    hello = {
        "protocolVersion": "2024-11-05",
        "capabilities": {},
        "clientInfo": {"name": "slow", "version": "1"},
    }
    await client.post(endpoint, json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
    params = {"name": "echo", "arguments": {"text": "x", "times": 1_000_000}}
    with anyio.fail_after(20):
        for number in range(1, 1000):
            body = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
            status = (await client.post(endpoint, json=body)).status_code
            if status != 202:
                return status
    return 0


async def test_messages_that_wait_are_bounded_too() -> None:
    """They wait on though their sender hangs up."""
    gateway = SmallGateway(Settings(http=HttpSection(port=0), mcp=McpSection(max_running=1, max_waiting=2)))
    gateway.gate = anyio.Event()
    async with listening(gateway) as client, sse_session(client) as wire, anyio.create_task_group() as tasks:
        assert isinstance(wire, SseWire)
        await wire.initialize()
        call = await wire.post("tools/call", {"name": "wait"})
        waiting = [{"jsonrpc": "2.0", "id": f"waits {number}", "method": "ping"} for number in range(2)]
        for message in waiting:
            tasks.start_soon(wire.send, message)
        refused = None
        with anyio.fail_after(10):
            while refused != 429:
                refused = (await client.post(wire.endpoint, content=b"{}", headers=JSON)).status_code
        gateway.gate.set()

        assert "result" in await wire.answer_to(call)
        for message in waiting:
            assert (await wire.answer_to(message["id"]))["result"] == {}
        assert await wire.result("ping") == {}


async def test_a_client_that_answers_pings_stays_and_one_that_does_not_is_disconnected() -> None:
    """F02, F03."""
    settings = Settings(http=HttpSection(port=0), mcp=McpSection(ping_seconds=0.02, ask_seconds=0.5))
    async with listening(SmallGateway(settings)) as client, sse_session(client) as wire:
        await wire.initialize()
        for _ in range(3):
            seen = len(wire.received)
            question = await wire.until(lambda m: m.get("method") == "ping", after=seen)
            await wire.respond(question, result={})
        assert await wire.result("ping") == {}

        await wire.until_ended()


async def test_draining_ends_the_streams() -> None:
    """B16."""
    gateway = SmallGateway()
    async with listening(gateway) as client, sse_session(client) as wire:
        await wire.initialize()
        gateway.shutdown.begin()

        await wire.until_ended()
