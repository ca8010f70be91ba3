"""The handshake, what may come before and after it, and the end of a session."""

from __future__ import annotations

import signal
from typing import Any

import anyio
import pytest

from mcp_gateway.tests.wire import SseWire, Wire
from protocol_tests.conformance.peers import EVERYTHING, Peer
from protocol_tests.conformance.shapes import content_faults, initialize_params, text_of
from protocol_tests.conformance.wires import StdioWire
from protocol_tests.requirements import requirement

pytestmark = pytest.mark.anyio

FEATURES = {
    "tools": ("tools/list", {}),
    "resources": ("resources/list", {}),
    "prompts": ("prompts/list", {}),
    "logging": ("logging/setLevel", {"level": "info"}),
}
REVISIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
# What each revision added to lists, so that an older client is not sent it.
LATER_MEMBERS = {"title", "annotations", "outputSchema", "icons", "_meta", "execution"}


@requirement("B01", "B06", "B13", "A02")
async def test_before_the_handshake_only_ping_is_served(peer: Peer) -> None:
    async with peer.open() as wire:
        first = await wire.result("ping")
        refused = await wire.request("tools/list")
        await wire.result("initialize", initialize_params(peer.version))
        second = await wire.result("ping")
        between = await wire.request("tools/list")
        await wire.notify("notifications/initialized")
        served = await wire.result("tools/list")

    assert first == second == {}
    assert refused["error"]["code"] == -32600
    assert "result" in between or "error" in between
    assert "tools" in served


@requirement("B02", "B05", "B12", "H01", "I01", "J01", "K01")
async def test_the_handshake_says_who_and_what_and_nothing_follows_unasked(peer: Peer) -> None:
    async with peer.open() as wire:
        result = await wire.result("initialize", initialize_params(peer.version))
        await wire.result("ping")
        unasked = [m for m in wire.received if "method" in m and m["method"] not in {"ping", "notifications/message"}]

    assert isinstance(result["protocolVersion"], str)
    assert {"tools", "resources", "prompts", "logging"} >= set(peer.offer.capabilities) - {"completions"}
    assert isinstance(result["serverInfo"]["name"], str)
    assert isinstance(result["serverInfo"]["version"], str)
    assert isinstance(result.get("instructions", ""), str)
    assert all(isinstance(value, dict) for value in result["capabilities"].values())
    assert unasked == []


@requirement("B03", "P03")
@pytest.mark.parametrize("version", REVISIONS)
async def test_a_version_that_is_served_is_agreed_on(peer: Peer, version: str) -> None:
    async with peer.open() as wire:
        result = await wire.initialize(version)

        assert await wire.result("ping") == {}
    if version == "2024-11-05" or peer.server.own:
        assert result["protocolVersion"] == version


@requirement("B04")
@pytest.mark.parametrize("version", ["1999-01-01", "2099-01-01", "", "x"])
async def test_instead_of_any_other_version_one_that_is_served_is_offered(peer: Peer, version: str) -> None:
    async with peer.open() as wire:
        answer = await wire.request("initialize", initialize_params(version))

    offered = answer.get("result", {}).get("protocolVersion") or answer["error"]["data"]["supported"][0]
    assert offered in REVISIONS
    if peer.server.own:
        assert offered == REVISIONS[-1]


@requirement("B07", "N01", "O01")
@pytest.mark.parametrize(("tool", "arguments"), [("test_sampling", {"prompt": "x"}), ("roots", {})])
async def test_a_client_is_only_asked_for_what_it_declared(
    peer: Peer, wire: Wire, tool: str, arguments: dict[str, Any]
) -> None:
    peer.needs(tool)
    answer = await wire.request("tools/call", {"name": tool, "arguments": arguments})

    assert "error" in answer or answer["result"]["isError"] is True
    assert not [m for m in wire.received if "method" in m and "id" in m]


@requirement("B08")
async def test_lists_hold_only_what_the_revision_knows(peer: Peer, wire: Wire) -> None:
    allowed = {"annotations"} if peer.version == "2025-03-26" else set()
    for method, member in (
        ("tools/list", "tools"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
        ("prompts/list", "prompts"),
    ):
        for item in (await wire.result(method))[member]:
            assert not item.keys() & (LATER_MEMBERS - allowed), (method, item)


@requirement("B08")
async def test_kinds_of_content_that_the_revision_does_not_know_are_not_sent(peer: Peer, wire: Wire) -> None:
    peer.needs("test_audio_content")
    result = await wire.call("test_audio_content")

    assert [content_faults(block, peer.version) for block in result["content"]] == [[]]
    assert "structuredContent" not in result


@requirement("B09")
@pytest.mark.parametrize("without", ["protocolVersion", "capabilities", "clientInfo"])
async def test_initialize_without_what_it_needs_is_refused_and_a_correct_one_works(peer: Peer, without: str) -> None:
    params = initialize_params(peer.version)
    async with peer.open() as wire:
        error = await wire.error("initialize", {name: value for name, value in params.items() if name != without})

        assert error["code"] == -32602
        assert (await wire.initialize(peer.version))["protocolVersion"] == peer.version


@requirement("B09", "A18")
async def test_initialize_with_params_of_wrong_types_is_refused(peer: Peer) -> None:
    wrong: tuple[dict[str, Any], ...] = (
        {"protocolVersion": 5},
        {"capabilities": []},
        {"clientInfo": {}},
        {"clientInfo": "x"},
    )
    async with peer.open() as wire:
        codes = [(await wire.error("initialize", initialize_params(**params)))["code"] for params in wrong]
        absent = await wire.error("initialize")

        assert [*codes, absent["code"]] == [-32602] * 5
        assert (await wire.initialize(peer.version))["protocolVersion"] == peer.version


@requirement("B10")
async def test_unknown_capabilities_of_the_client_are_accepted(peer: Peer) -> None:
    info = {"name": "wire", "version": "1", "title": "Wire", "vendor": {"x": 1}}
    capabilities = {"experimental": {"x": {"y": 1}}, "telepathy": {}, "sampling": {}}
    async with peer.open() as wire:
        params = initialize_params(peer.version, capabilities=capabilities, clientInfo=info)

        assert (await wire.result("initialize", params))["protocolVersion"] == peer.version


@requirement("B11", "H01", "I01", "J01", "K01")
@pytest.mark.parametrize("feature", FEATURES)
async def test_what_is_declared_is_served_and_nothing_else(peer: Peer, wire: Wire, feature: str) -> None:
    method, params = FEATURES[feature]
    answer = await wire.request(method, params)

    if feature in peer.offer.capabilities:
        assert "result" in answer
    else:
        assert answer["error"]["code"] == -32601


@requirement("B14")
async def test_a_second_initialize_is_refused_and_changes_nothing(peer: Peer) -> None:
    async with peer.ready() as wire:
        error = await wire.error("initialize", initialize_params("2025-11-25"))
        tools = (await wire.result("tools/list"))["tools"]

    assert error["code"] == -32600
    assert not [tool for tool in tools if "title" in tool]


@requirement("B15", "B19")
@pytest.mark.over("stdio")
@pytest.mark.parametrize("state", ["new", "ready", "busy"])
async def test_the_end_of_input_ends_the_server(peer: Peer, state: str) -> None:
    """In practice within 2 s; the bound here leaves room for a busy machine."""
    async with peer.open() as wire:
        assert isinstance(wire, StdioWire)
        if state != "new":
            await wire.initialize()
        if state == "busy":
            peer.needs("slow")
            await wire.post("tools/call", {"name": "slow", "arguments": {"seconds": 60}})
            await wire.result("ping")

        assert await wire.close_input() == 0


@requirement("B15")
@pytest.mark.over("stdio")
async def test_sigterm_ends_the_server(peer: Peer) -> None:
    async with peer.ready() as wire:
        assert isinstance(wire, StdioWire)
        wire.process.send_signal(signal.SIGTERM)

        with anyio.fail_after(15):
            assert await wire.process.wait() in {0, -signal.SIGTERM}


@requirement("B17", "D09", "E03")
@pytest.mark.over("sse")
async def test_a_closed_stream_frees_its_session_and_stops_its_work(peer: Peer) -> None:
    async with peer.ready() as wire:
        assert isinstance(wire, SseWire)
        endpoint = wire.endpoint
        if "work" in peer.offer.tools:
            await wire.post("tools/call", {"name": "work", "arguments": {"steps": 100_000}})
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with peer.http() as client:
        with anyio.fail_after(20):
            while not 400 <= (await client.post(endpoint, json=ping)).status_code < 500:
                pass
    if "work" in peer.offer.tools:
        async with peer.ready() as other:
            await _nothing_runs(other)


async def _nothing_runs(wire: Wire) -> None:
    with anyio.fail_after(20):
        while '"running":0' not in text_of(await wire.call("recall_notes")):
            pass


@requirement("B18", "E01", "E06")
async def test_a_question_that_is_not_answered_ends_in_time_and_is_withdrawn(peer: Peer) -> None:
    async with peer.ready(EVERYTHING, variant="short waits") as wire:
        peer.needs("test_sampling")
        call = await wire.post("tools/call", {"name": "test_sampling", "arguments": {"prompt": "x"}})
        question = await wire.asked("sampling/createMessage")
        result = (await wire.answer_to(call))["result"]
        withdrawn = await wire.until(lambda m: m.get("method") == "notifications/cancelled")
        await wire.respond(question, result={"role": "assistant", "content": {"type": "text", "text": "late"}})

        assert result["isError"] is True
        assert withdrawn["params"]["requestId"] == question["id"]
        assert await wire.result("ping") == {}


@requirement("B19")
@pytest.mark.over("sse")
async def test_connections_that_never_initialize_harm_nobody(peer: Peer) -> None:
    async with peer.http() as client, anyio.create_task_group() as tasks:
        path = "/sse" if peer.server.own else peer.server.url("sse", "")
        for _ in range(50):
            tasks.start_soon(_hold, client, path)
        async with peer.ready() as wire:
            assert await wire.result("ping") == {}
        tasks.cancel_scope.cancel()


async def _hold(client: Any, path: str) -> None:
    async with client.stream("GET", path) as response:
        async for _ in response.aiter_raw():
            pass
