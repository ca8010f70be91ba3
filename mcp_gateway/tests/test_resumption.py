"""What a client of streamable HTTP gets again after it lost its stream."""

from __future__ import annotations

import httpx
import pytest
from mcp.server.streamable_http import EventMessage
from mcp_types import JSONRPCNotification, JSONRPCResponse

from mcp_gateway.api import Call, NoParams, capability
from mcp_gateway.tests.small_gateway import Said, SmallGateway
from mcp_gateway.tests.test_http import Session
from mcp_gateway.tests.wire import listening
from mcp_gateway.transports.resumption import MAX_EVENTS, SentEvents

pytestmark = pytest.mark.anyio


def note(text: str) -> JSONRPCNotification:
    return JSONRPCNotification(jsonrpc="2.0", method=text)


async def replayed(events: SentEvents, last: str) -> tuple[list[str | None], str | None]:
    sent: list[EventMessage] = []

    async def send(message: EventMessage) -> None:
        sent.append(message)

    stream = await events.replay_events_after(last, send)
    return [message.event_id for message in sent], stream


async def test_what_followed_on_the_same_stream_is_sent_again() -> None:
    events = SentEvents()
    first = await events.store_event("1", None)
    await events.store_event("2", note("other"))
    second = await events.store_event("1", note("a"))
    third = await events.store_event("1", note("b"))

    assert await replayed(events, first) == ([second, third], "1")
    assert await replayed(events, third) == ([], "1")


async def test_a_stream_is_over_once_its_answer_was_sent_again() -> None:
    events = SentEvents()
    first = await events.store_event("1", None)
    answer = await events.store_event("1", JSONRPCResponse(jsonrpc="2.0", id=1, result={}))

    assert await replayed(events, first) == ([answer], None)


@pytest.mark.parametrize("last", ["", "1", "1/2", "1/x", "1/-1", "2/1", "x/99999999999999999999", "/"])
async def test_an_id_that_was_not_issued_brings_nothing(last: str) -> None:
    events = SentEvents()
    await events.store_event("1", note("a"))

    assert await replayed(events, last) == ([], None)


async def test_only_the_last_events_are_kept() -> None:
    events = SentEvents()
    first = await events.store_event("1", None)
    for _ in range(3 * MAX_EVENTS):
        await events.store_event("1", note("a"))

    assert len((await replayed(events, first))[0]) == MAX_EVENTS


async def leave(params: NoParams, call: Call) -> Said:
    """End the stream, then answer."""
    await call.detach()
    return Said(text="you came back")


async def test_a_call_may_end_its_stream_and_is_answered_when_the_client_comes_back() -> None:
    """2025-11-25, SEP-1699."""
    async with listening(SmallGateway(extra=[capability("leave", leave)])) as http:
        mine, other = Session(http, "2025-11-25"), Session(http, "2025-11-25")
        for session in (mine, other):
            await session.initialize()
            session.headers["mcp-protocol-version"] = "2025-11-25"
        message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "leave"}}
        begun = await http.post("/mcp", json=message, headers=mine.headers)
        (event_id,) = [line[4:] for line in begun.text.splitlines() if line.startswith("id: ")]

        assert "retry: " in begun.text
        assert "you came back" not in begun.text
        assert "you came back" in await resumed(http, mine, event_id)
        assert "you came back" not in await resumed(http, other, event_id)


async def resumed(http: httpx.AsyncClient, session: Session, last: str) -> str:
    """What a session gets when it comes back."""
    response = await http.get("/mcp", headers={**session.headers, "accept": "text/event-stream", "last-event-id": last})
    return response.text
