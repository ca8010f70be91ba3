"""JSON-RPC, lifecycle, cancellation and progress, over stdio and over SSE. Ids name lines of the requirements."""

from typing import Any

import anyio
import orjson
import pytest

from mcp_gateway.tests.conftest import Talk
from mcp_gateway.tests.wire import CLIENT_INFO, Wire

pytestmark = pytest.mark.anyio

PING = {"jsonrpc": "2.0", "id": "p", "method": "ping"}
INITIALIZE = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": CLIENT_INFO}


async def barrier(wire: Wire) -> None:
    """Everything sent before has been dealt with, and the session still answers."""
    assert await wire.result("ping") == {}


@pytest.mark.parametrize("request_id", [0, -5, 2**53 - 1, "", "7", "ä\u0000é", "x" * 1000])
async def test_an_answer_has_the_id_of_its_request(wire: Wire, request_id: Any) -> None:
    """A01, A06, A07, A10."""
    await wire.send({"jsonrpc": "2.0", "id": request_id, "method": "ping"})

    assert await wire.answer_to(request_id) == {"jsonrpc": "2.0", "id": request_id, "result": {}}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"jsonrpc":', -32700),
        (b"\xff\xfe", -32700),
        (b"NaN", -32700),
        (b"[" * 100_000, -32700),
        (b"1", -32600),
        (b"[]", -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"settle"}}', -32600),
    ],
)
async def test_what_is_malformed_is_answered_and_the_session_lives(wire: Wire, data: bytes, code: int) -> None:
    """A14, A14b, A15, C06, D10."""
    await wire.send_bytes(data)

    answer = await wire.until(lambda m: "error" in m)
    assert answer["id"] is None
    assert answer["error"]["code"] == code
    await barrier(wire)


@pytest.mark.parametrize("request_id", [None, True, 1.5, [1], {"a": 1}])
async def test_a_request_with_an_invalid_id_is_not_executed(talk: Talk, wire: Wire, request_id: Any) -> None:
    """A16."""
    talk.gateway.settled.clear()
    params = {"name": "settle", "arguments": {"id": "1", "outcome": "x"}}
    await wire.send({"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params})

    assert (await wire.until(lambda m: "error" in m))["error"]["code"] == -32600
    await barrier(wire)
    assert talk.gateway.settled == []


@pytest.mark.parametrize("method", ["no/such", "tools/listx", "", "notifications/initialized", "server/discover"])
async def test_an_unknown_method_is_refused(wire: Wire, method: str) -> None:
    """A17, B08."""
    assert (await wire.error(method, {}))["code"] == -32601


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/list", []),
        ("tools/call", {}),
        ("tools/call", {"name": 5}),
        ("tools/call", {"name": "echo", "arguments": []}),
        ("resources/read", {"uri": 5}),
        ("resources/read", {}),
        ("prompts/get", {}),
        ("prompts/get", {"name": "greet", "arguments": {"name": 5}}),
    ],
)
async def test_params_of_the_wrong_shape_are_refused(wire: Wire, method: str, params: Any) -> None:
    """A18, A11, H06, J07."""
    error = await wire.error(method, params)

    assert error["code"] == -32602
    assert "\n" not in error["message"]


async def test_notifications_are_never_answered(wire: Wire) -> None:
    """A13, A24: known, unknown, malformed, or a response that nobody asked for."""
    before = len(wire.received)
    for message in (
        {"jsonrpc": "2.0", "method": "notifications/nope"},
        {"jsonrpc": "2.0", "method": "tools/list"},
        {"jsonrpc": "2.0", "method": "tools/list", "params": []},
        {"jsonrpc": "2.0", "method": "notifications/cancelled"},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": [1]}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99}},
        {"jsonrpc": "2.0", "id": 77, "result": {}},
        {"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": ""}},
    ):
        await wire.send(message)

    await barrier(wire)
    assert len(wire.received) == before + 1


async def test_a_batch_is_answered_with_one_array(wire: Wire) -> None:
    """A20."""
    note = {"jsonrpc": "2.0", "method": "notifications/x"}
    await wire.send([PING, note, {**PING, "id": "q"}, 1])
    await wire.send([note, note])
    await barrier(wire)

    (batch,) = [message for message in wire.received if isinstance(message, list)]
    assert sorted(str(answer["id"]) for answer in batch) == ["None", "p", "q"]


async def test_initialize_in_a_batch_is_refused_and_a_later_one_works(talk: Talk) -> None:
    """A21."""
    async with talk.open() as wire:
        await wire.send([{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}, PING])
        await wire.until_received(1)

        codes = {answer["id"]: answer.get("error", {}).get("code") for answer in wire.received[0]}
        assert codes == {1: -32600, "p": None}
        assert (await wire.initialize())["protocolVersion"] == "2024-11-05"


async def test_unknown_members_are_ignored(wire: Wire) -> None:
    """A22, A23."""
    params = {"x": 1, "_meta": {"y": 2}}
    await wire.send({"jsonrpc": "2.0", "id": 50, "method": "tools/list", "params": params, "z": 3})

    assert "tools" in (await wire.answer_to(50))["result"]


async def test_a_slow_call_holds_up_nobody_and_a_second_with_its_id_is_refused(talk: Talk, wire: Wire) -> None:
    """A25, A27, F01."""
    slow = {"jsonrpc": "2.0", "id": 500, "method": "tools/call", "params": {"name": "wait"}}
    await wire.send(slow)
    await wire.send(slow)

    assert (await wire.answer_to(500))["error"]["code"] == -32600
    await barrier(wire)
    talk.gateway.gate.set()
    await wire.until(lambda m: m.get("id") == 500 and "result" in m)


async def test_only_ping_is_served_before_initialize(talk: Talk) -> None:
    """B01, B06."""
    async with talk.open() as wire:
        assert (await wire.error("tools/list"))["code"] == -32600
        assert await wire.result("ping") == {}
        assert (await wire.initialize())["protocolVersion"] == "2024-11-05"
        assert "tools" in await wire.result("tools/list")


async def test_the_handshake_says_who_and_what_and_nothing_follows_unasked(talk: Talk) -> None:
    """B02, B05, B11, B12, H01, I01, J01, K01, L08."""
    async with talk.open() as wire:
        result = await wire.result("initialize", INITIALIZE)
        await barrier(wire)

        assert result["serverInfo"].keys() == {"name", "version"}
        assert result["capabilities"].keys() == {"tools", "resources", "prompts", "logging"}
        assert isinstance(result["instructions"], str)
        assert len(wire.received) == 2


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_a_version_that_is_served_is_agreed_on(talk: Talk, version: str) -> None:
    """B03."""
    async with talk.open() as wire:
        result = await wire.initialize(version)

    assert result["protocolVersion"] == version
    assert ("completions" in result["capabilities"]) == (version > "2024-11-05")
    assert ("title" in result["serverInfo"]) == (version >= "2025-06-18")


@pytest.mark.parametrize("version", ["1999-01-01", "2099-01-01", "", "x"])
async def test_for_any_other_version_one_that_is_served_is_offered(talk: Talk, version: str) -> None:
    """B04."""
    async with talk.open() as wire:
        assert (await wire.initialize(version))["protocolVersion"] == "2025-11-25"


@pytest.mark.parametrize(
    "params",
    [
        None,
        {},
        {**INITIALIZE, "protocolVersion": 5},
        {**INITIALIZE, "capabilities": []},
        {**INITIALIZE, "clientInfo": {}},
    ],
)
async def test_a_malformed_initialize_is_refused_and_a_correct_one_works(talk: Talk, params: Any) -> None:
    """B09, B10."""
    async with talk.open() as wire:
        assert (await wire.error("initialize", params))["code"] == -32602
        await wire.result("initialize", {**INITIALIZE, "capabilities": {"experimental": {"x": {}}, "new": {}}})


async def test_a_second_initialize_is_refused_and_changes_nothing(wire: Wire) -> None:
    """B14."""
    assert (await wire.error("initialize", {**INITIALIZE, "protocolVersion": "2025-11-25"}))["code"] == -32600
    assert "title" not in (await wire.result("tools/list"))["tools"][0]


async def test_a_cancelled_call_is_stopped_and_never_answered(talk: Talk, wire: Wire) -> None:
    """E02, E03, E04, E05, E07: also cancelled twice, and in vain before and after."""
    request_id = await wire.post("tools/call", {"name": "wait"})
    await wire.notify("notifications/cancelled", {"requestId": str(request_id), "reason": "another type"})
    await barrier(wire)
    assert talk.gateway.running == 1

    for _ in range(2):
        await wire.notify("notifications/cancelled", {"requestId": request_id, "reason": "enough"})
    with anyio.fail_after(5):
        while talk.gateway.running:
            await barrier(wire)
    talk.gateway.gate.set()
    await barrier(wire)
    assert not [m for m in wire.received if m.get("id") == request_id]


async def test_initialize_cannot_be_cancelled(talk: Talk) -> None:
    """E10: both in one write, where the transport allows it."""
    async with talk.open() as wire:
        request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        if hasattr(wire, "endpoint"):
            await wire.send(request)
            await wire.send(cancel)
        else:
            await wire.send_bytes(orjson.dumps(request) + b"\n" + orjson.dumps(cancel))

        assert "result" in await wire.answer_to(1)


@pytest.mark.parametrize("token", [0, 7, "7", ""])
async def test_progress_grows_is_not_a_flood_and_ends_before_the_answer(wire: Wire, token: Any) -> None:
    """G01, G03, G04, G05, G06, B08: 2024-11-05 knows no message in it."""
    await wire.call("count_up", progressToken=token)

    reports = [m["params"] for m in wire.notifications("notifications/progress")]
    values = [report["progress"] for report in reports]
    assert values == sorted(set(values))
    assert values[-1] == 9999
    assert len(values) < 1000
    assert all(report["progressToken"] == token and type(report["progressToken"]) is type(token) for report in reports)
    assert "message" not in reports[0]
    assert "result" in wire.received[-1]


@pytest.mark.parametrize("meta", [{}, {"progressToken": True}, {"progressToken": 1.5}, {"progressToken": {}}])
async def test_there_is_no_progress_without_a_proper_token(wire: Wire, meta: dict[str, Any]) -> None:
    """G02, G08."""
    await wire.call("count_up", **meta)

    assert wire.notifications("notifications/progress") == []
