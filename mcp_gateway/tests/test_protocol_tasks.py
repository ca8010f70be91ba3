"""Calls that become tasks: the extension `io.modelcontextprotocol/tasks` of 2026-07-28."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from mcp_gateway.api import Call, Conflict, NoParams, capability
from mcp_gateway.protocol import tasks
from mcp_gateway.tests.small_gateway import SECRET, Said, SmallGateway, Strict
from mcp_gateway.tests.test_protocol_client import ALL, text_of
from mcp_gateway.tests.test_protocol_rounds import NAME, Rounds, who
from mcp_gateway.tests.wire import WAIT_SECONDS, Wire, over_pipes

pytestmark = pytest.mark.anyio

KNOWS_TASKS = {**ALL, "extensions": {tasks.EXTENSION: {}}}


class HowParams(Strict):
    """How it ends."""

    how: str = "well"


class Work:
    """A tool that takes long: until the gate opens."""

    def __init__(self) -> None:
        self.gate = anyio.Event()
        self.started = anyio.Event()
        self.stopped = anyio.Event()

    def tools(self) -> list[Any]:
        return [capability("work", self.work), capability("only_as_task", self.only_as_task)]

    async def work(self, params: HowParams, call: Call) -> Said:
        """Work, and end as told."""
        if params.how == "held":
            await self._wait()
        await call.detach()
        if params.how == "asked":
            return Said(text=str((await call.elicit("Who?", NAME, key="who")).content))
        await self._wait()
        if params.how == "crash":
            raise ValueError(SECRET)
        if params.how == "refused":
            raise Conflict("It is over.")
        return Said(text="done")

    async def only_as_task(self, params: NoParams, call: Call) -> Said:
        """Work for clients that know tasks."""
        await call.detach(required=True)
        return Said(text="done")

    async def _wait(self) -> None:
        self.started.set()
        try:
            await self.gate.wait()
        finally:
            self.stopped.set()


class Client(Rounds):
    """A client that knows tasks."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire, KNOWS_TASKS)

    async def start(self, how: str) -> str:
        """A task, begun; its id."""
        result = (await self.call("work", arguments={"how": how}))["result"]
        assert (result["resultType"], result["status"]) == ("task", "working")
        return str(result["taskId"])

    async def task(self, method: str, task_id: str, **more: Any) -> Any:
        """The result of a request about a task."""
        return await self.wire.result(f"tasks/{method}", {"taskId": task_id, "_meta": self.meta, **more})

    async def until(self, task_id: str, status: str) -> Any:
        """The task, as soon as it is so far."""
        with anyio.fail_after(WAIT_SECONDS):
            while (task := await self.task("get", task_id))["status"] != status:
                await anyio.lowlevel.checkpoint()
        return task


@asynccontextmanager
async def working() -> AsyncIterator[tuple[Client, Work]]:
    work = Work()
    async with over_pipes(SmallGateway(extra=work.tools())) as wire:
        yield Client(wire), work


async def test_a_task_is_answered_at_once_and_holds_its_result() -> None:
    async with working() as (client, work):
        task_id = await client.start("well")
        running = await client.task("get", task_id)
        work.gate.set()
        done = await client.until(task_id, "completed")

    assert running["status"] == "working"
    assert "result" not in running
    assert done["result"]["structuredContent"] == {"text": "done"}
    assert done["ttlMs"] == 3_600_000


async def test_the_failure_of_a_tool_is_a_result_and_a_crash_is_not() -> None:
    async with working() as (client, work):
        work.gate.set()
        refused = await client.until(await client.start("refused"), "completed")
        crashed = await client.until(await client.start("crash"), "failed")

    assert refused["result"]["isError"] is True
    assert crashed["error"]["code"] == -32603
    assert SECRET not in str(crashed)
    assert "result" not in crashed


async def test_a_cancelled_task_stops() -> None:
    async with working() as (client, work):
        task_id = await client.start("well")
        await client.task("cancel", task_id)
        with anyio.fail_after(WAIT_SECONDS):
            await work.stopped.wait()
        await client.task("cancel", task_id)

        assert (await client.task("get", task_id))["status"] == "cancelled"


async def test_a_call_that_is_cancelled_before_it_is_a_task_stops_too() -> None:
    async with working() as (client, work):
        params = {"name": "work", "arguments": {"how": "held"}, "_meta": client.meta}
        call = await client.wire.post("tools/call", params)
        with anyio.fail_after(WAIT_SECONDS):
            await work.started.wait()
        await client.wire.notify("notifications/cancelled", {"requestId": call})

        with anyio.fail_after(WAIT_SECONDS):
            await work.stopped.wait()


async def test_a_task_asks_and_waits_for_an_answer_that_fits() -> None:
    async with working() as (client, _):
        task_id = await client.start("asked")
        (key,) = (await client.until(task_id, "input_required"))["inputRequests"]
        for wrong in (who("Ann"), {key: 5}, who(5, key)):
            await client.task("update", task_id, inputResponses=wrong)
        still = await client.task("get", task_id)
        await client.task("update", task_id, inputResponses=who("Ann", key))
        done = await client.until(task_id, "completed")

    assert list(still["inputRequests"]) == [key]
    assert "Ann" in str(done["result"])


async def test_a_client_that_knows_no_tasks_waits() -> None:
    async with working() as (client, work):
        work.gate.set()
        plain = Rounds(client.wire)
        answer = await plain.call("work")
        refused = await plain.call("only_as_task")
        unknown = await client.wire.error("tasks/get", {"taskId": "x", "_meta": plain.meta})

    assert text_of(answer) == '{"text":"done"}'
    for error in (refused["error"], unknown):
        assert error["code"] == -32021
        assert error["data"]["requiredCapabilities"] == {"extensions": {tasks.EXTENSION: {}}}


async def test_handshake_revisions_do_not_hear_of_tasks() -> None:
    async with over_pipes(SmallGateway(extra=Work().tools())) as wire:
        shaken = await wire.initialize("2025-11-25", ALL)
        refused = await wire.call("only_as_task")

        assert "extensions" not in shaken["capabilities"]
        assert refused["isError"] is True
        assert (await wire.error("tasks/get", {"taskId": "x"}))["code"] == -32601


async def test_an_unknown_task_is_an_error_of_the_params() -> None:
    async with working() as (client, _):
        error = await client.wire.error("tasks/get", {"taskId": "x", "_meta": client.meta})

    assert error["code"] == -32602


async def test_where_there_are_too_many_tasks_a_call_is_answered_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "MAX_TASKS", 1)
    async with working() as (client, work):
        await client.start("well")
        work.gate.set()

        assert text_of(await client.call("work")) == '{"text":"done"}'
