"""The tools that are measured, as a plugin: what the other servers offer too, and nothing that takes time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp_gateway.api import Call, Capability, capability, hookimpl

from .models import ANSWER, OTHERS, Answer, Echo, EchoParams, SearchParams


async def echo(params: EchoParams, call: Call) -> Echo:
    """Say it again."""
    return Echo(result=params.text)


async def search(params: SearchParams, call: Call) -> Answer:
    """Find titles by words, genre and region."""
    return ANSWER


@hookimpl
@asynccontextmanager
async def lifespan() -> AsyncIterator[list[Capability]]:
    """Register everything."""
    others = [capability(f"benchmark_{name}", search, description=text) for name, text in OTHERS.items()]
    yield [capability("echo", echo), capability("search", search), *others]
