"""Log messages to the client."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.tests.wire import Wire
from protocol_tests.conformance.peers import Peer
from protocol_tests.requirements import requirement

pytestmark = pytest.mark.anyio

LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]


def logged(wire: Wire) -> list[dict[str, Any]]:
    return [m["params"] for m in wire.notifications("notifications/message")]


@requirement("K02", "K05")
@pytest.mark.parametrize("level", LEVELS)
async def test_a_client_gets_its_level_and_above(peer: Peer, wire: Wire, level: str) -> None:
    peer.declares("logging")
    peer.needs("log_levels")
    assert await wire.result("logging/setLevel", {"level": level}) == {}
    await wire.call("log_levels")

    assert [message["level"] for message in logged(wire)] == LEVELS[LEVELS.index(level) :]
    assert all("data" in message for message in logged(wire))
    assert all(isinstance(message.get("logger", ""), str) for message in logged(wire))


@requirement("K02", "D07", "P02")
@pytest.mark.over("sse", "http")
async def test_a_level_is_its_sessions_own(peer: Peer) -> None:
    peer.declares("logging")
    peer.needs("log_levels")
    async with peer.ready() as one, peer.ready() as other:
        await one.result("logging/setLevel", {"level": "emergency"})
        await other.result("logging/setLevel", {"level": "debug"})
        await one.call("log_levels")
        await other.call("log_levels")

        assert len(logged(one)) == 1
        assert len(logged(other)) == len(LEVELS)


@requirement("K03")
@pytest.mark.parametrize(
    "params", [{"level": "verbose"}, {"level": "INFO"}, {"level": 5}, {}, {"level": None}], ids=str
)
async def test_an_unknown_level_is_refused(peer: Peer, wire: Wire, params: Any) -> None:
    peer.declares("logging")

    assert (await wire.error("logging/setLevel", params))["code"] == -32602


@requirement("K01", "K06")
async def test_before_a_level_is_set_messages_are_well_formed(peer: Peer) -> None:
    peer.needs("log_levels")
    async with peer.ready() as wire:
        await wire.call("log_levels")

        assert all(message["level"] in LEVELS for message in logged(wire))
        assert not logged(wire) or "logging" in peer.offer.capabilities


@requirement("K07")
async def test_log_messages_are_no_flood_and_say_where_they_are_from(peer: Peer) -> None:
    peer.needs("log_levels")
    async with peer.ready() as wire:
        await wire.result("logging/setLevel", {"level": "debug"})
        calls = [await wire.post("tools/call", {"name": "log_levels"}) for _ in range(200)]
        for call in calls:
            await wire.answer_to(call)

        assert 8 <= len(logged(wire)) < 1600
        assert len({message.get("logger") for message in logged(wire)}) == 1


@requirement("K08")
async def test_no_log_message_holds_a_secret(peer: Peer, wire: Wire) -> None:
    peer.needs("leak")
    await wire.result("logging/setLevel", {"level": "debug"})
    await wire.call("leak")

    assert logged(wire)
    assert "hunter2" not in str(logged(wire))
