"""A raw MCP client: bytes on the wire, nothing hidden. For stdio (a process, or pipes in this one), SSE and /mcp."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any
from urllib.parse import urljoin

import anyio
import anyio.abc
import httpx
import orjson

from mcp_gateway.protocol.served import Served
from mcp_gateway.stdout_guard import Pipes
from mcp_gateway.transports.http import serve_http
from mcp_gateway.transports.stdio import serve_stdio

WAIT_SECONDS = 20.0
CLIENT_INFO = {"name": "wire", "version": "1"}

JsonObject = dict[str, Any]
Opener = Callable[[Served], AbstractAsyncContextManager["Wire"]]


class Wire:
    """One session. Everything received is kept in `received`, in order; what is not JSON in `stray`.

    Args:
        send: Writes one message, or whatever bytes are given in its place.
    """

    def __init__(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        self.send_bytes = send
        self.wait_seconds = WAIT_SECONDS
        self.received: list[Any] = []
        self.stray: list[bytes] = []
        self.ended = False
        self._changed = anyio.Event()
        self._ids = itertools.count(1)

    def take(self, data: bytes) -> None:
        """A message arrived."""
        try:
            self.received.append(orjson.loads(data))
        except orjson.JSONDecodeError:
            self.stray.append(data)
        self._wake()

    def end(self) -> None:
        """The other side hung up."""
        self.ended = True
        self._wake()

    async def send(self, message: object) -> None:
        """Send a message as it is."""
        await self.send_bytes(orjson.dumps(message))

    async def post(self, method: str, params: object = None, **members: Any) -> int:
        """Send a request and return its id, without waiting."""
        request_id = next(self._ids)
        body = {"params": params} if params is not None else {}
        await self.send({"jsonrpc": "2.0", "id": request_id, "method": method, **body, **members})
        return request_id

    async def notify(self, method: str, params: object = None) -> None:
        """Send a notification."""
        await self.send({"jsonrpc": "2.0", "method": method, **({"params": params} if params is not None else {})})

    async def answer_to(self, request_id: object) -> JsonObject:
        """Wait for the answer to a request."""
        return dict(await self.until(lambda m: "method" not in m and "id" in m and _same(m["id"], request_id)))

    async def request(self, method: str, params: object = None) -> JsonObject:
        """Send a request and wait for its answer."""
        return await self.answer_to(await self.post(method, params))

    async def result(self, method: str, params: object = None) -> JsonObject:
        """The result of a request that succeeds."""
        answer = await self.request(method, params)
        assert "result" in answer, answer
        return dict(answer["result"])

    async def error(self, method: str, params: object = None) -> JsonObject:
        """The error of a request that fails."""
        answer = await self.request(method, params)
        assert "error" in answer, answer
        return dict(answer["error"])

    async def call(self, tool: str, arguments: object = None, **meta: Any) -> JsonObject:
        """Call a tool."""
        params = {"name": tool, "arguments": arguments if arguments is not None else {}}
        return await self.result("tools/call", {**params, "_meta": meta} if meta else params)

    async def until(self, wanted: Callable[[Any], bool], *, after: int = 0) -> Any:
        """Wait for a message, among those received already too, from the given one on."""
        with anyio.fail_after(self.wait_seconds):
            while True:
                for message in self.received[after:]:
                    if isinstance(message, dict) and wanted(message):
                        return message
                assert not self.ended, f"the stream ended; received {self.received}"
                await self._wait()

    async def until_ended(self) -> None:
        """Wait for the other side to hang up."""
        with anyio.fail_after(self.wait_seconds):
            while not self.ended:
                await self._wait()

    async def until_received(self, count: int) -> None:
        """Wait for so many messages in all."""
        with anyio.fail_after(self.wait_seconds):
            while len(self.received) < count:
                assert not self.ended, f"the stream ended; received {self.received}"
                await self._wait()

    async def asked(self, method: str) -> JsonObject:
        """Wait for a request of the server."""
        return dict(await self.until(lambda m: m.get("method") == method and "id" in m))

    async def respond(self, question: Mapping[str, Any], **outcome: Any) -> None:
        """Answer a request of the server."""
        await self.send({"jsonrpc": "2.0", "id": question["id"], **outcome})

    def notifications(self, method: str) -> list[JsonObject]:
        """The notifications received so far."""
        return [m for m in self.received if isinstance(m, dict) and m.get("method") == method and "id" not in m]

    async def initialize(
        self, version: str = "2024-11-05", capabilities: Mapping[str, Any] | None = None
    ) -> JsonObject:
        """Shake hands."""
        params = {"protocolVersion": version, "capabilities": capabilities or {}, "clientInfo": CLIENT_INFO}
        result = await self.result("initialize", params)
        await self.notify("notifications/initialized")
        return result

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def _wait(self) -> None:
        await self._changed.wait()


def _same(left: object, right: object) -> bool:
    return type(left) is type(right) and left == right


@asynccontextmanager
async def over_pipes(gateway: Served) -> AsyncIterator[Wire]:
    """The stdio transport, within this process."""
    to_server, from_client = os.pipe()
    to_client, from_server = os.pipe()
    os.set_blocking(from_client, False)
    os.set_blocking(to_client, False)
    wire = Wire(lambda data: _write(from_client, data + b"\n"))
    async with anyio.create_task_group() as tasks:

        async def serve() -> None:
            await serve_stdio(gateway, Pipes(to_server, from_server))
            os.close(from_server)

        tasks.start_soon(serve)
        tasks.start_soon(_read_lines, to_client, wire)
        try:
            yield wire
        finally:
            os.close(from_client)
            with anyio.CancelScope(shield=True):
                await wire.until_ended()
            tasks.cancel_scope.cancel()
            os.close(to_server)
            os.close(to_client)


async def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            await anyio.wait_writable(fd)


async def _read_lines(fd: int, wire: Wire) -> None:
    held = b""
    while True:
        await anyio.wait_readable(fd)
        chunk = os.read(fd, 65536)
        if not chunk:
            break
        *lines, held = (held + chunk).split(b"\n")
        for line in lines:
            wire.take(line)
    wire.end()


@asynccontextmanager
async def process(command: Sequence[str], **options: Any) -> AsyncIterator[tuple[Wire, anyio.abc.Process]]:
    """A server of one's own, as a process that speaks over stdin and stdout."""
    async with await anyio.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        stdin, stdout = server.stdin, server.stdout
        wire = Wire(lambda data: stdin.send(data + b"\n"))

        async def read() -> None:
            held = b""
            with suppress(anyio.ClosedResourceError):  # the test closed it
                async for chunk in stdout:
                    *lines, held = (held + chunk).split(b"\n")
                    for line in lines:
                        wire.take(line)
            wire.end()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            yield wire, server
            if server.returncode is None:
                server.terminate()
            tasks.cancel_scope.cancel()


def small_gateway_command() -> list[str]:
    """How to start the small gateway as a process."""
    return [sys.executable, "-m", "mcp_gateway.tests.small_gateway"]


@asynccontextmanager
async def listening(gateway: Served) -> AsyncIterator[httpx.AsyncClient]:
    """The HTTP server on a free port, and a client whose base URL is its address."""
    address: list[str] = []
    started = anyio.Event()

    def on_listening(url: str) -> None:
        address.append(url)
        started.set()

    async with anyio.create_task_group() as tasks:

        async def serve() -> None:
            await serve_http(gateway, on_listening=on_listening)

        tasks.start_soon(serve)
        with anyio.fail_after(WAIT_SECONDS):
            await started.wait()
        async with httpx.AsyncClient(base_url=address[0], timeout=WAIT_SECONDS, trust_env=False) as client:
            yield client
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def sse_session(client: httpx.AsyncClient, path: str = "/sse") -> AsyncIterator[Wire]:
    """One SSE session at a server. `wire.endpoint` is where its messages are posted, `wire.statuses` what came back."""
    async with anyio.create_task_group() as tasks:
        wire = SseWire(client, path)
        tasks.start_soon(wire.read)
        with anyio.fail_after(WAIT_SECONDS):
            await wire.opened.wait()
        yield wire
        tasks.cancel_scope.cancel()


class SseWire(Wire):
    """A session over HTTP with SSE."""

    def __init__(self, client: httpx.AsyncClient, path: str = "/sse") -> None:
        super().__init__(self._post)
        self._client = client
        self._path = path
        self.opened = anyio.Event()
        self.endpoint = ""
        self.headers = httpx.Headers()
        self.events: list[str] = []
        self.statuses: list[int] = []

    async def read(self) -> None:
        """Read the stream to its end."""
        with suppress(httpx.HTTPError):
            async with self._client.stream("GET", self._path) as response:
                self.headers = response.headers
                async for event, data in events_of(response):
                    self.events.append(event)
                    if event == "endpoint":
                        self.endpoint = urljoin(self._path, data.decode())
                        self.opened.set()
                    else:
                        self.take(data)
        self.end()

    async def _post(self, data: bytes) -> None:
        response = await self._client.post(
            self.endpoint, content=data, headers={"content-type": "application/json; charset=utf-8"}
        )
        self.statuses.append(response.status_code)


async def events_of(response: httpx.Response) -> AsyncIterator[tuple[str, bytes]]:
    """The events of a stream: name and data. Splits at line feeds only, unlike httpx, which splits in messages too."""
    event, held = "message", b""
    async for chunk in response.aiter_bytes():
        *lines, held = (held + chunk).split(b"\n")
        for line in lines:
            name, _, value = line.rstrip(b"\r").partition(b":")
            if name == b"event":
                event = value.strip().decode()
            elif name == b"data" and value.strip():
                yield event, value.strip()
            elif not name:
                event = "message"


@asynccontextmanager
async def over_sse(gateway: Served) -> AsyncIterator[Wire]:
    """An SSE session at a real HTTP server."""
    async with listening(gateway) as client, sse_session(client) as wire:
        yield wire
