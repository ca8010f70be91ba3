"""A plugin that shows what the gateway holds: work that runs, tasks, threads, files; and makes it work and talk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from mcp_gateway.api import (
    Call,
    Capability,
    Content,
    Message,
    NoParams,
    SamplingRequest,
    Services,
    Text,
    capability,
    hookimpl,
)

# Counts for minutes.
COUNT_FOR_LONG = text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT count(*) FROM n"
)


class Size(BaseModel):
    """How much to say."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kilobytes: int = Field(ge=0, le=100_000, description="Of text.")


class Held(BaseModel):
    """What the gateway holds now."""

    running: int
    tasks: int
    threads: int
    files: int


class Counting:
    """All that the tools do."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._running = 0

    async def count_for_long(self, params: NoParams, call: Call) -> Content:
        """Run a query that takes minutes."""
        self._running += 1
        try:
            await call.progress(0)
            async with self._services.db.reading() as connection:
                await connection.execute(COUNT_FOR_LONG)
        finally:
            self._running -= 1
        return Content([Text("counted")])

    async def ask_for_long(self, params: NoParams, call: Call) -> Content:
        """Ask the client's model."""
        self._running += 1
        try:
            await call.progress(0)
            answer = await call.sample(SamplingRequest(messages=[Message("user", Text("Hm?"))], max_tokens=10))
        finally:
            self._running -= 1
        return Content([Text(answer.text)])

    async def wait_for_long(self, params: NoParams, call: Call) -> Content:
        """Wait."""
        self._running += 1
        try:
            await call.progress(0)
            await anyio.sleep(600)
        finally:
            self._running -= 1
        return Content([Text("waited")])

    async def say_much(self, params: Size, call: Call) -> Content:
        """Answer with a long text."""
        return Content([Text("x" * 1000 * params.kilobytes)])

    async def read_one(self, params: NoParams, call: Call) -> Content:
        """Ask the database for little."""
        async with self._services.db.reading() as connection:
            return Content([Text(str((await connection.execute(text("SELECT 1"))).scalar_one()))])

    async def what_is_held(self, params: NoParams, call: Call) -> Held:
        """Say what is held."""
        return Held(
            running=self._running,
            tasks=len(asyncio.all_tasks()),
            threads=threading.active_count(),
            files=open_files(),
        )


def open_files() -> int:
    """How many files and sockets the process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@hookimpl
@asynccontextmanager
async def lifespan(services: Services) -> AsyncIterator[list[Capability]]:
    """Register everything."""
    counting = Counting(services)
    yield [
        capability("count_for_long", counting.count_for_long, timeout_seconds=600),
        capability("ask_for_long", counting.ask_for_long, timeout_seconds=600),
        capability("wait_for_long", counting.wait_for_long, timeout_seconds=600),
        capability("say_much", counting.say_much),
        capability("read_one", counting.read_one),
        capability("what_is_held", counting.what_is_held),
    ]
