"""One gateway for the tests of a module: starting it takes longer than most of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from mcp_gateway_auth.tests.server_world import World, signing_in


@pytest.fixture(scope="module")
async def shared_world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A gateway that signs people in."""
    async with signing_in(tmp_path_factory.mktemp("auth")) as world:
        yield world


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """The same, an hour later: allowances that a test used up have come back."""
    yield shared_world
    shared_world.clock.advance(3600)
