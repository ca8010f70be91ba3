"""MCP over standard input and output, mostly with a process of its own. Ids name lines of the requirements."""

import os
import subprocess
import sys
from pathlib import Path

import anyio
import orjson
import pytest

from mcp_gateway.settings import McpSection, Settings
from mcp_gateway.tests.small_gateway import SmallGateway
from mcp_gateway.tests.wire import CLIENT_INFO, over_pipes, process, small_gateway_command

pytestmark = pytest.mark.anyio

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": CLIENT_INFO},
}


def lines(*messages: object) -> bytes:
    return b"".join(orjson.dumps(message) + b"\n" for message in messages)


def ping(request_id: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": request_id, "method": "ping"}


def call(request_id: object, tool: str, **arguments: object) -> dict[str, object]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


def run(data: bytes) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(small_gateway_command(), input=data, capture_output=True, timeout=30, check=False)


def test_everything_read_before_the_end_is_answered_and_only_the_protocol_is_on_stdout() -> None:
    """B15, C01, C02, C03, C05, C07, C08: prints of tools and of imports included."""
    pings = [ping(number) for number in range(1, 50)]
    data = lines(INITIALIZE) + b"\r\n\n" + lines(*pings, call("t", "print_it")) + b'{"jsonrpc": "2.0", "id": 9'

    done = run(data)

    answers = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert {answer["id"] for answer in answers} >= {*range(50), "t"}
    assert done.returncode == 0
    assert b"printed before the protocol begins" in done.stderr
    assert b"printed by a tool" in done.stderr


def test_the_end_of_input_ends_the_process_although_a_call_is_running() -> None:
    """B15, C08: the call is answered, with an error."""
    done = run(lines(INITIALIZE, call("slow", "wait")))

    answers = {answer["id"]: answer for answer in map(orjson.loads, done.stdout.splitlines())}
    assert done.returncode == 0
    assert answers["slow"]["error"]["code"] == -32000


async def test_a_conversation_with_a_process_ends_with_its_input() -> None:
    """B15."""
    async with process(small_gateway_command(), stderr=subprocess.DEVNULL) as (wire, server):
        await wire.initialize()
        assert (await wire.call("echo", {"text": "hi"}))["content"][0]["text"] == '{"text":"hi"}'
        assert server.stdin is not None
        await server.stdin.aclose()

        await wire.until_ended()
        assert await server.wait() == 0


@pytest.mark.parametrize("kind", ["file", "nothing"])
def test_input_may_be_a_file_or_nothing_at_all(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "input"
    path.write_bytes(lines(INITIALIZE, ping(1)))
    output = tmp_path / "output"
    with (path if kind == "file" else Path(os.devnull)).open("rb") as stdin, output.open("wb") as stdout:
        done = subprocess.run(small_gateway_command(), stdin=stdin, stdout=stdout, timeout=30, check=False)

    assert done.returncode == 0
    assert len(output.read_bytes().splitlines()) == (2 if kind == "file" else 0)


def test_output_and_errors_may_share_a_pipe() -> None:
    """As with `2>&1`, where the pipe must stay as it was."""
    data = lines(INITIALIZE, *(ping(number) for number in range(1000)))

    done = subprocess.run(
        small_gateway_command(), input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False
    )

    assert done.returncode == 0
    assert len([line for line in done.stdout.splitlines() if line.startswith(b'{"jsonrpc"')]) == 1001


def test_a_client_that_goes_away_ends_the_process_quietly() -> None:
    """B15."""
    with subprocess.Popen(
        small_gateway_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stderr is not None
        server.stdin.write(lines(INITIALIZE))
        server.stdout.read(1)
        server.stdout.close()
        server.stdin.write(lines(ping(1)))

        assert server.wait(20) == 0
        assert b"Traceback" not in server.stderr.read()


def test_a_child_process_finds_neither_input_nor_output_of_the_protocol() -> None:
    """C02."""
    script = (
        "from mcp_gateway.stdout_guard import claim_stdout\nimport subprocess, sys\npipes = claim_stdout()\n"
        "assert claim_stdout() is pipes\n"
        "subprocess.run([sys.executable, '-c', 'import sys; print(\"child read\", repr(sys.stdin.read()))'])\n"
        "import os; os.write(pipes.output, os.read(pipes.input, 100))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], input=b"for us", capture_output=True, timeout=30, check=True)

    assert done.stdout == b"for us"
    assert b"child read ''" in done.stderr


async def test_a_large_answer_and_a_large_request_go_through() -> None:
    """C05: several megabytes."""
    async with over_pipes(SmallGateway()) as wire:
        await wire.initialize()
        big = await wire.call("echo", {"text": "x" * 3_000_000})

        assert len(big["content"][0]["text"]) == 3_000_000 + len('{"text":""}')


async def test_a_line_that_is_too_long_is_refused_and_the_session_lives() -> None:
    """A14b."""
    async with over_pipes(SmallGateway(Settings(mcp=McpSection(max_message_bytes=1024)))) as wire:
        await wire.initialize()
        await wire.send_bytes(b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * 100_000 + b'"}')

        assert (await wire.until(lambda m: "error" in m))["error"]["code"] == -32600
        assert await wire.result("ping") == {}


async def test_the_gateway_drains() -> None:
    """B16: it may end the session itself."""
    gateway = SmallGateway()
    async with over_pipes(gateway) as wire:
        await wire.initialize()
        waiting = await wire.post("tools/call", {"name": "wait"})
        with anyio.fail_after(20):
            while not gateway.running:
                await wire.result("ping")
        gateway.shutdown.begin()
        gateway.gate.set()

        assert "result" in await wire.answer_to(waiting)
        await wire.until_ended()


async def test_a_connection_may_speak_without_handshake_but_not_change_its_mind() -> None:
    """2026-07-28: every request carries its envelope."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": CLIENT_INFO,
    }
    async with over_pipes(SmallGateway()) as wire:
        discovered = await wire.result("server/discover", {"_meta": meta})
        listed = await wire.result("tools/list", {"_meta": meta})
        called = await wire.call("echo", {"text": "hi"}, **meta)
        logged = await wire.call("chatter", {}, **meta, **{"io.modelcontextprotocol/logLevel": "error"})
        missing = await wire.error("resources/read", {"uri": "example://nothing", "_meta": meta})
        handshake = await wire.error("initialize", INITIALIZE["params"])
        no_level = await wire.error("logging/setLevel", {"level": "info", "_meta": meta})

    assert discovered["supportedVersions"] == ["2026-07-28"]
    assert discovered["capabilities"]["resources"] == {"subscribe": True, "listChanged": True}
    assert (listed["resultType"], listed["cacheScope"]) == ("complete", "public")
    assert called["structuredContent"] == {"text": "hi"}
    assert called["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "media-gateway"
    assert "isError" not in logged
    assert len(wire.notifications("notifications/message")) == 4
    assert (missing["code"], handshake["code"], no_level["code"]) == (-32602, -32022, -32601)


async def test_a_stream_of_changes_may_be_listened_to() -> None:
    """2026-07-28: subscriptions/listen."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    gateway = SmallGateway()
    async with over_pipes(gateway) as wire:
        wanted = {"resourceSubscriptions": ["example://items/1"]}
        stream = await wire.post("subscriptions/listen", {"notifications": wanted, "_meta": meta})
        await wire.until(lambda m: m.get("method") == "notifications/subscriptions/acknowledged")
        gateway.resources.changed("example://items/2")
        gateway.resources.changed("example://items/1")
        updated = await wire.until(lambda m: m.get("method") == "notifications/resources/updated")
        await wire.notify("notifications/cancelled", {"requestId": stream})

    assert updated["params"]["uri"] == "example://items/1"
    assert updated["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == stream


async def test_a_handshake_connection_refuses_envelopes() -> None:
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    async with over_pipes(SmallGateway()) as wire:
        await wire.initialize()

        assert (await wire.error("tools/list", {"_meta": meta}))["code"] == -32600
