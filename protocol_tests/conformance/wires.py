"""Raw clients for servers that are not in this process: a command, and streamable HTTP."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import anyio.abc
import httpx

from mcp_gateway.tests.wire import WAIT_SECONDS, JsonObject, Wire, events_of

END_SECONDS = 5.0


class StdioWire(Wire):
    """A process that speaks over stdin and stdout.

    Attributes:
        lines: Every line of stdout, as bytes.
        log: What came on stderr.
    """

    def __init__(self, process: anyio.abc.Process) -> None:
        assert process.stdin is not None
        super().__init__(self._send_line)
        self.process = process
        self.stdin = process.stdin
        self.lines: list[bytes] = []
        self.log = bytearray()

    async def read_output(self) -> None:
        """Read stdout to its end."""
        assert self.process.stdout is not None
        held = b""
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            async for chunk in self.process.stdout:
                *lines, held = (held + chunk).split(b"\n")
                for line in lines:
                    self._take_line(line)
        if held:
            self._take_line(held)
        self.end()

    async def read_log(self) -> None:
        """Read stderr to its end."""
        assert self.process.stderr is not None
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            async for chunk in self.process.stderr:
                self.log += chunk

    async def close_input(self) -> int:
        """Close stdin and wait for the process to end. Returns its status."""
        await self.stdin.aclose()
        with anyio.fail_after(WAIT_SECONDS):
            return await self.process.wait()

    def _take_line(self, line: bytes) -> None:
        self.lines.append(line)
        self.take(line)

    async def _send_line(self, data: bytes) -> None:
        await self.stdin.send(data + b"\n")


@asynccontextmanager
async def stdio_wire(command: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[StdioWire]:
    """Start a server and stop it on leaving."""
    async with await anyio.open_process(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        wire = StdioWire(process)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wire.read_output)
            tasks.start_soon(wire.read_log)
            try:
                yield wire
            finally:
                with anyio.CancelScope(shield=True):
                    await _stop(process)
                tasks.cancel_scope.cancel()


async def _stop(process: anyio.abc.Process) -> None:
    if process.stdin is not None:
        with suppress(anyio.BrokenResourceError):
            await process.stdin.aclose()
    with anyio.move_on_after(END_SECONDS):
        await process.wait()
    if process.returncode is None:
        process.kill()


class StreamableWire(Wire):
    """A session over streamable HTTP: each message a POST, and one GET stream for what the server sends unasked.

    Attributes:
        statuses: The statuses of the POSTs.
        session_id: None before the handshake, and of servers without sessions.
    """

    def __init__(self, client: httpx.AsyncClient, path: str, tasks: anyio.abc.TaskGroup) -> None:
        super().__init__(self._post)
        self._client = client
        self._path = path
        self._tasks = tasks
        self.statuses: list[int] = []
        self.session_id: str | None = None

    async def initialize(
        self, version: str = "2025-03-26", capabilities: Mapping[str, Any] | None = None
    ) -> JsonObject:
        """Shake hands, then open the stream for what comes unasked."""
        result = await super().initialize(version, capabilities)
        opened = anyio.Event()
        self._tasks.start_soon(self._listen, opened)
        with anyio.fail_after(WAIT_SECONDS):
            await opened.wait()
        return result

    def headers(self) -> dict[str, str]:
        """What goes with every message."""
        headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
        return {**headers, **({"mcp-session-id": self.session_id} if self.session_id else {})}

    async def _post(self, data: bytes) -> None:
        answered = anyio.Event()
        self._tasks.start_soon(self._exchange, data, answered)
        with anyio.fail_after(WAIT_SECONDS):
            await answered.wait()

    async def _exchange(self, data: bytes, answered: anyio.Event) -> None:
        async with self._client.stream("POST", self._path, content=data, headers=self.headers()) as response:
            self.statuses.append(response.status_code)
            self.session_id = response.headers.get("mcp-session-id", self.session_id)
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                answered.set()
                await self._read(response)
            elif (body := await response.aread()) and response.headers["content-type"].startswith("application/json"):
                self.take(body)
        answered.set()

    async def _listen(self, opened: anyio.Event) -> None:
        headers = {**self.headers(), "accept": "text/event-stream"}
        async with self._client.stream("GET", self._path, headers=headers) as response:
            opened.set()
            if response.status_code == httpx.codes.OK:
                await self._read(response)

    async def _read(self, response: httpx.Response) -> None:
        with suppress(httpx.HTTPError):
            async for _, data in events_of(response):
                self.take(data)


@asynccontextmanager
async def streamable_wire(client: httpx.AsyncClient, path: str) -> AsyncIterator[StreamableWire]:
    """A session that has not shaken hands yet; taken back on leaving."""
    async with anyio.create_task_group() as tasks:
        wire = StreamableWire(client, path, tasks)
        yield wire
        tasks.cancel_scope.cancel()
