"""The process that builds a large index: what is found meanwhile, what is kept of its work, and when it is killed."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from mcp_gateway.background import BackgroundJobs
from mcp_gateway.catalog.store import Catalog
from mcp_gateway.clock import SystemClock
from mcp_gateway_search import building, keeper
from mcp_gateway_search.index_writer import Update
from mcp_gateway_search.tests.test_index_life import MANY, eventually, generations, not_now
from mcp_gateway_search.tests.world import open_catalogue, open_world, title, world_of

pytestmark = pytest.mark.anyio


async def test_of_a_large_new_catalogue_some_titles_are_found_while_another_process_builds(tmp_path: Path) -> None:
    async with open_catalogue(tmp_path) as catalog:
        await catalog.import_records(MANY)
        world = await world_of(catalog, tmp_path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(catalog, "elsewhere", not_now)
            assert not await world.keeper.catch_up()

        some = await world.search("film")
        assert some.total == keeper.FEW_TITLES
        assert "still being built" in (some.hint or "")
        assert "still being built" in ((await world.resolve("Film 2999")).hint or "")
        assert (await world.keeper.health())["index"] == "being built"
        assert await world.keeper.catch_up()

        whole = await world.search("film")
        assert (whole.total, whole.hint) == (len(MANY), None)
        assert (await world.resolve("Film 2999")).hint is None
        assert (await world.keeper.health())["index"] == "up to date"
        assert len(generations(tmp_path)) == 1


async def test_what_another_process_built_before_it_was_killed_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "TITLES_PER_COMMIT", 500)
    monkeypatch.setattr(building, "BATCH_TITLES", 500)
    async with open_catalogue(tmp_path) as catalog:
        for part in range(0, len(MANY), 500):
            await catalog.import_records(MANY[part : part + 500])
        world = await world_of(catalog, tmp_path)
        with monkeypatch.context() as patch, pytest.raises(MemoryError):
            patch.setattr(Update, "finish", no_memory)
            await world.build()
        world.index.refresh()
        (before,) = generations(tmp_path)
        assert world.index.manifest is not None
        assert world.index.manifest.revision > 0

        await world.build()

        assert generations(tmp_path) == [before]
        assert (await world.search("film")).total == len(MANY)


def no_memory(*_: object) -> None:
    """End in the middle."""
    raise MemoryError


async def test_when_the_process_that_builds_is_killed_the_old_index_serves_until_another_has_built(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path, [title("tt1", "Dune", 1984)]) as world, BackgroundJobs(SystemClock()) as jobs:
        await world.catalog.import_records(MANY)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(world.catalog, "elsewhere", partial(killed, world.catalog))
            jobs.for_plugin("search").start(world.keeper.run, name="index")
            await eventually(lambda: jobs.health()[0].failures)

            assert (jobs.health()[0].state, jobs.health()[0].last_error) == ("retrying", "EndedEarly")
            assert await world.ids("dune") == ["tt1"]
            assert (await world.keeper.health())["index"] == "behind"

        await eventually(lambda: world.index.size == len(MANY) + 1)
        assert await world.ids("dune") == ["tt1"]


async def killed(catalog: Catalog, _: object) -> None:
    """Work in another process that is killed at once."""
    await Catalog.elsewhere(catalog, kill_itself)


async def kill_itself(_: Catalog) -> None:
    """End as when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
