"""What is particular to stdio."""

from __future__ import annotations

import os
from typing import Any

import anyio
import orjson
import pytest

from mcp_gateway.tests.wire import Wire
from protocol_tests.conformance.peers import Peer
from protocol_tests.conformance.shapes import initialize_params, text_of
from protocol_tests.conformance.wires import StdioWire
from protocol_tests.gateways import environment
from protocol_tests.requirements import requirement

pytestmark = [pytest.mark.anyio, pytest.mark.over("stdio")]

PING = {"jsonrpc": "2.0", "method": "ping"}


def lines(*messages: dict[str, Any]) -> bytes:
    return b"".join(orjson.dumps(message) + b"\n" for message in messages)


@requirement("C01")
async def test_a_message_is_a_line(peer: Peer, wire: Wire) -> None:
    peer.needs("echo")
    assert isinstance(wire, StdioWire)
    before = len(wire.lines)
    result = await wire.call("echo", {"text": "one\ntwo\r\nthree\u2028four"})

    assert len(wire.lines) == before + 1
    assert "\ntwo\r\nthree\u2028four" in text_of(result) or r"\ntwo\r\nthree" in text_of(result)


@requirement("C02")
@pytest.mark.parametrize("tool", ["print_stdout", "run_child"])
async def test_what_tools_print_stays_out_of_the_protocol(peer: Peer, wire: Wire, tool: str) -> None:
    peer.needs(tool)
    assert isinstance(wire, StdioWire)
    await wire.call(tool)
    await wire.result("ping")

    assert wire.stray == []


@requirement("C02")
async def test_stdout_holds_nothing_but_messages_from_start_to_end(peer: Peer) -> None:
    async with peer.ready() as wire:
        assert isinstance(wire, StdioWire)
        await wire.result("tools/list")
        await wire.close_input()
        await wire.until_ended()

        assert wire.stray == []
        assert len(wire.lines) == len(wire.received) == 2


@requirement("C03")
async def test_what_is_logged_is_utf_8(peer: Peer, wire: Wire) -> None:
    assert isinstance(wire, StdioWire)
    await wire.error("tools/call", {"name": "ünknöwn 𝄞"})

    wire.log.decode("utf-8")


@requirement("C03")
async def test_a_log_that_nobody_reads_stops_nothing(peer: Peer) -> None:
    peer.needs("print_stdout")
    reader, writer = os.pipe()
    try:
        command = peer.server.stdio_command()
        async with await anyio.open_process(command, stderr=writer, env=environment()) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            print_it = {"name": "print_stdout", "arguments": {}}
            calls = [{**PING, "id": n, "method": "tools/call", "params": print_it} for n in range(3000)]
            hello = {**PING, "id": "i", "method": "initialize", "params": initialize_params()}
            received = b""
            with anyio.fail_after(60):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(process.stdin.send, lines(hello, *calls))
                    while received.count(b"\n") < 3001:
                        received += await process.stdout.receive()
            await process.stdin.aclose()
            process.kill()
    finally:
        os.close(writer)
        os.close(reader)


@requirement("C04")
async def test_text_of_every_script_comes_back_unchanged(peer: Peer, wire: Wire) -> None:
    peer.needs("echo")
    text = "Ärger 日本語 𝄞 e\u0301 \u202eabc 👩‍👩‍👧"

    assert text in text_of(await wire.call("echo", {"text": text}))


@requirement("C05")
async def test_line_ends_blank_lines_and_pieces_are_taken(wire: Wire) -> None:
    assert isinstance(wire, StdioWire)
    first = orjson.dumps({**PING, "id": "a"})
    await wire.stdin.send(b"\r\n\n  \n" + first[:10])
    await wire.stdin.send(first[10:] + b"\r\n" + lines({**PING, "id": "b"}, {**PING, "id": "c"}))

    for name in ("a", "b", "c"):
        assert "result" in await wire.answer_to(name)
    assert len(wire.received) == 3


@requirement("C05")
async def test_a_message_of_several_megabytes_is_taken(peer: Peer, wire: Wire) -> None:
    peer.needs("echo")
    text = "x" * 3_000_000

    assert text in text_of(await wire.call("echo", {"text": text}))


@requirement("C06")
async def test_bytes_that_are_not_utf_8_are_a_parse_error(wire: Wire) -> None:
    await wire.send_bytes(b'{"jsonrpc":"2.0","id":1,"method":"\xff\xfe"}')

    assert (await wire.until(lambda m: "error" in m))["error"]["code"] == -32700
    assert await wire.result("ping") == {}


@requirement("C07")
async def test_half_a_message_before_the_end_does_no_harm(peer: Peer) -> None:
    async with peer.ready() as wire:
        assert isinstance(wire, StdioWire)
        await wire.stdin.send(lines({**PING, "id": "last"}) + b'{"jsonrpc":"2.0","id":2,"meth')

        assert await wire.close_input() == 0
        await wire.until_ended()
        assert "result" in await wire.answer_to("last")


@requirement("C08")
async def test_all_that_was_sent_before_the_end_is_answered(peer: Peer) -> None:
    async with peer.open() as wire:
        assert isinstance(wire, StdioWire)
        hello = {**PING, "id": "i", "method": "initialize", "params": initialize_params()}
        await wire.stdin.send(lines(hello, *({**PING, "id": number} for number in range(50))))
        await wire.close_input()
        await wire.until_ended()

        assert {m["id"] for m in wire.received if "result" in m} == {"i", *range(50)}
