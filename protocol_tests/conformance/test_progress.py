"""notifications/progress."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.tests.wire import Wire
from protocol_tests.conformance.peers import Peer
from protocol_tests.requirements import requirement

pytestmark = pytest.mark.anyio


def reports(wire: Wire) -> list[dict[str, Any]]:
    return [m["params"] for m in wire.notifications("notifications/progress")]


@requirement("G01", "G03", "G04", "G05", "G06")
@pytest.mark.parametrize("token", [0, 7, "7", ""], ids=repr)
async def test_progress_grows_is_no_flood_and_precedes_the_answer(peer: Peer, wire: Wire, token: Any) -> None:
    peer.needs("report_progress")
    await wire.call("report_progress", {"count": 10_000}, progressToken=token)
    await wire.result("ping")

    values = [report["progress"] for report in reports(wire)]
    assert values
    assert values == sorted(set(values))
    assert len(values) < 1000
    for report in reports(wire):
        assert (report["progressToken"], type(report["progressToken"])) == (token, type(token))
        assert isinstance(report.get("total", 1), int | float)
    assert ["method" in m for m in wire.received] == [True] * len(values) + [False, False]


@requirement("G02", "G08")
@pytest.mark.parametrize(
    "meta",
    [{}, {"progressToken": True}, {"progressToken": 1.5}, {"progressToken": {}}, {"progressToken": None}],
    ids=str,
)
async def test_without_a_proper_token_there_is_no_progress(peer: Peer, wire: Wire, meta: dict[str, Any]) -> None:
    peer.needs("report_progress")
    params = {"name": "report_progress", "arguments": {"count": 100}, "_meta": meta}
    answer = await wire.request("tools/call", params)
    await wire.result("ping")

    assert reports(wire) == []
    assert "result" in answer or answer["error"]["code"] == -32602


@requirement("G04")
async def test_each_call_has_its_own_progress(peer: Peer, wire: Wire) -> None:
    peer.needs("work")
    calls = {
        token: await wire.post(
            "tools/call", {"name": "work", "arguments": {"steps": 5}, "_meta": {"progressToken": token}}
        )
        for token in ("a", "b", "c")
    }
    for token, call in calls.items():
        answer = await wire.answer_to(call)
        later = wire.received[wire.received.index(answer) :]
        assert not [m for m in later if m.get("params", {}).get("progressToken") == token]

    assert {report["progressToken"] for report in reports(wire)} == set(calls)
