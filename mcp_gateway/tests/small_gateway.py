"""A gateway that is a registry and settings, with a plugin that does whatever a protocol test needs.

`python -m mcp_gateway.tests.small_gateway` serves it over stdio.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
from pydantic import BaseModel, ConfigDict, Field

from mcp_gateway.call import LOG_LEVELS, Call, SamplingRequest
from mcp_gateway.capability import NoParams, capability, prompt
from mcp_gateway.clock import SystemClock
from mcp_gateway.content import Audio, Content, EmbeddedResource, Image, Message, ResourceLink, Text
from mcp_gateway.errors import Conflict, NotFound
from mcp_gateway.interfaces import Authenticator
from mcp_gateway.pagination import Cursors
from mcp_gateway.protocol.subscriptions import Subscriptions
from mcp_gateway.registry import Registry
from mcp_gateway.settings import HttpSection, Settings
from mcp_gateway.shutdown import ShutdownState

SECRET = "hunter2-in-/etc/passwd"
MANY = [f"value-{number:03}" for number in range(150)]


class Strict(BaseModel):
    """The base of the models here."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EchoParams(Strict):
    """What to say."""

    text: str = Field(description="Comes back.")
    times: int = Field(1, ge=1, le=1_000_000, description="How often.")


class Said(Strict):
    """What was said."""

    text: str


class Region(Strict):
    """A nested parameter."""

    code: str = "US"
    year_from: int | None = None


class SearchParams(Strict):
    """As a search has them."""

    query: str
    genres: list[str] = []
    limit: int = 20
    exact: bool = False
    region: Region = Region()


class Found(Strict):
    """What the search was asked."""

    asked: SearchParams
    total: int
    has_more: bool
    next_cursor: str | None = None


class ItemParams(Strict):
    """Which item."""

    id: str


class Item(Strict):
    """An item."""

    id: str
    name: str


class SettleParams(Strict):
    """How an item ends."""

    id: str
    outcome: str


class GreetParams(Strict):
    """Whom to greet."""

    name: str = Field(description="Who.")
    mood: str = Field("happy", description="How.")


class SmallGateway:
    """Implements `protocol.served.Served`.

    Attributes:
        running: Calls of `wait` that have begun and not ended.
        gate: Opens `wait`.
        authenticator: Says who sends an HTTP request; nobody has to sign in without.
    """

    def __init__(self, settings: Settings | None = None, *, extra: Sequence[Any] = ()) -> None:
        self.settings = settings or Settings(http=HttpSection(port=0))
        self.clock = SystemClock()
        self.registry = Registry(profile="full", call_seconds=self.settings.gateway.call_seconds)
        self.resources = Subscriptions()
        self.cursors = Cursors([b"x" * 32], self.clock)
        self.shutdown = ShutdownState()
        self.instructions = "Use echo."
        self.authenticator: Authenticator | None = None
        self.status = "ok"
        self.running = 0
        self.settled: list[str] = []
        self.gate = anyio.Event()
        self.registry.add("example", [*self._tools(), *self._resources(), *self._prompts(), *extra])

    async def health(self) -> dict[str, Any]:
        """As the gateway's."""
        return {"status": "draining" if self.shutdown.draining.is_set() else self.status, "database": "ok"}

    def _tools(self) -> list[Any]:
        return [
            capability("echo", self.echo, rest="POST /api/v1/echo"),
            capability("search", self.search, rest="GET /api/v1/search"),
            capability("settle", self.settle, read_only=False, rest="POST /api/v1/items/{id}/settle"),
            capability("wait", self.wait, tool=True),
            capability("refuse", self.refuse),
            capability("crash", self.crash, rest="GET /api/v1/crash"),
            capability("count_up", self.count_up),
            capability("chatter", self.chatter),
            capability("ask_model", self.ask_model),
            capability("ask_user", self.ask_user),
            capability("look_around", self.look_around),
            capability("show", self.show),
            capability("print_it", self.print_it),
        ]

    def _resources(self) -> list[Any]:
        return [
            capability("items", self.items, uri="example://items", tool=False),
            capability("picture", self.picture, uri="example://picture", tool=False),
            capability("broken", self.crash_resource, uri="example://broken", tool=False),
            capability(
                "item",
                self.item,
                uri="example://items/{id}",
                rest="GET /api/v1/items/{id}",
                tool=False,
                completions={"id": self.complete},
            ),
        ]

    def _prompts(self) -> list[Any]:
        return [
            prompt("greet", self.greet, completions={"name": self.complete}),
            prompt("failing", self.crash_prompt),
        ]

    async def echo(self, params: EchoParams, call: Call) -> Said:
        """Say it again."""
        return Said(text=params.text * params.times)

    async def search(self, params: SearchParams, call: Call) -> Found:
        """Say what was asked, as a page."""
        return Found(asked=params, total=40, has_more=True, next_cursor="c2")

    async def settle(self, params: SettleParams, call: Call) -> Item:
        """Change something."""
        self.settled.append(params.id)
        return Item(id=params.id, name=params.outcome)

    async def wait(self, params: NoParams, call: Call) -> Said:
        """Wait until the gate opens."""
        self.running += 1
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        return Said(text="done")

    async def refuse(self, params: NoParams, call: Call) -> Said:
        """Fail on purpose."""
        raise Conflict("It is already over.", state="over")

    async def crash(self, params: NoParams, call: Call) -> Said:
        """Fail by accident."""
        raise ValueError(SECRET)

    async def crash_resource(self, params: NoParams, call: Call) -> Said:
        """Fail by accident."""
        raise ValueError(SECRET)

    async def crash_prompt(self, params: NoParams, call: Call) -> str:
        """Fail by accident."""
        raise ValueError(SECRET)

    async def count_up(self, params: NoParams, call: Call) -> Said:
        """Report progress often, and sometimes none."""
        for done in range(10_000):
            await call.progress(done, 10_000, f"step {done}")
            await call.progress(done, 10_000, "again")
        return Said(text="counted")

    async def chatter(self, params: NoParams, call: Call) -> Said:
        """Log at every level."""
        for level in LOG_LEVELS:
            await call.log(level, {"said": level}, "example")
        return Said(text="logged")

    async def ask_model(self, params: NoParams, call: Call) -> Said:
        """Ask the client's model."""
        question = SamplingRequest(messages=[Message("user", Text("How are you?"))], max_tokens=10)
        return Said(text=(await call.sample(question)).text)

    async def ask_user(self, params: NoParams, call: Call) -> Said:
        """Ask the user."""
        answer = await call.elicit("Sure?", {"type": "object", "properties": {"sure": {"type": "boolean"}}})
        return Said(text=f"{answer.action} {dict(answer.content or {})}")

    async def look_around(self, params: NoParams, call: Call) -> Said:
        """List the client's roots, twice."""
        await call.list_roots()
        return Said(text=" ".join(await call.list_roots()))

    async def show(self, params: NoParams, call: Call) -> Content:
        """Show every kind of content."""
        return Content(
            [
                Text("text"),
                Image(b"\x89PNG", "image/png"),
                Audio(b"RIFF", "audio/wav"),
                EmbeddedResource("example://items/1", "one", "text/plain"),
                ResourceLink("example://items/2", "two", title="Two"),
            ]
        )

    async def print_it(self, params: NoParams, call: Call) -> Said:
        """Print where a protocol is spoken."""
        print("printed by a tool")  # noqa: T201
        return Said(text="printed")

    async def items(self, params: NoParams, call: Call) -> Found:
        """All items."""
        return Found(asked=SearchParams(query=""), total=2, has_more=False)

    async def picture(self, params: NoParams, call: Call) -> Content:
        """A picture."""
        return Content([Image(b"\x89PNG\xff", "image/png")])

    async def item(self, params: ItemParams, call: Call) -> Item:
        """One item."""
        if params.id not in {"1", "2"}:
            raise NotFound("item", params.id, nearest=["1"])
        return Item(id=params.id, name=f"Item {params.id}")

    async def greet(self, params: GreetParams, call: Call) -> str:
        """Greet somebody."""
        return f"Greet {params.name}, who is {params.mood}."

    async def complete(self, value: str, call: Call) -> list[str]:
        """Values that begin with what was typed."""
        return [candidate for candidate in MANY if candidate.startswith(value)]


def main() -> None:
    """Serve over stdio."""
    from mcp_gateway.stdout_guard import claim_stdout

    claim_stdout()
    print("printed before the protocol begins")  # noqa: T201
    from mcp_gateway.transports.stdio import serve_stdio

    anyio.run(serve_stdio, SmallGateway())


if __name__ == "__main__":
    main()
