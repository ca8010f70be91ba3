"""What is particular to HTTP with SSE."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import anyio
import pytest

from mcp_gateway.tests.wire import SseWire, Wire, sse_session
from protocol_tests.conformance.peers import Peer
from protocol_tests.requirements import requirement

pytestmark = [pytest.mark.anyio, pytest.mark.over("sse")]

JSON = {"content-type": "application/json"}
PING = b'{"jsonrpc":"2.0","id":"p","method":"ping"}'


def path_of(peer: Peer) -> str:
    return urlsplit(peer.server.url("sse", "")).path


@requirement("D01", "D02", "D03", "D08")
async def test_the_endpoint_comes_first_and_answers_come_on_the_stream(peer: Peer) -> None:
    async with peer.ready() as wire:
        assert isinstance(wire, SseWire)
        await wire.result("ping")

        assert wire.events[0] == "endpoint"
        assert set(wire.events[1:]) == {"message"}
        assert all(200 <= status < 300 for status in wire.statuses)
        base = urlsplit(peer.server.url("sse", ""))
        assert urlsplit(wire.endpoint).netloc in {"", base.netloc}


@requirement("D04")
@pytest.mark.parametrize("header", ["origin", "host"])
async def test_a_foreign_origin_or_host_is_refused(peer: Peer, wire: Wire, header: str) -> None:
    assert isinstance(wire, SseWire)
    foreign = {header: "http://evil.example" if header == "origin" else "evil.example"}
    async with peer.http() as client:
        async with client.stream("GET", path_of(peer), headers=foreign) as stream:
            opened = stream.status_code
        posted = (await client.post(wire.endpoint, content=PING, headers={**JSON, **foreign})).status_code

    assert 400 <= opened < 500
    assert 400 <= posted < 500
    assert (opened, posted) == (403, 403) or header == "host"
    await wire.result("ping")
    assert len(wire.received) == 1


@requirement("D04")
async def test_the_own_origin_is_accepted(peer: Peer, wire: Wire) -> None:
    assert isinstance(wire, SseWire)
    base = urlsplit(peer.server.url("sse", ""))
    own = {"origin": f"{base.scheme}://{base.netloc}"}
    async with peer.http() as client:
        async with client.stream("GET", path_of(peer), headers=own) as stream:
            assert stream.status_code == 200
        assert (await client.post(wire.endpoint, content=PING, headers={**JSON, **own})).is_success


@requirement("D05")
async def test_by_default_only_this_machine_is_served(peer: Peer) -> None:
    if not peer.server.own:
        pytest.skip("another server's listening address is its operator's choice")

    assert urlsplit(peer.server.url("sse", "")).hostname == "127.0.0.1"


@requirement("D07", "P02")
async def test_sessions_know_nothing_of_one_another(peer: Peer) -> None:
    async with peer.ready() as one, peer.ready() as other:
        calls = [(wire, await wire.post("tools/list")) for wire in (one, other, one, other)]
        for wire, call in calls:
            await wire.answer_to(call)

        assert one.received
        assert len(one.received) == len(other.received) == 3


@requirement("D09")
@pytest.mark.parametrize("session_id", ["", "x", "a" * 43, "..%2f", "%00", "00000000-0000-0000-0000-000000000000"])
async def test_a_session_that_is_not_there_is_not_found(peer: Peer, wire: Wire, session_id: str) -> None:
    assert isinstance(wire, SseWire)
    parts = urlsplit(wire.endpoint)
    name = parts.query.partition("=")[0]
    async with peer.http() as client:
        response = await client.post(f"{parts.path}?{name}={session_id}", content=PING, headers=JSON)

    assert 400 <= response.status_code < 500


@requirement("D10")
@pytest.mark.parametrize("body", [b"{", b"", b"1", b"\xff"], ids=ascii)
async def test_a_malformed_body_is_refused_and_the_session_lives(peer: Peer, wire: Wire, body: bytes) -> None:
    assert isinstance(wire, SseWire)
    await wire.send_bytes(body)
    await wire.result("ping")
    told = [m["error"]["code"] for m in wire.received if "error" in m]

    assert 400 <= wire.statuses[-2] < 500 or told
    assert all(code in {-32700, -32600} for code in told)


@requirement("D11")
async def test_the_stream_is_an_uncached_event_stream(wire: Wire) -> None:
    assert isinstance(wire, SseWire)

    media_type, _, charset = wire.headers["content-type"].partition(";")
    assert media_type == "text/event-stream"
    assert charset.strip().lower() in {"", "charset=utf-8"}
    assert "no-" in wire.headers["cache-control"]


@requirement("D11", "N06")
async def test_what_comes_during_a_call_arrives_during_it(peer: Peer, wire: Wire) -> None:
    peer.needs("work")
    params = {"name": "work", "arguments": {"steps": 100_000}, "_meta": {"progressToken": 1}}
    call = await wire.post("tools/call", params)
    await wire.until(lambda m: m.get("method") == "notifications/progress")

    assert not [m for m in wire.received if m.get("id") == call]
    await wire.notify("notifications/cancelled", {"requestId": call})


@requirement("D12")
async def test_wrong_methods_types_and_sizes_get_their_status(peer: Peer, wire: Wire) -> None:
    assert isinstance(wire, SseWire)
    async with peer.http() as client:
        statuses = {
            "get": (await client.get(wire.endpoint)).status_code,
            "post": (await client.post(path_of(peer), content=PING, headers=JSON)).status_code,
            "text": (
                await client.post(wire.endpoint, content=PING, headers={"content-type": "text/plain"})
            ).status_code,
            "large": (await client.post(wire.endpoint, content=_large(), headers=JSON)).status_code,
            "json": (
                await client.post(
                    wire.endpoint, content=PING, headers={"content-type": "application/json; charset=utf-8"}
                )
            ).status_code,
        }

    assert (statuses["get"], statuses["post"], statuses["large"]) == (405, 405, 413)
    assert 400 <= statuses["text"] < 500
    assert 200 <= statuses["json"] < 300


async def _large() -> AsyncIterator[bytes]:
    for _ in range(160):
        yield b" " * 65536


@requirement("D13")
async def test_comments_keep_the_stream_open_and_do_no_harm(peer: Peer) -> None:
    if not peer.server.own:
        pytest.skip("needs a server set up for it: frequent comments")
    async with peer.http("frequent comments") as client:
        comments = 0
        with anyio.fail_after(10):
            async with client.stream("GET", "/sse") as response:
                async for line in response.aiter_lines():
                    comments += line.startswith(":")
                    if comments == 3:
                        break
        async with sse_session(client) as wire:
            await wire.initialize()
            assert await wire.result("ping") == {}
