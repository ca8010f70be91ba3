"""What plugin authors test with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from mcp_gateway.api import Call, InvalidParams, Services, capability, hookimpl
from mcp_gateway.errors import PluginError
from mcp_gateway.testing import FakeClock, call_tool, running_gateway

pytestmark = pytest.mark.anyio


class GreetParams(BaseModel):
    """Whom to greet."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str


class Greeting(BaseModel):
    """A greeting."""

    text: str


def greeter(fails: bool = False) -> Any:
    @hookimpl
    @asynccontextmanager
    async def lifespan(services: Services) -> AsyncIterator[Any]:
        async def greet(params: GreetParams, call: Call) -> Greeting:
            """Greet somebody."""
            return Greeting(text=f"Hello, {params.name}, it is {services.clock.now():%H:%M}")

        if fails:
            raise ValueError("no voice")
        yield [capability("greet_somebody", greet)]

    return SimpleNamespace(NAME="greeter", lifespan=lifespan)


async def test_a_plugin_is_tested_in_a_gateway_with_a_clock_to_turn(tmp_path: Path) -> None:
    clock = FakeClock(datetime(2026, 1, 1, 12, tzinfo=UTC))

    async with running_gateway(greeter(), data_dir=tmp_path, clock=clock) as gateway:
        assert await call_tool(gateway, "greet_somebody", name="Ada") == {"text": "Hello, Ada, it is 12:00"}
        clock.advance(60)
        assert await call_tool(gateway, "greet_somebody", name="Ada") == {"text": "Hello, Ada, it is 12:01"}
        with pytest.raises(InvalidParams):
            await call_tool(gateway, "greet_somebody", nme="Ada")


async def test_a_plugin_that_does_not_start_fails_the_test(tmp_path: Path) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with running_gateway(greeter(fails=True), data_dir=tmp_path):
            pytest.fail("it started")

    assert caught.group_contains(PluginError, match="no voice")


def test_the_wall_clock_jumps_and_the_other_does_not() -> None:
    clock = FakeClock()
    before = clock.now()

    clock.advance(5)
    clock.set(before - timedelta(hours=1))

    assert clock.now() == before - timedelta(hours=1)
    assert clock.monotonic() == 5
