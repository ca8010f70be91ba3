"""The small world that most tests search."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mcp_gateway_search.tests.world import FILMS, OFFERS, World, open_world


@pytest.fixture(scope="package")
async def films(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A few films and series with offers; tests only read."""
    async with open_world(tmp_path_factory.mktemp("films"), FILMS) as world:
        await world.catalog.put_offers(OFFERS)
        assert await world.keeper.catch_up()
        yield world
