"""What goes wrong with databases: each gives one clear line, and nothing half-written."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from sqlalchemy import text

from mcp_gateway.errors import StorageError, Unavailable
from mcp_gateway.storage.engine import Database, open_database
from mcp_gateway.tests.servers import PostgresServer

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]

# Opens the database named second as an ordinary user; the libraries may lie where only root can read them.
_OPEN_AS_USER = """
import anyio, os, sys
from mcp_gateway.errors import StorageError
from mcp_gateway.storage.engine import open_database

async def use(url):
    async with open_database(url) as db:
        await db.ping()

anyio.run(use, sys.argv[1])
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    anyio.run(use, sys.argv[2])
except StorageError as error:
    print(error)
"""

# Commits rows one by one, and is killed in the middle of a transaction.
_DIE_WRITING = """
import anyio, os, signal, sys
from sqlalchemy import text
from mcp_gateway.storage.engine import open_database

async def main(url):
    async with open_database(url) as db:
        async with db.transaction() as tx:
            await tx.execute(text("CREATE TABLE t (a INTEGER)"))
        async with db.transaction() as tx:
            await tx.execute(text("INSERT INTO t VALUES (1)"))
        async with db.transaction() as tx:
            await tx.execute(text("INSERT INTO t VALUES (:a)"), [{"a": a} for a in range(10_000)])
            os.kill(os.getpid(), signal.SIGKILL)

anyio.run(main, sys.argv[1])
"""


async def refusal(url: str, busy_seconds: float = 5) -> str:
    """What opening the database says; one line."""
    with anyio.fail_after(20), pytest.raises(StorageError) as refused:
        async with open_database(url, busy_seconds=busy_seconds):
            pass
    message = str(refused.value)
    assert "\n" not in message
    return message


def refusal_to_a_user(tmp_path: Path, url: str) -> str:
    """What opening the database says to somebody who is not root."""
    done = subprocess.run(
        [sys.executable, "-c", _OPEN_AS_USER, f"sqlite:///{tmp_path / 'warm'}", url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter and read."""
    with tempfile.TemporaryDirectory(prefix="media-gateway-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


async def words(db: Database, statement: str) -> list[object]:
    async with db.reading() as connection:
        return list((await connection.execute(text(statement))).scalars())


async def test_a_missing_file_is_made_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a ?#%41 name.sqlite3"

    async with open_database(f"sqlite:///{path}") as db:
        await db.ping()

    assert path.is_file()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("a shopping list\n" * 100)

    assert await refusal(f"sqlite:///{path}") == (
        f"{path} is not a SQLite database; name another file in storage.url, or move this one away."
    )
    assert path.read_text() == "a shopping list\n" * 100


async def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    data = bytearray(path.read_bytes())
    data[100:200] = b"\xff" * 100
    path.write_bytes(data)

    assert "is damaged; restore it from a backup" in await refusal(f"sqlite:///{path}")


async def test_a_folder_or_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert f"{tmp_path} is a folder; name a file in it" in await refusal(f"sqlite:///{tmp_path}")
    assert f"{tmp_path / 'file'} cannot be made" in await refusal(f"sqlite:///{tmp_path / 'file' / 'db'}")


async def test_a_file_that_another_process_keeps_locked_is_refused_in_time(tmp_path: Path) -> None:
    path = tmp_path / "db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    message = await refusal(f"sqlite:///{path}", busy_seconds=0.2)

    assert message == f"{path} is locked by another process; stop that process, or wait until it is done."
    holder.close()
    async with open_database(f"sqlite:///{path}") as db:
        await db.ping()


async def test_writing_waits_for_another_process_and_then_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "db"
    async with open_database(f"sqlite:///{path}", busy_seconds=0.2) as db:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")

        with anyio.fail_after(10):
            await db.ping()
            with pytest.raises(Unavailable):
                async with db.transaction():
                    pass

        holder.close()
        async with db.transaction() as tx:
            await tx.execute(text("CREATE TABLE t (a)"))


async def test_waiting_for_another_process_can_be_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "db"
    async with open_database(f"sqlite:///{path}", busy_seconds=600) as db:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")

        with anyio.fail_after(10):
            with anyio.move_on_after(0.1) as scope:
                async with db.transaction():
                    pass
            holder.close()
            async with db.transaction():
                pass

    assert scope.cancelled_caught


def test_a_read_only_or_unreadable_file_or_folder_says_what_to_change(open_folder: Path) -> None:
    shut = open_folder / "shut"
    shut.mkdir(mode=0o755)
    path = shut / "db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    if os.geteuid() != 0:
        shut.chmod(0o555)
    path.chmod(0o444)

    in_folder = refusal_to_a_user(open_folder, f"sqlite:///{shut / 'other'}")
    of_file = refusal_to_a_user(open_folder, f"sqlite:///{path}")
    below = refusal_to_a_user(open_folder, f"sqlite:///{shut / 'more' / 'db'}")
    path.chmod(0o000)
    unreadable = refusal_to_a_user(open_folder, f"sqlite:///{path}")

    shut.chmod(0o755)
    assert in_folder == f"{shut / 'other'} is read-only; make the file and its folder writable for this user."
    assert of_file == f"{path} is read-only; make the file and its folder writable for this user."
    assert below == f"{shut / 'more'} cannot be made (Permission denied); name another folder in storage.url."
    assert unreadable.startswith(f"{path} cannot be read by this user; change its permissions")


async def test_a_full_disk_makes_writing_unavailable_and_loses_nothing(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_database(f"sqlite:///{small_disk / 'db'}") as db:
        async with db.transaction() as tx:
            await tx.execute(text("CREATE TABLE t (a)"))
            await tx.execute(text("INSERT INTO t VALUES ('kept')"))

        with pytest.raises(Unavailable):
            async with db.transaction() as tx:
                await tx.execute(text("INSERT INTO t VALUES (zeroblob(2000000))"))

        assert "disk is full; make room" in str([record.__dict__ for record in caplog.records])
        assert await words(db, "SELECT a FROM t") == ["kept"]
        async with db.transaction() as tx:
            await tx.execute(text("INSERT INTO t VALUES ('after')"))


async def test_a_full_disk_refuses_to_start_with_a_clear_line(small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        (small_disk / "filler").write_bytes(b"x" * 2_000_000)

    message = await refusal(f"sqlite:///{small_disk / 'db'}")

    assert "disk is full; make room" in message or "check the disk and the space on it" in message


async def test_a_process_killed_in_a_transaction_leaves_what_it_committed(database_url: str) -> None:
    killed = await anyio.run_process([sys.executable, "-c", _DIE_WRITING, database_url], cwd=ROOT, check=False)

    assert killed.returncode == -signal.SIGKILL
    async with open_database(database_url) as db:
        assert await words(db, "SELECT a FROM t") == [1]
        async with db.transaction() as tx:
            await tx.execute(text("INSERT INTO t VALUES (2)"))
        if db.dialect == "sqlite":
            assert await words(db, "PRAGMA integrity_check") == ["ok"]


async def test_a_postgresql_that_cannot_be_used_says_why_and_not_the_password(postgres_server: PostgresServer) -> None:
    postgres_server.sql("CREATE ROLE guarded LOGIN PASSWORD 'right'")
    at = f"PostgreSQL at 127.0.0.1:{postgres_server.port}"

    wrong = await refusal(postgres_server.url_of("postgres", "guarded:hunter2"))
    nobody = await refusal(postgres_server.url_of("postgres", "stranger:hunter2"))
    missing = await refusal(postgres_server.url_of("nowhere"))
    refused = await refusal("postgresql://u:hunter2@127.0.0.1:1/db")

    assert wrong == nobody == f"{at} refuses the user or the password; correct storage.url."
    assert missing == f"{at} has no database 'nowhere'; create it, or correct storage.url."
    assert refused == "PostgreSQL at 127.0.0.1:1 does not answer; start it, or correct storage.url."
    async with open_database(postgres_server.url_of("postgres", "guarded:right")) as db:
        await db.ping()
    postgres_server.sql("DROP ROLE guarded")


async def test_a_pool_survives_a_restart_of_postgresql(own_postgres_server: PostgresServer) -> None:
    async with open_database(own_postgres_server.url, pool_size=5) as db:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(db.ping)
        await anyio.to_thread.run_sync(own_postgres_server.stop)

        for _ in range(3):
            with pytest.raises(Unavailable):
                await db.ping()

        await anyio.to_thread.run_sync(own_postgres_server.start)
        for _ in range(6):
            await db.ping()


async def test_a_statement_whose_server_dies_is_unavailable_and_the_next_works(
    own_postgres_server: PostgresServer,
) -> None:
    failed: list[Unavailable] = []

    async def wait_for_ever(db: Database) -> None:
        try:
            async with db.transaction() as tx:
                await tx.execute(text("SELECT pg_sleep(3600)"))
        except Unavailable as error:
            failed.append(error)

    async with open_database(own_postgres_server.url) as db:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait_for_ever, db)
                running = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
                while not await words(db, running):
                    pass
                await anyio.to_thread.run_sync(own_postgres_server.stop)
        await anyio.to_thread.run_sync(own_postgres_server.start)
        await db.ping()

    assert len(failed) == 1
    assert "pg_sleep" not in str(failed[0])


async def test_a_deadlock_is_unavailable_for_one_of_the_two(postgres_url: str) -> None:
    outcomes: list[str] = []

    async def lock_both(db: Database, first: int, own: anyio.Event, other: anyio.Event) -> None:
        statement = text("UPDATE t SET b = b + 1 WHERE a = :a")
        try:
            async with db.transaction() as tx:
                await tx.execute(statement, {"a": first})
                own.set()
                await other.wait()
                await tx.execute(statement, {"a": 3 - first})
            outcomes.append("done")
        except Unavailable:
            outcomes.append("unavailable")

    async with open_database(postgres_url) as db:
        async with db.transaction() as tx:
            await tx.execute(text("CREATE TABLE t AS SELECT 1 AS a, 0 AS b UNION SELECT 2, 0"))
        one, two = anyio.Event(), anyio.Event()
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lock_both, db, 1, one, two)
                tasks.start_soon(lock_both, db, 2, two, one)

    assert sorted(outcomes) == ["done", "unavailable"]
