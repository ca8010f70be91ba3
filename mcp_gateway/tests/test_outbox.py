"""The outbox: what is committed goes out, in order, once per reader, whatever crashes or interleaves."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import anyio
import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from mcp_gateway.bus.follower import Follower, Tail, follow_as
from mcp_gateway.bus.outbox import END, Fact, Outbox, Position, append, append_facts, on_commit
from mcp_gateway.bus.positions import Positions
from mcp_gateway.catalog.events import Event
from mcp_gateway.errors import Unavailable
from mcp_gateway.storage.engine import Database, open_database
from mcp_gateway.storage.migrations import CORE_BRANCH, migrate

pytestmark = pytest.mark.anyio

SECONDS = 30
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Noted(Event):
    """A fact of these tests."""

    event_type: ClassVar[str] = "test.noted"
    number: int

    @property
    def subject(self) -> str:
        """Every fact is about itself."""
        return str(self.number)

    def event_id(self) -> str:
        """The number."""
        return f"noted:{self.number}"


class Other(Noted):
    """A fact of another type."""

    event_type: ClassVar[str] = "test.other"


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    async with open_database(url) as db:
        await migrate(db, dict([CORE_BRANCH]))
        yield db


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with opened(database_url) as db:
        yield db


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Database]:
    async with opened(postgres_url) as db:
        yield db


@asynccontextmanager
async def tailed(db: Database) -> AsyncIterator[tuple[Outbox, Tail]]:
    """The outbox and its tail, which looks by itself."""
    outbox = Outbox(db)
    tail = Tail(outbox, poll_seconds=0.02)
    with on_commit(db, tail.wake):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tail.run)
            yield outbox, tail
            tasks.cancel_scope.cancel()


async def note(db: Database, *numbers: int, at: datetime = NOW) -> None:
    async with db.transaction() as tx:
        await append(tx, [Noted(number=number) for number in numbers], now=at)


async def numbers_after(outbox: Outbox, position: Position) -> list[int]:
    return [event.data["number"] for _, event in await outbox.read(position, max_events=10_000)]


async def take(follower: Follower, count: int) -> list[int]:
    """Receive so many events, acknowledging each batch; their numbers."""
    numbers: list[int] = []
    with anyio.fail_after(SECONDS):
        while len(numbers) < count:
            numbers += [event.data["number"] for event in await follower.receive()]
            await follower.acknowledge()
    return numbers


# --- Writing and reading


async def test_events_are_read_in_the_order_they_were_written_with_all_they_said(db: Database) -> None:
    moment = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)
    await note(db, 2, 1, at=moment)
    await note(db, 3)

    rows = await Outbox(db).read(Position(), max_events=10)

    assert [event.data for _, event in rows] == [{"number": 2}, {"number": 1}, {"number": 3}]
    first = rows[0][1]
    assert (first.id, first.type, first.subject, first.time) == ("noted:2", "test.noted", "2", moment)
    assert [position for position, _ in rows] == sorted(position for position, _ in rows)


async def test_an_event_whose_transaction_is_rolled_back_never_was(db: Database) -> None:
    with pytest.raises(RuntimeError, match="changed my mind"):
        async with db.transaction() as tx:
            await append(tx, [Noted(number=1)], now=NOW)
            raise RuntimeError("changed my mind")
    await note(db, 2)

    assert await numbers_after(Outbox(db), Position()) == [2]


@pytest.mark.parametrize("rows", [0, 200])
async def test_whatever_an_event_says_is_read_as_it_was_written_however_many_there_are(db: Database, rows: int) -> None:
    said = [*map(str, range(rows)), "", "NULL", '{"a,b"}', "\\N \t \n \\\\", "'\u00fc\U0001f3ac"]
    facts = [Fact(text, "test.said", text, orjson.dumps({"text": text}).decode()) for text in said]
    async with db.transaction() as tx:
        await append_facts(tx, facts, now=NOW)

    found = await Outbox(db).read(Position(), max_events=1000)

    assert [(event.id, event.subject, event.data["text"]) for _, event in found] == [
        (text, text, text) for text in said
    ]


@pytest.mark.parametrize("trouble", ["cancelled", "terminated"])
@pytest.mark.parametrize("count", [1, 200])
async def test_events_that_are_cut_off_while_they_are_written_never_were(
    postgres: Database, trouble: str, count: int
) -> None:
    cut_off = anyio.Event()

    async def write() -> None:
        try:
            await note(postgres, *range(1000, 1000 + count))
        except Unavailable:
            assert trouble == "terminated"
        finally:
            cut_off.set()

    with anyio.fail_after(SECONDS):
        async with postgres.transaction() as other, anyio.create_task_group() as tasks:
            await note(postgres, *range(count))  # the driver has asked for the types of the columns by now
            await other.execute(text("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE"))
            tasks.start_soon(write)
            while (writer := await _who_waits(other)) is None:  # noqa: ASYNC110 - seen from outside
                await anyio.sleep(0.01)
            if trouble == "cancelled":
                tasks.cancel_scope.cancel()
            else:
                await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": writer})
                await cut_off.wait()
        await note(postgres, 2)

    assert await numbers_after(Outbox(postgres), Position()) == [*range(count), 2]


async def _who_waits(connection: AsyncConnection) -> int | None:
    """The server process that waits to write events."""
    waits = text("SELECT pid FROM pg_locks WHERE relation = 'outbox'::regclass AND NOT granted")
    pid: int | None = (await connection.execute(waits)).scalar()
    return pid


async def test_appending_nothing_is_fine(db: Database) -> None:
    await note(db)

    assert await Outbox(db).end() == Position()


async def test_ids_are_not_used_again_after_trimming(db: Database) -> None:
    outbox = Outbox(db)
    await note(db, 1, 2)
    end = await outbox.end()

    assert await outbox.trim(end, before=NOW + timedelta(hours=1)) == 2
    await note(db, 3)

    assert await numbers_after(outbox, end) == [3]


async def test_trimming_forgets_only_what_is_both_old_and_read(db: Database) -> None:
    outbox = Outbox(db)
    await note(db, 1, 2, at=NOW - timedelta(hours=2))
    read = await outbox.end()
    await note(db, 3, at=NOW - timedelta(hours=2))
    await note(db, 4, at=NOW)

    assert await outbox.trim(read, before=NOW - timedelta(hours=1)) == 2
    assert await numbers_after(outbox, Position()) == [3, 4]
    assert await outbox.trim(END, before=NOW - timedelta(hours=1)) == 1
    assert await numbers_after(outbox, Position()) == [4]


async def test_trimming_takes_no_lock_while_nothing_is_old(db: Database) -> None:
    outbox = Outbox(db)
    await note(db, 1, at=NOW)

    async with db.transaction():  # whoever needs the lock now waits for us
        with anyio.fail_after(5):
            assert await outbox.trim(END, before=NOW - timedelta(hours=1)) == 0


async def test_many_events_are_trimmed_in_bounded_steps(db: Database) -> None:
    outbox = Outbox(db)
    await note(db, *range(12_000))

    assert await outbox.trim(END, before=NOW + timedelta(seconds=1)) == 12_000


async def test_the_backlog_counts_what_is_behind_a_position_and_its_age(db: Database) -> None:
    outbox = Outbox(db)
    await note(db, 1)
    position = await outbox.end()
    await note(db, 2, at=NOW + timedelta(seconds=5))
    await note(db, 3, at=NOW + timedelta(seconds=7))

    backlog = await outbox.backlog(position)

    assert (backlog.events, backlog.oldest_at) == (2, NOW + timedelta(seconds=5))
    assert (await outbox.backlog(await outbox.end())).oldest_at is None


# --- The order of commits on PostgreSQL


async def test_an_event_committed_after_one_with_a_higher_id_is_not_skipped(postgres: Database) -> None:
    """The trap of every outbox that is read by `id > last`: here the first id is committed last."""
    outbox = Outbox(postgres)
    async with postgres.transaction() as slow:
        await append(slow, [Noted(number=1)], now=NOW)
        await note(postgres, 2)

        async with postgres.reading() as connection:
            naive = (await connection.execute(text("SELECT max(id) FROM outbox"))).scalar_one()
        assert naive == 2, "a reader that remembers the last id would now stand behind the first event"
        seen = await outbox.read(Position(), max_events=10)
        assert seen == [], "nothing may be read while an older transaction can still commit"

    assert await numbers_after(outbox, Position()) == [1, 2]


async def test_concurrent_writers_lose_no_event_and_repeat_none(postgres: Database) -> None:
    """8 writers that commit late and out of order; read by `id > last`, a quarter of their events were lost."""
    writers, each, per_commit = 8, 40, 3
    luck = random.Random(7)  # noqa: S311 - no secret
    total = writers * each * per_commit

    async def write(writer: int) -> None:
        for turn in range(each):
            first = (writer * each + turn) * per_commit
            async with postgres.transaction() as tx:
                await append(tx, [Noted(number=first + n) for n in range(per_commit)], now=NOW)
                for _ in range(luck.randrange(8)):
                    await anyio.lowlevel.checkpoint()
                await tx.execute(text("SELECT pg_sleep(:pause)"), {"pause": luck.random() / 200})

    async with tailed(postgres) as (outbox, tail), anyio.create_task_group() as tasks:
        for writer in range(writers):
            tasks.start_soon(write, writer)
        numbers = await take(Follower(outbox, tail, (), start=Position()), total)

    assert sorted(numbers) == list(range(total))
    for writer in range(writers):
        own = [number for number in numbers if number // (each * per_commit) == writer]
        assert own == sorted(own)


async def test_events_of_a_dump_restored_on_a_younger_server_are_read(postgres: Database) -> None:
    """There, transaction numbers begin anew, and old rows seem to come from the future."""
    outbox, positions = Outbox(postgres), Positions(postgres, holder="me", lease_seconds=10)
    await note(postgres, 1)
    await positions.ensure("relay")
    async with postgres.transaction() as tx:
        await tx.execute(text("UPDATE outbox SET xid = '4000000000'"))
        await tx.execute(text("UPDATE event_positions SET xid = 4000000000, id = 1"))

    await outbox.adopt_restored()
    await note(postgres, 2)

    assert await numbers_after(outbox, await positions.look("relay")) == [1, 2]


async def test_reading_after_a_position_uses_the_index(postgres: Database) -> None:
    from mcp_gateway.bus.outbox import _POSTGRESQL

    await note(postgres, *range(2000))
    async with postgres.transaction() as tx:
        await tx.execute(text("ANALYZE outbox"))
        plan = await tx.execute(text("EXPLAIN " + _POSTGRESQL["read"]), {"xid": "5", "id": 1, "limit": 100})

    assert any("outbox_in_order" in row[0] and "Index Scan" in row[0] for row in plan)


# --- Following


async def test_a_follower_hears_of_a_commit_without_waiting_for_the_next_poll(db: Database) -> None:
    outbox = Outbox(db)
    tail = Tail(outbox, poll_seconds=3600)
    with on_commit(db, tail.wake):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tail.run)
            await anyio.wait_all_tasks_blocked()
            await note(db, 1)

            assert await take(Follower(outbox, tail, (), start=Position()), 1) == [1]
            tasks.cancel_scope.cancel()


async def test_a_follower_hears_of_what_another_connection_pool_wrote(db: Database, database_url: str) -> None:
    async with tailed(db) as (outbox, tail), opened(database_url) as elsewhere:
        await note(elsewhere, 1)

        assert await take(Follower(outbox, tail, (), start=Position()), 1) == [1]


async def test_a_named_follower_goes_on_where_it_left_off(db: Database) -> None:
    positions = Positions(db, holder="me", lease_seconds=10)
    async with tailed(db) as (outbox, tail):
        await note(db, 1, 2)
        async with follow_as("g", outbox=outbox, tail=tail, types=(), positions=positions) as follower:
            assert await take(follower, 2) == [1, 2]
        await note(db, 3)
        async with follow_as("g", outbox=outbox, tail=tail, types=(), positions=positions) as follower:
            assert await take(follower, 1) == [3]
            await note(db, 4)
            with anyio.fail_after(SECONDS):
                await follower.receive()  # and leaves without acknowledging
        async with follow_as("g", outbox=outbox, tail=tail, types=(), positions=positions) as follower:
            assert await take(follower, 1) == [4]


async def test_a_named_follower_passes_by_what_it_did_not_ask_for_once(db: Database) -> None:
    positions = Positions(db, holder="me", lease_seconds=10)
    async with (
        tailed(db) as (outbox, tail),
        follow_as("g", outbox=outbox, tail=tail, types=["test.other"], positions=positions) as follower,
    ):
        await note(db, *range(250))
        async with db.transaction() as tx:
            await append(tx, [Other(number=1)], now=NOW)
        assert await take(follower, 1) == [1]
        await note(db, 3)
        with anyio.fail_after(SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(follower.receive)
                while await positions.look("g") != await outbox.end():  # noqa: ASYNC110 - seen from outside
                    await anyio.sleep(0.01)
                tasks.cancel_scope.cancel()


async def test_of_two_processes_under_one_name_one_is_at_work_and_the_other_takes_over(db: Database) -> None:
    one = Positions(db, holder="one", lease_seconds=0.2)
    other = Positions(db, holder="other", lease_seconds=0.2)
    async with tailed(db) as (outbox, tail):
        await note(db, 1)
        async with follow_as("g", outbox=outbox, tail=tail, types=(), positions=other) as waiting:
            async with follow_as("g", outbox=outbox, tail=tail, types=(), positions=one) as working:
                with anyio.fail_after(SECONDS):
                    await working.receive()
                with anyio.move_on_after(0.6) as in_vain:  # three leases long: the hold is renewed
                    await waiting.receive()
                assert in_vain.cancelled_caught
            assert await take(waiting, 1) == [1]


async def test_a_follower_that_lost_its_hold_moves_nothing_and_sees_the_events_again(db: Database) -> None:
    suspended = Positions(db, holder="suspended", lease_seconds=60)
    async with tailed(db) as (outbox, tail):
        await note(db, 1)
        async with follow_as("g", outbox=outbox, tail=tail, types=(), positions=suspended) as follower:
            with anyio.fail_after(SECONDS):
                await follower.receive()
            async with db.transaction() as tx:
                await tx.execute(text("UPDATE event_positions SET holder = 'somebody else'"))

            await follower.acknowledge()

            assert await suspended.look("g") == Position()
            async with db.transaction() as tx:
                await tx.execute(text("UPDATE event_positions SET held_until_us = 0"))
            assert await take(follower, 1) == [1]


_KILLED = """
import sys, anyio
from mcp_gateway.bus.follower import Tail, follow_as
from mcp_gateway.bus.outbox import Outbox
from mcp_gateway.bus.positions import Positions
from mcp_gateway.storage.engine import open_database
from mcp_gateway.tests.test_outbox import note

async def main():
    async with open_database(sys.argv[1]) as db:
        await note(db, 1, 2)
        print("committed", flush=True)
        if sys.argv[2] == "before publishing":
            await anyio.sleep_forever()
        outbox = Outbox(db)
        tail = Tail(outbox, poll_seconds=0.01)
        await tail.look()
        positions = Positions(db, holder="killed", lease_seconds=0.5)
        async with follow_as("g", outbox=outbox, tail=tail, types=(), positions=positions) as follower:
            await follower.receive()
            print("handling", flush=True)
            await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.mark.parametrize("moment", ["before publishing", "while handling"])
async def test_what_a_killed_process_committed_or_was_handling_comes_to_the_next(
    db: Database, database_url: str, moment: str
) -> None:
    process = await anyio.to_thread.run_sync(_run_until_killed, database_url, moment)
    assert process == -signal.SIGKILL

    positions = Positions(db, holder="next", lease_seconds=0.5)
    async with (
        tailed(db) as (outbox, tail),
        follow_as("g", outbox=outbox, tail=tail, types=(), positions=positions) as follower,
    ):
        assert await take(follower, 2) == [1, 2]


def _run_until_killed(url: str, moment: str) -> int:
    with subprocess.Popen([sys.executable, "-c", _KILLED, url, moment], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        last = "handling" if moment == "while handling" else "committed"
        while line := process.stdout.readline():
            if line.strip() == last:
                break
        process.kill()
        return process.wait()
