"""What a client of streamable HTTP gets again after it lost its stream."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest

from mcp_gateway.api import Call, NoParams, capability
from mcp_gateway.tests.small_gateway import Said, SmallGateway
from mcp_gateway.tests.test_http import Session
from mcp_gateway.tests.wire import listening
from mcp_gateway.transports.reply import Reply
from mcp_gateway.transports.resumption import MAX_EVENTS, Resumable, SentEvents


def sent(*streams: str) -> SentEvents:
    """A session that sent an event on each of these streams, numbered from 1."""
    events = SentEvents()
    for number, stream in enumerate(streams, 1):
        assert events.keep(stream, b"message %d" % number) == f"{stream}/{number}".encode()
    return events


def test_what_followed_on_the_same_stream_is_sent_again() -> None:
    events = sent("1", "2", "1", "1")

    assert events.after("1/1") == ("1", [(b"1/3", b"message 3"), (b"1/4", b"message 4")])
    assert events.after("1/4") == ("1", [])


def test_an_id_that_comes_before_all_events_brings_all_of_its_stream() -> None:
    assert sent("1").after("1/0") == ("1", [(b"1/1", b"message 1")])


@pytest.mark.parametrize("last", ["", "1", "1/2", "1/x", "1/-1", "1/²", "x/99999999999999999999", "/"])
def test_an_id_that_was_not_issued_brings_nothing(last: str) -> None:
    assert sent("1").after(last) == ("", [])


def test_only_the_last_events_are_kept() -> None:
    events = sent(*["1"] * (3 * MAX_EVENTS))

    assert len(events.after("1/1")[1]) == MAX_EVENTS


def test_a_stream_begins_with_its_id_where_the_revision_knows_that() -> None:
    events = sent("1")

    assert Resumable(events, "2", primed=True).primer() == b"id: 2/1\r\nretry: 500\r\ndata: \r\n\r\n"
    assert Resumable(events, "2", primed=False).primer() == b""


async def leave(params: NoParams, call: Call) -> Said:
    """End the stream, then answer."""
    await call.detach()
    return Said(text="you came back")


@pytest.mark.anyio
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


class Connection:
    """What a response is written to. It takes so many parts of the body; then it is dead, and nobody knows."""

    def __init__(self, *, takes: int) -> None:
        self.body = b""
        self._takes = takes

    async def send(self, message: Any) -> None:
        """Take a part of the response."""
        if message["type"] == "http.response.body":
            if self._takes == 0:
                await anyio.sleep_forever()
            self._takes -= 1
            self.body += message["body"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("takes", "is_answered_before"),
    [(0, True), (1, True), (1, False)],
    ids=["progress is being written", "the answer is being written", "nothing is being written"],
)
async def test_a_dead_connection_holds_up_nobody_who_comes_back(takes: int, is_answered_before: bool) -> None:
    old, new, may_end = Connection(takes=takes), Connection(takes=9), anyio.Event()
    reply = Reply(old.send, slow_reader_seconds=3600, resumable=Resumable(SentEvents(), "1", primed=False))

    async def work() -> None:
        await reply.send(b"progress")
        await may_end.wait()
        await reply.end(b"the answer")

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            if is_answered_before:
                may_end.set()
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(reply.resume, new.send, "1/0")
            await anyio.wait_all_tasks_blocked()
            may_end.set()

    assert (new.body.count(b"progress"), new.body.count(b"the answer")) == (1, 1)
