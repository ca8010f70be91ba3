"""Listings are kept up to date, whatever their sources do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import anyio
import pytest
from sqlalchemy import text

from mcp_gateway.tests.offer_replay import outbox_of
from mcp_gateway_ingestion.sync.service import Wish
from mcp_gateway_ingestion.sync.source import (
    CursorRejected,
    SourceBusy,
    SourceDown,
    SourceGarbled,
    SourcePage,
)

from .sync_world import RememberingSource, SyncWorld, sync_world

pytestmark = pytest.mark.anyio

DAY = 24 * 3600


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[SyncWorld]:
    async with sync_world(database_url) as world:
        world.source.put(*"abcdefghijkl")
        yield world


async def test_the_first_run_lists_everything_and_the_next_only_what_changed(world: SyncWorld) -> None:
    first = await world.run()
    assert (first.outcome, first.full, first.pages, first.payloads, first.changed) == ("done", True, 4, 12, 12)

    world.clock.advance(3600)
    world.source.put("a", prices={"Standard": 399})
    world.source.remove("b")
    second = await world.run()

    assert (second.outcome, second.full, second.ended) == ("done", False, 2)
    assert (await world.offered())["a"][0].price_minor == 399
    assert await world.is_right()


async def test_a_run_in_which_nothing_changed_tells_nothing(world: SyncWorld) -> None:
    await world.run()
    before = await outbox_of(world.db)
    world.clock.advance(3600)

    report = await world.run()

    assert (report.changed, report.ended, report.created, report.updated) == (0, 0, 0, 0)
    assert await outbox_of(world.db) == before


async def test_what_is_asked_for_overlaps_with_what_is_in(world: SyncWorld) -> None:
    started = world.clock.now()
    await world.run()
    world.clock.advance(3600)
    await world.run()

    assert world.source.asked[-1][0] == started - timedelta(hours=2)


@pytest.mark.parametrize(("days", "full"), [(30, False), (32, True), (300, True)])
async def test_a_run_that_comes_late_ends_complete(world: SyncWorld, days: int, full: bool) -> None:
    await world.run()
    world.source.put("z", prices={"Premium": 0})
    world.source.remove("a")
    world.clock.advance(days * DAY)
    world.source.put("y")

    report = await world.run()

    assert (report.outcome, report.full) == ("done", full)
    assert await world.is_right()


async def test_a_run_that_breaks_off_goes_on_where_it_was(world: SyncWorld) -> None:
    def fails_at_6(platform: str, cursor: str | None) -> None:
        if cursor == "6":
            raise SourceDown("The source answers 500.")

    world.source.fault = fails_at_6
    report = await world.run()
    assert (report.outcome, report.pages, report.error) == ("failed", 2, "The source answers 500.")
    assert len(await world.offered()) == 6

    world.source.fault = None
    world.clock.advance(120)
    report = await world.run()

    assert (report.outcome, report.pages) == ("done", 2)
    assert await world.is_right()


async def test_a_cursor_that_is_not_accepted_any_more_begins_the_listing_anew(world: SyncWorld) -> None:
    refused = iter([True])

    def forgets(platform: str, cursor: str | None) -> None:
        if cursor == "3" and next(refused, False):
            raise CursorRejected("expired")

    world.source.fault = forgets
    report = await world.run()

    assert report.outcome == "done"
    assert await world.is_right()


async def _hangs() -> SourcePage:
    await anyio.sleep_forever()
    raise AssertionError


TROUBLES: dict[str, tuple[Any, str]] = {
    "429": (SourceBusy("The source wants a pause.", retry_after_seconds=7200), "wants a pause"),
    "500": (SourceDown("The source answers 500."), "500"),
    "half a page": (SourceGarbled("The answer is not valid JSON."), "not valid JSON"),
    "a fault of its code": (ValueError("secret"), "ValueError"),
    "no page": ("page", "no page"),
    "the same cursor for ever": ("circle", "circles"),
    "empty pages for ever": ("empty", "circles"),
    "a clock ahead": ("ahead", "ahead"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_platform_in_trouble_delays_no_other_and_is_reported(
    sqlite_url: str, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    what, told = TROUBLES[trouble]
    async with sync_world(
        sqlite_url,
        lambda clock: RememberingSource(clock, covers={"acme": {"US", "DE"}, "other": {"US"}}),
    ) as world:
        world.source.put(*"abcdefgh")
        numbers = iter(range(1000, 10_000))

        def fault(platform: str, cursor: str | None) -> Any:
            if platform != "acme":
                return None
            if isinstance(what, Exception):
                raise what
            now = world.clock.now()
            if what == "circle":
                return SourcePage(payloads=[{"id": "a", "prices": {}}], observed_at=now, next_cursor="x")
            if what == "empty":
                return SourcePage(payloads=[], observed_at=now, next_cursor=str(next(numbers)))
            if what == "ahead":
                return SourcePage(payloads=[], observed_at=now + timedelta(days=400))
            return {"payloads": []}

        world.source.fault = fault
        reports = {report.target: report for report in await world.sync.sync(Wish())}
        outcomes = {(t.platform, t.region): report.outcome for t, report in reports.items()}

        assert outcomes[("other", "US")] == "done"
        assert {outcomes[("acme", "US")], outcomes[("acme", "DE")]} <= {"failed", "waiting"}
        assert any(told in (report.error or "") for report in reports.values())
        health = await world.sync.health()
        assert health["status"] == "degraded"
        assert any(told in str(each.get("error")) for each in health["in_trouble"])
        assert "secret" not in str(health)
        assert "source of availability failed" in caplog.text


async def test_a_source_that_hangs_is_given_up_and_delays_no_other_platform(sqlite_url: str) -> None:
    async with sync_world(
        sqlite_url, lambda clock: RememberingSource(clock, covers={"acme": {"US"}, "other": {"US"}})
    ) as world:
        world.source.put("a")
        done = anyio.Event()

        async def progress(target: Any, payloads: int, total: int | None) -> None:
            assert target.platform == "other"
            done.set()

        world.source.fault = lambda platform, cursor: _hangs() if platform == "acme" else None
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(world.sync.sync, Wish(), progress)
                await done.wait()
                tasks.cancel_scope.cancel()
        assert set(await world.offered()) == {"a"}


async def test_a_source_that_asks_for_a_pause_gets_it(world: SyncWorld) -> None:
    def busy(platform: str, cursor: str | None) -> None:
        raise SourceBusy("The source wants a pause.", retry_after_seconds=7200)

    world.source.fault = busy
    await world.run()
    asked = len(world.source.asked)

    world.source.fault = None
    world.clock.advance(7199)
    waiting = await world.run()
    await world.sync.sync_due("acme-api", "acme")
    assert (waiting.outcome, len(world.source.asked)) == ("waiting", asked)

    world.clock.advance(2)
    await world.sync.sync_due("acme-api", "acme")
    assert await world.is_right()
    assert (await world.sync.health())["status"] == "ok"


async def test_after_three_failures_a_platform_is_left_alone_in_all_regions(sqlite_url: str) -> None:
    regions = {"US", "DE", "FR", "GB", "IT"}
    async with sync_world(sqlite_url, lambda clock: RememberingSource(clock, covers={"acme": regions})) as world:

        def fails(platform: str, cursor: str | None) -> None:
            raise SourceDown("The source does not answer.")

        world.source.fault = fails
        await world.sync.sync_due("acme-api", "acme")

        assert len(world.source.asked) == 3


async def test_removals_in_masses_are_held_until_they_are_confirmed(world: SyncWorld) -> None:
    world.source.window = None  # every listing is whole
    await world.run()
    world.clock.advance(3600)
    world.source.remove("a", "b", "c")

    report = await world.run()
    assert (report.outcome, report.ended) == ("held", 3)
    assert len(await world.offered()) == 12
    assert (await world.sync.health())["in_trouble"][0]["removals_held"] == {"missed": 3, "standing": 12}

    world.clock.advance(3600)
    assert (await world.run()).outcome == "held"
    assert (await world.run(accept=["removals"])).outcome == "done"
    assert await world.is_right()
    assert (await world.sync.health())["status"] == "ok"


async def test_titles_that_were_missed_and_come_back_were_never_gone(world: SyncWorld) -> None:
    world.source.window = None
    await world.run()
    before = await outbox_of(world.db)
    full, world.source.shelf = world.source.shelf, {}
    world.clock.advance(3600)
    assert (await world.run()).outcome == "held"

    world.source.shelf = full
    world.clock.advance(3600)

    assert (await world.run()).outcome == "done"
    assert await outbox_of(world.db) == before


async def test_few_removals_are_not_held(world: SyncWorld) -> None:
    await world.run()
    world.clock.advance(3600)
    world.source.remove("a")

    assert (await world.run()).outcome == "done"
    assert await world.is_right()


async def test_many_new_titles_do_not_hide_that_the_old_ones_vanish(world: SyncWorld) -> None:
    world.source.window = None
    await world.run()
    world.clock.advance(3600)
    world.source.remove("a", "b", "c")
    world.source.put(*(f"new{number}" for number in range(40)))

    assert (await world.run()).outcome == "held"


async def test_an_offer_that_its_title_no_longer_has_ends(world: SyncWorld) -> None:
    world.source.put("a", prices={"Standard": 0, "Premium": 0})
    await world.run()
    world.clock.advance(3600)
    world.source.put("a", prices={"Premium": 0})

    report = await world.run()

    assert report.ended == 1
    assert [offer.tier for offer in (await world.offered())["a"]] == ["Premium"]


async def test_a_dry_run_says_what_would_happen_and_leaves_no_trace(world: SyncWorld) -> None:
    await world.run()
    before, states = await outbox_of(world.db), await world.sync.states()
    world.clock.advance(3600)
    world.source.put("a", prices={"Standard": 499})
    world.source.put("new")
    world.source.remove("b")

    report = await world.run(dry_run=True)

    assert (report.outcome, report.changed, report.ended, report.created) == ("dry_run", 2, 2, 1)
    assert await outbox_of(world.db) == before
    assert await world.sync.states() == states


async def test_payloads_that_cannot_be_used_are_kept_with_the_reason_until_they_are_right(world: SyncWorld) -> None:
    world.source.window = None
    world.source.shelf["bad"] = world.clock.now(), {"no": "id"}
    world.clock.advance(1)
    report = await world.run()
    assert (report.outcome, report.rejected) == ("done", 1)
    async with world.db.reading() as conn:
        rows = (await conn.execute(text("SELECT source, file, reason FROM ingestion_rejected_records"))).all()
    assert rows == [("acme-api", "acme/US", "id: is missing")]

    world.clock.advance(3600)
    del world.source.shelf["bad"]
    await world.run()

    async with world.db.reading() as conn:
        assert not (await conn.execute(text("SELECT * FROM ingestion_rejected_records"))).all()


async def test_fields_that_move_raise_an_alarm_until_they_are_accepted(world: SyncWorld) -> None:
    world.source.window, world.source.page_size = None, 50
    world.source.put(*(f"t{number:03}" for number in range(100)), title="x")
    await world.run()
    world.clock.advance(3600)
    for number in range(10):
        world.source.put(f"t{number:03}", name="x")

    report = await world.run()
    assert {drift.field for drift in report.drift} == {"name", "title"}
    assert (await world.sync.health())["in_trouble"][0]["fields_moved"]

    world.clock.advance(3600)
    assert (await world.run(accept=["shape"])).drift == []
    assert (await world.sync.health())["status"] == "ok"


async def test_one_process_at_a_time_syncs_a_listing(world: SyncWorld) -> None:
    """The second begins while the first waits for a page; afterwards the listing is free again."""
    second = SyncWorld(world.db, world.clock, *world.sources)
    outcomes = []

    async def other(target: Any, done: int, total: int | None) -> None:
        outcomes.append((await second.run()).outcome)

    await world.sync.sync(Wish(), other)

    assert outcomes == ["elsewhere"] * 4
    assert (await second.run()).outcome == "done"


async def test_a_run_whose_lease_was_taken_over_writes_nothing_more(world: SyncWorld) -> None:
    """As when a process was stopped for so long that another took the listing over."""
    second = SyncWorld(world.db, world.clock, *world.sources)
    taken_over: list[str] = []

    async def pause(target: Any, done: int, total: int | None) -> None:
        if not taken_over:
            world.clock.advance(DAY)
            taken_over.append((await second.run()).outcome)

    reports = await world.sync.sync(Wish(), pause)

    assert taken_over == ["done"]
    assert (reports[0].outcome, reports[0].pages) == ("elsewhere", 1)
    assert await world.is_right()


async def test_runs_come_every_hour(world: SyncWorld) -> None:
    await world.sync.sync_due("acme-api", "acme")
    asked = len(world.source.asked)
    world.clock.advance(3599)
    await world.sync.sync_due("acme-api", "acme")
    assert len(world.source.asked) == asked

    world.clock.advance(1)
    await world.sync.sync_due("acme-api", "acme")
    assert len(world.source.asked) > asked


async def test_a_cancelled_run_leaves_the_listing_free(world: SyncWorld) -> None:
    with anyio.CancelScope() as scope:

        async def cancel(target: Any, done: int, total: int | None) -> None:
            scope.cancel()
            await anyio.lowlevel.checkpoint()

        await world.sync.sync(Wish(), cancel)

    assert scope.cancelled_caught
    assert (await world.run()).outcome == "done"
    assert await world.is_right()
