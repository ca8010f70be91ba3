"""JSON-RPC 2.0 as MCP has it."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from mcp_gateway.tests.wire import Wire
from protocol_tests.conformance.peers import Peer
from protocol_tests.conformance.shapes import envelope_faults, initialize_params, messages_of
from protocol_tests.requirements import requirement

pytestmark = pytest.mark.anyio

PING = {"jsonrpc": "2.0", "id": "p", "method": "ping"}
REMEMBER = {"name": "remember_note", "arguments": {"text": "run"}}


async def barrier(wire: Wire) -> None:
    """What was sent before has been taken, and the session still answers."""
    assert await wire.result("ping") == {}


async def error_to(wire: Wire, data: bytes) -> dict[str, Any]:
    """The error that answers what has no readable id; then the session must still answer."""
    await wire.send_bytes(data)
    answer = await wire.until(lambda m: "error" in m)
    assert answer["id"] is None
    await barrier(wire)
    return dict(answer["error"])


@requirement("A01", "A02", "A07", "A08", "A09", "A10", "A11", "A12")
async def test_every_message_of_a_long_conversation_is_well_formed(peer: Peer, asking: Wire) -> None:
    for method in ("ping", "tools/list", "resources/list", "resources/templates/list", "prompts/list"):
        await asking.request(method)
    for name, arguments in (
        ("log_levels", {}),
        ("test_error_handling", {}),
        ("work", {"steps": 2}),
        ("echo", {"text": "x"}),
        ("echo", {"wrong": 1}),
        ("nothing", {}),
    ):
        await asking.request("tools/call", {"name": name, "arguments": arguments, "_meta": {"progressToken": name}})
    for uri in ("test://static-text", "test://static-binary", "test://nothing", "test://leak"):
        await asking.request("resources/read", {"uri": uri})
    for name in ("test_simple_prompt", "nothing", "test_leaking_prompt"):
        await asking.request("prompts/get", {"name": name})
    await asking.request("completion/complete", {})
    await asking.request("no/such")

    faults = [(fault, message) for message in messages_of(asking.received) for fault in envelope_faults(message)]
    assert faults == []
    assert not [m for m in messages_of(asking.received) if str(m.get("method")).startswith("notif") and "id" in m]


@requirement("A03", "A04", "A05", "G07")
async def test_requests_of_the_server_have_ids_of_their_own(peer: Peer, asking: Wire) -> None:
    peer.needs("test_sampling")
    calls = [
        await asking.post("tools/call", {"name": "test_sampling", "arguments": {"prompt": str(number)}})
        for number in range(3)
    ]
    ids: list[Any] = []
    for _ in calls:
        question = await asking.until(lambda m: m.get("method") == "sampling/createMessage" and m["id"] not in ids)
        ids.append(question["id"])
        token = question["params"].get("_meta", {}).get("progressToken", "none")
        assert isinstance(token, str | int)
    for request_id in ids:
        content = {"type": "text", "text": "fine"}
        result = {"role": "assistant", "content": content, "model": "m", "stopReason": "endTurn"}
        await asking.send({"jsonrpc": "2.0", "id": request_id, "result": result})
    for call in calls:
        await asking.answer_to(call)

    assert all(isinstance(name, str | int) and not isinstance(name, bool) for name in ids)
    assert len(set(ids)) == len(ids)


@requirement("A06")
@pytest.mark.parametrize("request_id", [0, -5, 2**53 - 1, "", "7", "ä\u0000é", "x" * 1000], ids=ascii)
async def test_an_answer_has_the_id_of_its_request(wire: Wire, request_id: Any) -> None:
    await wire.send({"jsonrpc": "2.0", "id": request_id, "method": "ping"})

    assert await wire.answer_to(request_id) == {"jsonrpc": "2.0", "id": request_id, "result": {}}


@requirement("A13", "A24", "E05", "E09")
@pytest.mark.parametrize(
    "message",
    [
        {"method": "notifications/nope"},
        {"method": "tools/list"},
        {"method": "tools/list", "params": []},
        {"method": "notifications/initialized", "params": "x"},
        {"method": "notifications/cancelled"},
        {"method": "notifications/cancelled", "params": {}},
        {"method": "notifications/cancelled", "params": {"requestId": [1]}},
        {"method": "notifications/cancelled", "params": {"requestId": None}},
        {"method": "notifications/cancelled", "params": {"requestId": 99_999}},
        {"method": "notifications/progress", "params": {"progressToken": "unknown", "progress": 1}},
        {"id": 99_999, "result": {}},
        {"id": "nobody asked", "error": {"code": 1, "message": ""}},
        {"id": None, "error": {"code": 1, "message": ""}},
    ],
    ids=str,
)
async def test_what_wants_no_answer_gets_none(wire: Wire, message: dict[str, Any]) -> None:
    await wire.send({"jsonrpc": "2.0", **message})
    ping = await wire.post("ping")
    await wire.answer_to(ping)

    assert [m for m in messages_of(wire.received) if m.get("id") != ping] == []


@requirement("A14")
@pytest.mark.parametrize("data", [b'{"jsonrpc":', b"ping", b'{"jsonrpc":"2.0","id":1,"method":"ping"', b"\\"])
async def test_what_is_not_json_is_a_parse_error(wire: Wire, data: bytes) -> None:
    assert (await error_to(wire, data))["code"] == -32700


@requirement("A14b", "C06")
@pytest.mark.parametrize(
    "data",
    [
        b"NaN",
        b"Infinity",
        b'{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":2,"method":"ping"}',
        b"[" * 100_000,
        b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}',
        b'{"jsonrpc":"2.0","id":"\xff\xfe","method":"ping"}',
    ],
    ids=["nan", "infinity", "two messages", "brackets", "lone surrogate", "not utf-8"],
)
async def test_what_nearly_is_json_is_refused(wire: Wire, data: bytes) -> None:
    assert (await error_to(wire, data))["code"] in {-32700, -32600}


@requirement("A15")
@pytest.mark.parametrize(
    "data",
    [b"1", b'"x"', b"null", b"{}", b'{"jsonrpc":"2.0"}', b'{"jsonrpc":"2.0","method":5}'],
    ids=["number", "text", "null", "empty", "no method", "method not text"],
)
async def test_json_that_is_no_request_is_refused(wire: Wire, data: bytes) -> None:
    assert (await error_to(wire, data))["code"] == -32600


@requirement("A15")
@pytest.mark.parametrize(
    "message",
    [{"jsonrpc": "2.0"}, {"jsonrpc": "2.0", "method": 5}, {"method": "ping"}, {"jsonrpc": "1.0", "method": "ping"}],
    ids=str,
)
async def test_a_request_that_is_none_is_refused_by_its_id(wire: Wire, message: dict[str, Any]) -> None:
    await wire.send({**message, "id": "bad"})

    assert (await wire.answer_to("bad"))["error"]["code"] == -32600
    await barrier(wire)


@requirement("A16")
@pytest.mark.parametrize("request_id", [None, True, 1.5, [1], {"a": 1}], ids=str)
async def test_a_request_with_an_id_of_another_kind_is_refused_and_not_run(
    peer: Peer, wire: Wire, request_id: Any
) -> None:
    peer.needs("remember_note", "recall_notes")
    await wire.call("recall_notes")
    await wire.send({"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": REMEMBER})

    assert (await wire.until(lambda m: "error" in m))["error"]["code"] == -32600
    await barrier(wire)
    assert '"notes":[]' in (await wire.call("recall_notes"))["content"][0]["text"]


@requirement("A17")
@pytest.mark.parametrize("method", ["no/such", "tools/listx", "", "rpc.discover", "notifications/initialized"])
async def test_an_unknown_method_is_refused(wire: Wire, method: str) -> None:
    assert (await wire.error(method, {}))["code"] == -32601


@requirement("A18")
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/list", []),
        ("ping", "x"),
        ("tools/call", {}),
        ("tools/call", {"name": 5}),
        ("tools/call", {"name": "echo", "arguments": "x"}),
        ("resources/read", {"uri": 5}),
        ("resources/read", {}),
        ("prompts/get", {}),
        ("prompts/get", {"name": "test_simple_prompt", "arguments": []}),
        ("logging/setLevel", {}),
    ],
    ids=str,
)
async def test_params_of_the_wrong_shape_are_refused(peer: Peer, wire: Wire, method: str, params: Any) -> None:
    if method != "ping":
        peer.declares(method.partition("/")[0])

    assert (await wire.error(method, params))["code"] == -32602


@requirement("A19", "I10", "J08", "K08", "H10")
@pytest.mark.parametrize(
    ("method", "params"),
    [("resources/read", {"uri": "test://leak"}), ("prompts/get", {"name": "test_leaking_prompt"})],
    ids=["resource", "prompt"],
)
async def test_an_internal_failure_tells_nothing(peer: Peer, wire: Wire, method: str, params: Any) -> None:
    peer.needs(resources=["test://leak"], prompts=["test_leaking_prompt"])

    assert (await wire.error(method, params))["code"] == -32603
    assert "hunter2" not in str(wire.received)
    assert "/srv" not in str(wire.received)


@requirement("A20")
async def test_a_batch_is_answered_with_one_array(wire: Wire) -> None:
    note = {"jsonrpc": "2.0", "method": "notifications/x"}
    await wire.send([PING, note, {**PING, "id": "q"}])
    await wire.until_received(1)
    (batch,) = wire.received
    await wire.send([1])
    await wire.until_received(2)
    await wire.send([note, note])
    await barrier(wire)

    assert {answer["id"]: answer.get("result") for answer in batch} == {"p": {}, "q": {}}
    assert [(answer["id"], answer["error"]["code"]) for answer in wire.received[1]] == [(None, -32600)]
    assert len(wire.received) == 3


@requirement("A20")
async def test_an_empty_batch_is_refused(wire: Wire) -> None:
    assert (await error_to(wire, b"[]"))["code"] == -32600


@requirement("A21")
async def test_initialize_in_a_batch_is_refused_and_a_later_one_works(peer: Peer) -> None:
    async with peer.open() as wire:
        await wire.send([{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize_params()}, PING])
        await wire.until_received(1)
        answers = messages_of(wire.received)

        assert [a["error"]["code"] for a in answers if a["id"] in {1, None}] == [-32600]
        assert (await wire.initialize(peer.version))["protocolVersion"] == peer.version


@requirement("A22")
async def test_unknown_members_are_ignored(wire: Wire) -> None:
    params = {"x": 1, "_meta": {"y": 2, "z": {"a": []}}}
    await wire.send({"jsonrpc": "2.0", "id": "more", "method": "ping", "params": params, "trace": 3})

    assert (await wire.answer_to("more"))["result"] == {}
    assert "tools" in await wire.result("tools/list", params)


@requirement("A23")
@pytest.mark.parametrize("method", ["ping", "tools/list", "resources/list", "resources/templates/list", "prompts/list"])
async def test_params_may_be_absent(peer: Peer, wire: Wire, method: str) -> None:
    if method != "ping":
        peer.declares(method.partition("/")[0])

    assert "result" in await wire.request(method)


@requirement("A25")
async def test_two_requests_with_one_id_do_no_harm(peer: Peer, wire: Wire) -> None:
    peer.needs("slow")
    slow = {"jsonrpc": "2.0", "id": "twice", "method": "tools/call"}
    slow["params"] = {"name": "slow", "arguments": {"seconds": 0.3}}  # type: ignore[assignment]
    await wire.send(slow)
    await wire.send(slow)

    with anyio.fail_after(wire.wait_seconds):
        while len([m for m in messages_of(wire.received) if m.get("id") == "twice"]) < 2:
            await barrier(wire)
    answers = [m for m in messages_of(wire.received) if m.get("id") == "twice"]
    assert all("result" in m or m["error"]["code"] == -32600 for m in answers)
    assert any("result" in m for m in answers)


@requirement("A27", "F01")
async def test_a_slow_call_holds_up_nobody(peer: Peer, wire: Wire) -> None:
    peer.needs("slow")
    slow = await wire.post("tools/call", {"name": "slow", "arguments": {"seconds": 30}})
    for _ in range(20):
        await barrier(wire)

    assert not [m for m in wire.received if m.get("id") == slow]
    await wire.notify("notifications/cancelled", {"requestId": slow})
