"""Transactions and reads, the same on both databases."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import enumerate as enumerate_threads

import anyio
import anyio.lowlevel
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from mcp_gateway.errors import SettingsError, Unavailable
from mcp_gateway.storage.engine import Database, open_database

pytestmark = pytest.mark.anyio

NOTES = Table("notes", MetaData(), Column("id", Integer, primary_key=True), Column("words", Text))
COUNT = select(func.count()).select_from(NOTES)

# Never ends by itself.
ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO notes SELECT i, 'x' FROM n",
    "postgresql": "SELECT pg_sleep(3600)",
}


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, pool_size=4, busy_seconds=5) as db:
        async with db.transaction() as tx:
            await tx.run_sync(NOTES.create)
        yield db


async def count(db: Database) -> int:
    async with db.reading() as connection:
        return int((await connection.execute(COUNT)).scalar_one())


async def add(db: Database, number: int) -> None:
    async with db.transaction() as tx:
        await tx.execute(insert(NOTES), {"id": number, "words": "w"})


async def test_leaving_a_transaction_commits_it(db: Database) -> None:
    await add(db, 1)

    assert await count(db) == 1
    assert db.engine.dialect.name == db.dialect


async def test_an_error_rolls_all_of_a_transaction_back(db: Database) -> None:
    with pytest.raises(LookupError):
        async with db.transaction() as tx:
            await tx.execute(insert(NOTES), {"id": 1, "words": "w"})
            await tx.run_sync(Table("more", MetaData(), Column("id", Integer)).create)
            raise LookupError

    assert await count(db) == 0
    async with db.transaction() as tx:
        await tx.run_sync(Table("more", MetaData(), Column("id", Integer)).create)


async def test_a_caller_sees_its_own_errors_as_they_are(db: Database) -> None:
    await add(db, 1)

    with pytest.raises(IntegrityError):
        await add(db, 1)
    with pytest.raises(ConnectionResetError):
        async with db.transaction():
            raise ConnectionResetError


async def test_a_reader_sees_one_state_while_a_writer_commits(db: Database) -> None:
    await add(db, 1)

    async with db.reading() as connection:
        before = (await connection.execute(COUNT)).scalar_one()
        with anyio.fail_after(5):
            await add(db, 2)
        after = (await connection.execute(COUNT)).scalar_one()

    assert before == after == 1
    assert await count(db) == 2


async def test_readers_do_not_wait_for_an_open_write_transaction(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(insert(NOTES), {"id": 1, "words": "w"})
        with anyio.fail_after(5):
            assert await count(db) == 0


async def test_a_reading_transaction_cannot_write_and_that_is_the_programs_fault(db: Database) -> None:
    with pytest.raises(DBAPIError, match=r"read-only|readonly"):
        async with db.reading() as connection:
            await connection.execute(insert(NOTES), {"id": 1, "words": "w"})

    await add(db, 1)
    assert await count(db) == 1


async def test_many_writers_at_once_all_succeed(db: Database) -> None:
    async def add_up() -> None:
        for _ in range(5):
            async with db.transaction() as tx:
                row = select(NOTES.c.words).where(NOTES.c.id == 1).with_for_update()
                words = (await tx.execute(row)).scalar_one()
                await tx.execute(update(NOTES).where(NOTES.c.id == 1).values(words=str(int(words) + 1)))

    async with db.transaction() as tx:
        await tx.execute(insert(NOTES), {"id": 1, "words": "0"})
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(add_up)

    async with db.reading() as connection:
        assert (await connection.execute(select(NOTES.c.words))).scalar_one() == "100"


async def test_more_readers_than_connections_wait_in_line(db: Database) -> None:
    seen: list[int] = []

    async def look() -> None:
        seen.append(await count(db))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(look)

    assert seen == [0] * 50


async def test_a_cancelled_statement_ends_and_its_transaction_is_rolled_back(db: Database) -> None:
    with anyio.fail_after(20):
        with anyio.move_on_after(0.2) as scope:
            async with db.transaction() as tx:
                await tx.execute(insert(NOTES), {"id": 0, "words": "w"})
                await tx.execute(text(ENDLESS[db.dialect]))
        await add(db, 1)

    assert scope.cancelled_caught
    assert await count(db) == 1


async def test_postgresql_does_not_go_on_with_a_cancelled_statement(postgres_url: str) -> None:
    running = text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'")
    async with open_database(postgres_url) as db:
        with anyio.fail_after(20):
            with anyio.move_on_after(0.2):
                async with db.transaction() as tx:
                    await tx.execute(text("SELECT pg_sleep(3600)"))
            async with db.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                while (await connection.execute(running)).scalar_one():
                    pass


async def test_a_transaction_cancelled_between_statements_is_rolled_back(db: Database) -> None:
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:

            async def stop_half_way() -> None:
                async with db.transaction() as tx:
                    await tx.execute(insert(NOTES), {"id": 1, "words": "w"})
                    tasks.cancel_scope.cancel()
                    await anyio.sleep_forever()

            tasks.start_soon(stop_half_way)
        await add(db, 2)

    assert await count(db) == 1


@pytest.mark.parametrize("steps", range(0, 40, 3))
def test_a_task_cancelled_while_it_connects_leaves_no_thread_behind(tmp_path: Path, steps: int) -> None:
    """SQLAlchemy gives the connection up by closing it twice; the event loop has to end all the same."""

    async def main() -> None:
        async with open_database(f"sqlite:///{tmp_path / 'x.sqlite3'}") as db, anyio.create_task_group() as tasks:
            tasks.start_soon(db.ping)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()

    with ThreadPoolExecutor(1) as own_loop:
        own_loop.submit(anyio.run, main).result(timeout=20)

    assert not [thread for thread in enumerate_threads() if "_connection_worker_thread" in thread.name]


async def test_cancelling_who_waits_for_a_connection_harms_nobody(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(insert(NOTES), {"id": 1, "words": "w"})
        async with anyio.create_task_group() as tasks:
            for number in range(2, 12):
                tasks.start_soon(add, db, number)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

    await add(db, 100)
    assert await count(db) >= 2


async def test_values_are_not_logged_when_the_database_fails(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    async with open_database(url_of(db), busy_seconds=0.1) as other, db.transaction() as tx:
        await tx.execute(insert(NOTES), {"id": 1, "words": "w"})
        with pytest.raises(Unavailable) as caught:
            async with other.transaction() as late:
                await late.execute(insert(NOTES), {"id": 1, "words": "secret"})

    assert "secret" not in caplog.text + str(caught.value.payload())
    assert "INSERT" not in caplog.text + str(caught.value)
    assert str(caught.value) == "The database is not available at the moment; try again later."


async def test_running_out_of_connections_is_unavailable(database_url: str) -> None:
    async with (
        open_database(database_url, pool_size=1, busy_seconds=0.1) as db,
        db.reading(),
    ):
        with pytest.raises(Unavailable, match="busy"):
            async with db.reading():
                pass


async def test_a_ping_is_answered(db: Database) -> None:
    await db.ping()


async def test_bulk_inserts_take_many_rows_in_one_statement(db: Database) -> None:
    rows = [{"id": number, "words": f"word {number}"} for number in range(50_000)]

    async with db.transaction() as tx:
        await tx.execute(insert(NOTES), rows)

    assert await count(db) == 50_000


@pytest.mark.parametrize("rows", [0, 1, 999, 1000, 1001, 2500])
async def test_results_of_every_size_are_read_whole_in_each_way(db: Database, rows: int) -> None:
    numbers = list(range(rows))
    query = select(NOTES.c.id).order_by(NOTES.c.id)
    async with db.transaction() as tx:
        await tx.execute(insert(NOTES), [{"id": number, "words": ""} for number in numbers] or {"id": -1, "words": ""})
        await tx.execute(delete(NOTES).where(NOTES.c.id < 0))

    async with db.reading() as connection:
        at_once = (await connection.execute(query)).scalars().all()
        streamed = [row.id async for row in await connection.stream(query)]
        first = (await connection.execute(query)).scalars().first()
        async with connection.stream(query) as unfinished:
            some = await unfinished.fetchmany(700)
        again = (await connection.execute(query)).scalars().all()

    assert at_once == streamed == again == numbers
    assert first == (0 if rows else None)
    assert [row.id for row in some] == numbers[:700]


async def test_counts_of_changed_rows_and_returned_rows_are_right(db: Database) -> None:
    rows = [{"id": number, "words": ""} for number in range(10, 1510)]
    async with db.transaction() as tx:
        assert (await tx.execute(insert(NOTES).values(words=""))).inserted_primary_key == (1,)
        assert len((await tx.execute(insert(NOTES).returning(NOTES.c.id), rows)).all()) == 1500
        assert (await tx.execute(update(NOTES).where(NOTES.c.id < 710).values(words="x"))).rowcount == 701
        assert (await tx.execute(delete(NOTES).where(NOTES.c.id < 0))).rowcount == 0

    assert await count(db) == 1501


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://u:hunter2@host/db", "begins with 'mysql'; use sqlite:///path/to/file or postgresql://"),
        ("postgres://u:hunter2@host/db", "Did you mean postgresql?"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("postgresql://u:hunter2@host:port/db", "is not as postgresql://"),
        ("postgresql://u:hunter2@host/db?sslmodus=x", "unknown option 'sslmodus'; known: sslmode, host"),
        ("", "begins with ''"),
    ],
)
async def test_a_url_that_cannot_work_is_refused_without_its_password(url: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        async with open_database(url):
            pass

    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)


def url_of(db: Database) -> str:
    url = db.engine.url.set(drivername=db.dialect)
    return url.render_as_string(hide_password=False)
