"""A call that the client cancels stops at once, in the database too, and a thousand of them leave nothing behind."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from mcp_gateway.tests.wire import Wire, sse_session
from protocol_tests.conformance.wires import stdio_wire, streamable_wire
from protocol_tests.gateways import COMMAND, HttpGateway, environment
from protocol_tests.hostile.servers import SETTINGS, memory_mb, over_http

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]

PLUGINS = Path(__file__).with_name("plugins")
# Two connections only: a query that went on would keep the next from running, and nothing but a cancellation ends it.
FEW = {
    "MEDIA_GATEWAY_STORAGE__POOL_SIZE": "2",
    "MEDIA_GATEWAY_MCP__ASK_SECONDS": "600",
    "MEDIA_GATEWAY_GATEWAY__CALL_SECONDS": "600",
}
FREED_SECONDS = 0.1
# For what nobody would ever free, on a machine that may be busy with something else.
FREED_AT_ALL_SECONDS = 20
TRIES = 5
ROUND = 50
CALLS = 1000
GROWTH_MB = 8.0
QUERY = {"name": "count_for_long", "arguments": {}}
WORK = ("count_for_long", "ask_for_long", "wait_for_long")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpGateway]:
    with over_http(tmp_path_factory.mktemp("cancelled"), PLUGINS, **FEW) as gateway:
        yield gateway


@dataclass(frozen=True)
class Client:
    """A ready session of a client that lends its model, and does not answer for it; and the server's process."""

    wire: Wire
    pid: int


@pytest.fixture(params=["stdio", "sse", "http"])
async def client(request: pytest.FixtureRequest, gateway: HttpGateway, tmp_path: Path) -> AsyncIterator[Client]:
    async with opened(request.param, gateway, tmp_path) as (wire, pid):
        version = "2025-03-26" if request.param == "http" else "2024-11-05"
        await wire.initialize(version, {"sampling": {}})
        yield Client(wire, pid)


@pytest.fixture
def wire(client: Client) -> Wire:
    return client.wire


@asynccontextmanager
async def opened(transport: str, gateway: HttpGateway, folder: Path) -> AsyncIterator[tuple[Wire, int]]:
    async with AsyncExitStack() as stack:
        if transport == "stdio":
            command = [COMMAND, "serve", "--plugins-dir", str(PLUGINS), "--data-dir", str(folder / "data")]
            stdio = await stack.enter_async_context(stdio_wire(command, environment(**{**SETTINGS, **FEW})))
            yield stdio, stdio.process.pid
            return
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)  # else it would keep some itself
        client = httpx.AsyncClient(base_url=gateway.url, timeout=60, trust_env=False, limits=limits)
        await stack.enter_async_context(client)
        session = sse_session(client) if transport == "sse" else streamable_wire(client, "/mcp")
        yield await stack.enter_async_context(session), gateway.process.pid


async def held(wire: Wire) -> dict[str, int]:
    return dict(json.loads((await wire.call("what_is_held"))["content"][0]["text"]))


async def until_running(wire: Wire, count: int) -> None:
    with anyio.fail_after(30):
        while (await held(wire))["running"] != count:
            pass


async def start(wire: Wire, count: int, *tools: str) -> list[int]:
    """Start so many calls and wait until all run."""
    params = [{"name": tools[n % len(tools)], "arguments": {}, "_meta": {"progressToken": n}} for n in range(count)]
    calls = [await wire.post("tools/call", param) for param in params]
    await until_running(wire, count)
    return calls


async def cancel(wire: Wire, calls: list[int]) -> None:
    for call in calls:
        await wire.notify("notifications/cancelled", {"requestId": call, "reason": "enough"})


@pytest.mark.parametrize("tool", WORK)
async def test_a_cancelled_call_frees_its_worker_at_once(wire: Wire, tool: str) -> None:
    took = []
    for _ in range(TRIES):
        calls = await start(wire, 2, tool)
        begun = time.monotonic()
        await cancel(wire, calls)
        await until_running(wire, 0)
        took.append(time.monotonic() - begun)
        # Another would have to wait for a connection of the pool while a query went on.
        with anyio.fail_after(5):
            await wire.call("read_one")

    # The machine may be busy with something else, but hardly each time.
    assert min(took) < FREED_SECONDS
    assert not answers(wire, calls)


async def test_a_thousand_cancelled_calls_leave_nothing(client: Client) -> None:
    wire = client.wire
    for _ in range(2):
        await cancel(wire, await start(wire, ROUND, "ask_for_long", "wait_for_long"))
        await until_running(wire, 0)
    before, before_mb = await settled(wire), memory_mb(client.pid)
    for _ in range(CALLS // ROUND):
        calls = await start(wire, ROUND, "ask_for_long", "wait_for_long")
        await cancel(wire, calls)
        await until_running(wire, 0)
    after = await settled(wire)

    assert {name: count - before[name] for name, count in after.items() if count > before[name]} == {}
    assert memory_mb(client.pid) - before_mb < GROWTH_MB
    assert not answers(wire, calls)


async def test_whenever_a_query_is_cancelled_its_worker_is_freed(wire: Wire) -> None:
    """Before it runs, while it is on its way to the thread that runs it, and after."""
    for moment in range(100):
        call = await wire.post("tools/call", {**QUERY, "_meta": {"progressToken": moment}})
        await anyio.sleep(moment % 20 * 0.0002)
        await cancel(wire, [call])
        with anyio.fail_after(FREED_AT_ALL_SECONDS):
            await wire.call("read_one")
            await until_running(wire, 0)


async def settled(wire: Wire) -> dict[str, int]:
    """What is held, once it is the same a few times: responses end a moment after their calls."""
    seen: list[dict[str, int]] = []
    with anyio.fail_after(20):
        while len(seen) < 5 or any(other != seen[-1] for other in seen[-5:]):
            await anyio.sleep(0.05)
            seen.append(await held(wire))
    return seen[-1]


def answers(wire: Wire, calls: list[int]) -> list[Any]:
    """What came for these calls."""
    return [m for m in wire.received if isinstance(m, dict) and "method" not in m and m.get("id") in calls]
