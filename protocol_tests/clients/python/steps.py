"""The steps that a Python client goes through: what it does in each, and how it says what it saw.

A client is a class with the operations that its library has; a step whose operations it lacks is left out. It prints
one JSON object: what each step saw, by transport. The tests judge it.
"""

import functools
import json
import sys
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import anyio

STEP_SECONDS = 30
WATCHED = "test://watched-resource"


class Heard:
    """What the server said without being asked."""

    def __init__(self):
        self.levels = []
        self.updates = []
        self._more = anyio.Event()

    def level(self, level):
        """A log message of this level came."""
        self._add(self.levels, str(level))

    def update(self, uri):
        """This resource was said to have changed."""
        self._add(self.updates, str(uri))

    async def until(self, what, where):
        """Wait for it."""
        while what not in where:
            await self._more.wait()

    def _add(self, where, what):
        where.append(what)
        self._more.set()
        self._more = anyio.Event()


async def call(client):
    return json.loads(await client.call_tool("search_titles", {"query": "the dark knight"}))


async def progress(client):
    reports = []
    text = await client.call_with_progress("test_tool_with_progress", lambda *report: reports.append(report))
    return {"reports": reports, "text": text}


async def read(client):
    return {uri: await client.read_resource(uri) for uri in ("media://titles/tt0468569", "test://template/7/data")}


async def prompt(client):
    return await client.get_prompt("test_prompt_with_arguments", {"arg1": "paris", "arg2": "two"})


async def complete(client):
    template = "test://template/{id}/data"
    return {
        "template": await client.complete_template(template, "id", "12"),
        "prompt": await client.complete_prompt("test_prompt_with_arguments", "arg1", "par"),
        "many": await client.complete_prompt("test_prompt_with_arguments", "arg2", ""),
    }


async def level(client):
    await client.set_level("warning")
    await client.call_tool("log_levels", {})
    await client.heard.until("emergency", client.heard.levels)
    return client.heard.levels


async def level_alone(client):
    """For a client that does not live to hear anything at that level."""
    return await client.try_level("warning")


async def subscribe(client):
    async with client.subscribed(WATCHED):
        await client.call_tool("touch", {})
        await client.heard.until(WATCHED, client.heard.updates)
    return sorted(set(client.heard.updates))


async def cancel(client):
    """The work is seen to run, is cancelled, and is seen to run no more."""
    label = uuid.uuid4().hex

    async def runs():
        return label in json.loads(await client.call_tool("recall_notes", {}))["labels"]

    async with anyio.create_task_group() as tasks:
        work = await client.start_and_cancel(tasks, "work", {"steps": 100_000, "label": label})
        while not await runs():
            pass
        await work.cancel()
        while await runs():
            pass
    return "stopped"


def listing(what):
    async def step(client):
        return await getattr(client, f"list_{what}")()

    return step


# What it is called, what the client must be able to do, and the step.
STEPS: tuple[tuple[str, str, Callable], ...] = (
    ("tools", "list_tools", listing("tools")),
    ("resources", "list_resources", listing("resources")),
    ("templates", "list_templates", listing("templates")),
    ("prompts", "list_prompts", listing("prompts")),
    ("call", "call_tool", call),
    ("progress", "call_with_progress", progress),
    ("read", "read_resource", read),
    ("prompt", "get_prompt", prompt),
    ("complete", "complete_prompt", complete),
    ("level", "set_level", level),
    ("level_alone", "try_level", level_alone),
    ("subscribe", "subscribed", subscribe),
    ("cancel", "start_and_cancel", cancel),
)


class Scope:
    """A call that is cancelled by cancelling who waits for it."""

    def __init__(self, tasks, call_tool, name, arguments):
        self._scope = anyio.CancelScope()
        self._call = functools.partial(call_tool, name, arguments)
        tasks.start_soon(self.run)

    async def run(self):
        """Call; no end is expected."""
        with self._scope:
            await self._call()
            raise RuntimeError("the call came to its end")

    async def cancel(self):
        """Give up waiting."""
        self._scope.cancel()


async def walk(open_client: Callable[[object], AbstractAsyncContextManager], target) -> dict:
    """All steps on one connection; one that fails says so instead of what it saw."""
    seen = {}
    try:
        with anyio.fail_after(STEP_SECONDS * 3):
            async with open_client(target) as client:
                seen["connect"] = await client.hello()
                for name, needed, step in STEPS:
                    if hasattr(client, needed):
                        seen[name] = await attempt(step, client)
    except BaseException as error:
        if isinstance(error, anyio.get_cancelled_exc_class()):
            raise
        seen["connect" if "connect" not in seen else "end"] = {"failed": told(error)}
    return seen


async def attempt(step, client):
    try:
        with anyio.fail_after(STEP_SECONDS):
            return await step(client)
    except Exception as error:
        return {"failed": told(error)}


def told(error: BaseException) -> str:
    """An error, and what is inside of it."""
    inside = [told(each) for each in getattr(error, "exceptions", ())]
    return f"{type(error).__name__}: {error} {inside or ''}".strip()


async def walk_all(open_client, targets: dict) -> dict:
    """Each transport on a connection of its own, at the same time."""
    seen = {}

    async def one(transport, target):
        seen[transport] = await walk(open_client, target)

    async with anyio.create_task_group() as tasks:
        for transport, target in targets.items():
            tasks.start_soon(one, transport, target)
    return seen


def main(open_client) -> None:
    """Run a client: `python CLIENT.py TARGETS`, where TARGETS is JSON: a command or an address for each transport."""
    seen = anyio.run(walk_all, open_client, json.loads(sys.argv[1]))
    print(json.dumps(seen))
