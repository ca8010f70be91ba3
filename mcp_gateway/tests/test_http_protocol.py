"""What one HTTP connection may ask for: over real sockets, of a server that answers with what it was sent."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import anyio
import anyio.abc
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mcp_gateway.transports.http import _listen, _Server
from mcp_gateway.transports.http_protocol import OWN_FILES, ConnectionLimits, connections_at_most

pytestmark = pytest.mark.anyio

LIMITS = ConnectionLimits(
    max_connections=100,
    max_requests=200,
    max_header_bytes=4096,
    header_seconds=30,
    body_seconds=30,
    slow_reader_seconds=30,
)
SOON = 0.1
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
LARGE = 20_000_000

Dial = Callable[[], Awaitable[anyio.abc.SocketStream]]


async def echo(request: Request) -> Response:
    return Response(await request.body())


async def large(request: Request) -> Response:
    return Response(bytes(LARGE))


async def deaf(request: Request) -> Response:
    """Answers without reading."""
    return Response("early", 413)


@asynccontextmanager
async def serving(limits: ConnectionLimits) -> AsyncIterator[Dial]:
    """A server; what it gives out dials it."""
    routes = [Route("/", echo, methods=["GET", "POST"]), Route("/large", large), Route("/deaf", deaf, methods=["POST"])]
    app = Starlette(routes=routes)
    app.state.close_streams = lambda: None
    listener, started = _listen("127.0.0.1", 0), anyio.Event()
    server = _Server(app, limits, started.set)
    server.config.timeout_graceful_shutdown = 0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listener])
        await started.wait()
        with anyio.fail_after(20):
            yield lambda: anyio.connect_tcp("127.0.0.1", listener.getsockname()[1])
        server.should_exit = True


async def all_of(stream: anyio.abc.SocketStream) -> bytes:
    """Everything until the server hangs up."""
    received = bytearray()
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
        while True:
            received += await stream.receive()
    return bytes(received)


async def answer_to(dial: Dial, *sent: bytes) -> bytes:
    """What a connection gets until it is hung up on."""
    async with await dial() as stream:
        with suppress(anyio.BrokenResourceError):
            for part in sent:
                await stream.send(part)
        return await all_of(stream)


@pytest.mark.parametrize(
    "head",
    [
        GET + b"X: " + b"a" * 4096 + b"\r\n\r\n",
        GET + b"X: " + b"a" * 4_000_000,
        GET + b"X: y\r\n" * 200 + b"\r\n",
        GET + b"X: y\r\n" * 500_000,
        b"GET /" + b"a" * 4096 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"a" * 4_000_000,
        b"\r\n" * 1_000_000,
    ],
    ids=["long", "endless", "many", "many for ever", "address", "address for ever", "blank"],
)
async def test_the_head_of_a_request_is_bounded(head: bytes) -> None:
    async with serving(LIMITS) as dial:
        answer = await answer_to(dial, head)

    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")  # nothing when it was reset before all was sent


@pytest.mark.parametrize(
    "tail",
    [b"0\r\nX: " + b"a" * 4_000_000, b"0\r\n" + b"X: y\r\n" * 500_000, b"1;" + b"a" * 4_000_000],
    ids=["long trailer", "many trailers", "long extension"],
)
async def test_what_surrounds_a_body_is_bounded(tail: bytes) -> None:
    async with serving(LIMITS) as dial:
        answer = await answer_to(dial, POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n", tail)

    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")


async def test_a_large_body_beside_a_small_head_is_taken() -> None:
    async with serving(LIMITS) as dial, await dial() as stream:
        for _ in range(2):  # the second head comes with the end of the first body
            await stream.send(POST + b"Content-Length: 1000000\r\n\r\n" + bytes(1_000_000))
        await stream.send(GET + b"Connection: close\r\n\r\n")
        answer = await all_of(stream)

    assert answer.count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"G", GET, GET + b"X: y"], ids=ascii)
async def test_a_head_that_does_not_come_is_not_waited_for(begun: bytes) -> None:
    async with serving(replace(LIMITS, header_seconds=SOON)) as dial:
        answer = await answer_to(dial, begun)

    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("drip", [b"a", b"\r\n"], ids=ascii)
async def test_a_byte_now_and_then_does_not_keep_a_connection(drip: bytes) -> None:
    async with serving(replace(LIMITS, header_seconds=SOON)) as dial, await dial() as stream:
        await stream.send(GET + b"\r\n" + (GET + b"X: " if drip == b"a" else b""))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(drip_into, stream, drip)
            answer = await all_of(stream)
            tasks.cancel_scope.cancel()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answer


async def drip_into(stream: anyio.abc.SocketStream, drip: bytes) -> None:
    with suppress(anyio.BrokenResourceError):
        while True:
            await stream.send(drip)
            await anyio.sleep(SOON / 20)


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 1000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n"]
)
async def test_a_body_that_drips_is_not_waited_for(framing: bytes) -> None:
    async with serving(replace(LIMITS, body_seconds=SOON)) as dial, await dial() as stream:
        await stream.send(POST + framing)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(drip_into, stream, b"a")
            answer = await all_of(stream)
            tasks.cancel_scope.cancel()

    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_nobody_wants_any_more_is_not_waited_for_either() -> None:
    async with serving(replace(LIMITS, body_seconds=SOON)) as dial, await dial() as stream:
        await stream.send(b"POST /deaf HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(drip_into, stream, b"a")
            answer = await all_of(stream)
            tasks.cancel_scope.cancel()

    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_an_idle_connection_between_requests_is_kept() -> None:
    async with serving(replace(LIMITS, header_seconds=SOON, body_seconds=SOON)) as dial, await dial() as stream:
        for _ in range(2):
            await stream.send(GET + b"\r\n")
            assert (await stream.receive()).startswith(b"HTTP/1.1 200 ")
            await anyio.sleep(SOON * 2)


async def test_requests_sent_ahead_are_answered_in_order_up_to_a_number() -> None:
    ahead = [POST + b"Content-Length: 3\r\n\r\n%03d" % number for number in range(50)]
    async with serving(LIMITS) as dial:
        answer = await answer_to(dial, b"".join(ahead), GET + b"Connection: close\r\n\r\n")
        flooded = await answer_to(dial, (GET + b"\r\n") * 10_000)

    bodies = [part.partition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == [*(b"%03d" % number for number in range(50)), b""]
    assert flooded.count(b"HTTP/1.1 200 OK") < 200


async def test_what_is_refused_here_is_protected_like_every_answer() -> None:
    async with serving(LIMITS) as dial:
        for sent in (b"no http\r\n\r\n", GET + b"X: " + b"a" * 4096 + b"\r\n\r\n"):
            answer = await answer_to(dial, sent)
            head, _, body = answer.lower().partition(b"\r\n\r\n")

            assert b"x-content-type-options: nosniff" in head
            assert b"connection: close" in head
            assert b"content-length: %d\r\n" % len(body) in head + b"\r\n"
            assert b"application/problem+json" in head


async def test_there_are_no_more_connections_than_allowed() -> None:
    async with serving(replace(LIMITS, max_connections=2)) as dial:
        first, second = await dial(), await dial()
        refused = await answer_to(dial)
        await first.aclose()
        await until_accepted(dial)
        await second.aclose()

    assert refused.startswith(b"HTTP/1.1 503 ")


async def until_accepted(dial: Dial) -> None:
    """Dial until there is room."""
    while True:
        if (await answer_to(dial, GET + b"Connection: close\r\n\r\n")).startswith(b"HTTP/1.1 200 "):
            return


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"], ids=["kept", "to be closed"])
async def test_a_client_that_does_not_read_its_answer_is_cut_off(more: bytes) -> None:
    async with serving(replace(LIMITS, max_connections=1, slow_reader_seconds=SOON)) as dial, await dial() as stream:
        await stream.send(b"GET /large HTTP/1.1\r\nHost: localhost\r\n" + more + b"\r\n")
        await until_accepted(dial)


async def test_a_slow_reader_that_goes_on_reading_gets_everything() -> None:
    async with serving(replace(LIMITS, slow_reader_seconds=0.5)) as dial, await dial() as stream:
        await stream.send(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        size = 0
        with suppress(anyio.EndOfStream):
            while True:
                size += len(await stream.receive(1_000_000))
                await anyio.sleep(0.02)

    assert size > LARGE


def test_connections_are_as_many_as_files_can_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    granted = [(1024, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: granted[-1])

    def grant(_: int, wanted: tuple[int, int]) -> None:
        asked.append(wanted)
        granted.append(wanted)

    monkeypatch.setattr(resource, "setrlimit", grant)

    assert connections_at_most(500) == 500
    assert not asked
    assert connections_at_most(10_000) == 4096 - OWN_FILES
    assert asked == [(4096, 4096)]
