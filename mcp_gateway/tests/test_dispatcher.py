"""The dispatcher by itself: what is bounded, what waits, and that nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, cast

import anyio
import orjson
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from mcp_gateway.protocol.context import Params, RequestContext
from mcp_gateway.protocol.duplex import Duplex
from mcp_gateway.protocol.messages import Request, Response, RpcError
from mcp_gateway.protocol.outbox import Outbox
from mcp_gateway.transports.framing import parse

pytestmark = pytest.mark.anyio

_left = ContextVar("_left", default="nothing")

Work = Callable[[RequestContext, Any], Any]


class Handlers:
    """Implements `dispatcher.Handlers` with one function."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.running = 0

    async def on_request(self, context: RequestContext, method: str, params: Params) -> dict[str, Any]:
        self.running += 1
        try:
            return {"value": await self.work(context, params)}
        finally:
            self.running -= 1

    async def on_notify(self, context: RequestContext, method: str, params: Params) -> None:
        return None


def call(number: int) -> Request:
    return Request(number, "work", {"number": number})


async def answers(outbox: Outbox, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with anyio.fail_after(5):
        while len(found) < count:
            found += [orjson.loads(message) for message in await outbox.take()]
    return found


async def test_no_more_run_at_a_time_than_allowed() -> None:
    gate = anyio.Event()

    async def work(context: RequestContext, params: Any) -> str:
        await gate.wait()
        return "done"

    handlers, outbox = Handlers(work), Outbox()
    async with Duplex(outbox, kind="test", max_running=3).serving(handlers) as dispatcher:
        async with anyio.create_task_group() as feeding:
            for number in range(10):
                feeding.start_soon(dispatcher.receive, call(number))
            await wait_all_tasks_blocked()
            assert handlers.running == 3
            gate.set()
        assert sorted(answer["id"] for answer in await answers(outbox, 10)) == list(range(10))


async def test_a_client_that_does_not_read_is_not_read_from_either() -> None:
    """What it is owed is bounded by the requests that may run and the room in the outbox."""

    async def work(context: RequestContext, params: Any) -> str:
        return "x" * 400

    outbox, taken = Outbox(high_bytes=1000), 0
    async with Duplex(outbox, kind="test", max_running=4).serving(Handlers(work)) as dispatcher:
        async with anyio.create_task_group() as feeding:

            async def feed() -> None:
                nonlocal taken
                for number in range(100):
                    await dispatcher.receive(call(number))
                    taken += 1

            feeding.start_soon(feed)
            await wait_all_tasks_blocked()
            assert taken < 10
            assert len(await answers(outbox, 100)) == 100
        assert taken == 100


async def test_a_client_that_only_sends_nonsense_and_does_not_read_is_not_read_either() -> None:
    async def work(context: RequestContext, params: Any) -> None: ...

    outbox, taken = Outbox(high_bytes=1000), 0

    async def feed(dispatcher: Duplex) -> None:
        nonlocal taken
        for _ in range(1000):
            await dispatcher.receive(parse(b"nonsense"))
            taken += 1

    async with (
        Duplex(outbox, kind="test").serving(Handlers(work)) as dispatcher,
        anyio.create_task_group() as feeding,
    ):
        feeding.start_soon(feed, dispatcher)
        await wait_all_tasks_blocked()
        assert 0 < taken < 20
        feeding.cancel_scope.cancel()


async def test_a_thousand_cancelled_calls_leave_nothing_behind() -> None:
    """E03, E04."""

    async def work(context: RequestContext, params: Any) -> str:
        await anyio.sleep_forever()
        return "never"

    handlers, outbox = Handlers(work), Outbox()
    async with Duplex(outbox, kind="test", max_running=1000).serving(handlers) as dispatcher:
        for number in range(1000):
            await dispatcher.receive(call(number))
        with anyio.fail_after(10):
            while handlers.running < 1000:
                await checkpoint()
        for number in range(1000):
            dispatcher._cancel({"requestId": number, "reason": "enough"})
        await wait_all_tasks_blocked()

        assert (handlers.running, dispatcher._running, dispatcher._busy) == (0, {}, 0)
        await dispatcher.receive(call(1001))
        dispatcher._cancel({"requestId": True})
        assert list(dispatcher._running) == [1001]
    assert not outbox._messages


async def test_requests_that_wait_for_nothing_share_a_task_and_one_that_waits_holds_up_nobody() -> None:
    gates = {number: anyio.Event() for number in range(0, 30, 3)}
    tasks: dict[int, object] = {}

    async def work(context: RequestContext, params: Any) -> str:
        number = cast(int, context.request_id)
        tasks[number] = anyio.get_current_task()
        if number in gates:
            await gates[number].wait()
        return "done"

    outbox = Outbox()
    async with Duplex(outbox, kind="test").serving(Handlers(work)) as dispatcher:
        for number in range(30):
            await dispatcher.receive(call(number))
        at_once = [answer["id"] for answer in await answers(outbox, 20)]
        assert at_once == [number for number in range(30) if number % 3]
        assert len(set(tasks.values())) <= len(gates) + 1
        for gate in gates.values():
            gate.set()
        assert len(await answers(outbox, 10)) == 10


async def test_what_a_handler_leaves_in_its_context_is_not_for_the_next() -> None:
    seen: list[str] = []

    async def work(context: RequestContext, params: Any) -> str:
        seen.append(_left.get())
        _left.set(f"from {context.request_id}")
        return "done"

    outbox = Outbox()
    async with Duplex(outbox, kind="test").serving(Handlers(work)) as dispatcher:
        for number in range(5):
            await dispatcher.receive(call(number))
        await answers(outbox, 5)

    assert seen == ["nothing"] * 5


async def test_a_cancelled_request_takes_nobody_with_it() -> None:
    """Neither one that waits beside it, nor those that its task would have served."""
    gate = anyio.Event()

    async def work(context: RequestContext, params: Any) -> str:
        if context.request_id in {0, 1}:
            await gate.wait()
        return "done"

    outbox = Outbox()
    async with Duplex(outbox, kind="test", max_running=4).serving(Handlers(work)) as dispatcher:
        for number in range(4):
            await dispatcher.receive(call(number))
        dispatcher._cancel({"requestId": 3})  # before it began
        await answers(outbox, 1)
        dispatcher._cancel({"requestId": 0})
        await dispatcher.receive(call(4))
        gate.set()

        assert sorted(answer["id"] for answer in await answers(outbox, 2)) == [1, 4]
        assert (dispatcher._running, dispatcher._busy) == ({}, 0)


async def test_at_the_end_what_runs_is_given_time_and_the_rest_an_answer() -> None:
    """C08."""
    gate = anyio.Event()

    async def work(context: RequestContext, params: Any) -> str:
        if params["number"] == 1:
            await gate.wait()
        else:
            await anyio.sleep_forever()
        return "done"

    outbox = Outbox()
    async with Duplex(outbox, kind="test").serving(Handlers(work)) as dispatcher:
        await dispatcher.receive(call(1))
        await dispatcher.receive(call(2))
        await wait_all_tasks_blocked()
        gate.set()
        await dispatcher.finish(0.05)

        found = {answer["id"]: answer for answer in await answers(outbox, 2)}
    assert found[1]["result"] == {"value": "done"}
    assert found[2]["error"]["code"] == -32000


async def test_questions_fail_when_the_client_goes_away() -> None:
    """E03, N04."""

    async def work(context: RequestContext, params: Any) -> str:
        await context.send_raw_request("sampling/createMessage", {})
        return "never"

    outbox = Outbox()
    async with Duplex(outbox, kind="test").serving(Handlers(work)) as dispatcher:
        await dispatcher.receive(call(1))
        await answers(outbox, 1)
        await dispatcher.finish(5)

        assert (await answers(outbox, 1))[0]["error"]["message"] == "The client is gone"
        with pytest.raises(RpcError):
            await dispatcher.send_raw_request("ping", None)


async def test_an_answer_must_have_the_id_of_the_question() -> None:
    """A24: not one that merely looks like it."""

    async def work(context: RequestContext, params: Any) -> Any:
        return await context.send_raw_request("ping", None)

    outbox = Outbox()
    async with Duplex(outbox, kind="test").serving(Handlers(work)) as dispatcher:
        await dispatcher.receive(call(1))
        (question,) = await answers(outbox, 1)
        for wrong in (str(question["id"]), True, None, [question["id"]], 99):
            await dispatcher.receive(Response(wrong, {"wrong": True}, None))
        await dispatcher.receive(Response(question["id"], {"right": True}, None))

        assert (await answers(outbox, 1))[0]["result"] == {"value": {"right": True}}


async def test_after_its_answer_a_request_says_nothing_more() -> None:
    """G04, E11."""
    kept: list[RequestContext] = []

    async def work(context: RequestContext, params: Any) -> str:
        kept.append(context)
        await context.notify("notifications/message", {"before": 1})
        return "done"

    outbox = Outbox()
    async with Duplex(outbox, kind="test").serving(Handlers(work)) as dispatcher:
        await dispatcher.receive(call(1))
        assert len(await answers(outbox, 2)) == 2
        await kept[0].notify("notifications/message", {"after": 1})
        with pytest.raises(RpcError):
            await kept[0].send_raw_request("ping", None)

        assert not outbox._messages


@pytest.mark.parametrize("value", [{1, 2}, object()])
async def test_a_result_that_is_no_json_is_an_internal_error(value: object) -> None:
    """A19."""

    async def work(context: RequestContext, params: Any) -> object:
        return value

    outbox = Outbox()
    async with Duplex(outbox, kind="test").serving(Handlers(work)) as dispatcher:
        await dispatcher.receive(call(1))

        assert (await answers(outbox, 1))[0]["error"] == {"code": -32603, "message": "Internal error"}


async def test_what_orjson_cannot_write_is_written_all_the_same() -> None:
    deep: Any = 1
    for _ in range(500):
        deep = [deep]

    async def work(context: RequestContext, params: Any) -> Any:
        return [2**70, "lone \ud800 surrogate", deep]

    outbox = Outbox()
    async with Duplex(outbox, kind="test").serving(Handlers(work)) as dispatcher:
        await dispatcher.receive(call(1))
        await wait_all_tasks_blocked()
        (message,) = await outbox.take()

    assert str(2**70).encode() in message
    assert b"lone ? surrogate" in message


async def test_a_closed_outbox_holds_nothing_and_nobody() -> None:
    outbox = Outbox(high_bytes=1)
    outbox.put(b"message")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outbox.room)
        tasks.start_soon(outbox.drained)
        await checkpoint()
        outbox.close()
    outbox.put(b"late")

    assert await outbox.take() == []
