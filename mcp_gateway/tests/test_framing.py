"""Bytes to messages. The ids name lines of the requirements for MCP 2024-11-05."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.protocol.messages import Notification, Refusal, Request, Response
from mcp_gateway.transports.framing import MAX_BATCH, Lines, parse


@pytest.mark.parametrize(
    "data",
    [
        b'{"jsonrpc":',
        b"",
        b"\xff\xfe",
        b"NaN",
        b'{"jsonrpc":"2.0","id":Infinity,"method":"ping"}',
        b"{} {}",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"p\xc3"}',
    ],
)
def test_what_is_not_json_is_a_parse_error_without_id(data: bytes) -> None:
    """A14, A14b, C06."""
    refusal = parse(data)

    assert isinstance(refusal, Refusal)
    assert (refusal.id, refusal.code) == (None, -32700)


@pytest.mark.parametrize(
    ("value", "request_id"),
    [
        (1, None),
        ("x", None),
        (None, None),
        ({}, None),
        ({"jsonrpc": "2.0", "id": 1}, 1),
        ({"jsonrpc": "2.0", "id": "a", "method": 5}, "a"),
        ({"id": 2, "method": "ping"}, 2),
        ({"jsonrpc": "1.0", "id": 3, "method": "ping"}, 3),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, None),
        ({"jsonrpc": "2.0", "id": True, "method": "ping"}, None),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, None),
        ({"jsonrpc": "2.0", "id": 1.0, "method": "ping"}, None),
        ({"jsonrpc": "2.0", "id": [1], "method": "ping"}, None),
        ({"jsonrpc": "2.0", "id": {}, "method": "ping"}, None),
    ],
)
def test_json_that_is_no_request_is_refused_with_its_id_where_it_can_be_read(value: Any, request_id: Any) -> None:
    """A15, A16."""
    refusal = parse(orjson.dumps(value))

    assert isinstance(refusal, Refusal)
    assert (refusal.id, refusal.code) == (request_id, -32600)


@pytest.mark.parametrize("params", [[], "x", 5, True])
def test_params_that_are_no_object_are_refused_for_a_request_and_passed_over_for_a_notification(params: Any) -> None:
    """A13, A18."""
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params}

    assert parse(orjson.dumps(request)) == Refusal(1, -32602, "Invalid params: not an object")
    del request["id"]
    assert parse(orjson.dumps(request)) is None


@pytest.mark.parametrize("request_id", [0, -5, 2**53 - 1, "", "7", "ä\u0000é", "x" * 1000])
def test_ids_are_taken_as_they_are(request_id: Any) -> None:
    """A06."""
    message = parse(orjson.dumps({"jsonrpc": "2.0", "id": request_id, "method": "ping", "more": 1}))

    assert message == Request(request_id, "ping", None)


def test_a_batch_is_taken_apart() -> None:
    """A20."""
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    note = {"jsonrpc": "2.0", "method": "notifications/x"}
    answer = {"jsonrpc": "2.0", "id": 5, "result": {}}

    parsed = parse(orjson.dumps([ping, note, answer, 1]))

    assert isinstance(parsed, list)
    assert parsed[:3] == [Request(1, "ping", None), Notification("notifications/x", None), Response(5, {}, None)]
    assert isinstance(parsed[3], Refusal)


@pytest.mark.parametrize("batch", [[], [1] * (MAX_BATCH + 1)])
def test_an_empty_batch_and_a_huge_one_are_refused_as_a_whole(batch: list[int]) -> None:
    """A20."""
    refusal = parse(orjson.dumps(batch))

    assert isinstance(refusal, Refusal)
    assert (refusal.id, refusal.code) == (None, -32600)


def test_initialize_in_a_batch_is_refused() -> None:
    """A21."""
    parsed = parse(orjson.dumps([{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}]))

    assert isinstance(parsed, list)
    assert isinstance(parsed[0], Refusal)
    assert (parsed[0].id, parsed[0].code) == (1, -32600)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_nothing_makes_it_raise(data: bytes) -> None:
    parse(data)


@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=8), st.integers(1, 17))
def test_lines_do_not_depend_on_how_the_bytes_arrive(lines: list[bytes], size: int) -> None:
    """C05: in pieces, or several in one write; blank lines count for nothing."""
    data = b"\n".join(lines) + b"\n"
    cutter = Lines(100)

    found = [line for at in range(0, len(data), size) for line in cutter.feed(data[at : at + size])]

    assert found == [line for line in lines if line.strip()]
    assert cutter.end() == b""


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_line_that_is_too_long_is_refused_once_and_the_next_is_read(size: int) -> None:
    """A14b, C05: memory is bounded by the limit."""
    data = b"x" * 500 + b"\nnext\n" + b"y" * 20 + b"\n"
    cutter = Lines(20)

    found = [line for at in range(0, len(data), size) for line in cutter.feed(data[at : at + size])]

    assert isinstance(found[0], Refusal)
    assert found[1:] == [b"next", b"y" * 20]


def test_half_a_line_at_the_end_is_given_out_apart() -> None:
    """C07."""
    cutter = Lines(100)

    assert list(cutter.feed(b'one\r\n{"half')) == [b"one\r"]
    assert cutter.end() == b'{"half'
