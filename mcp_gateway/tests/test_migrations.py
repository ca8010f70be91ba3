"""Migrations: a branch each, whole or not at all, once however many start."""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from sqlalchemy import inspect, text

from mcp_gateway.errors import StorageError
from mcp_gateway.storage.engine import Database, open_database
from mcp_gateway.storage.migrations import CORE_BRANCH, BranchStatus, migrate, status

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]

CREATE = 'op.create_table("{table}", sa.Column("id", sa.Integer, primary_key=True))'
DIE = "import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)"

_MIGRATE = """
import anyio, sys
from pathlib import Path
from mcp_gateway.storage.engine import open_database
from mcp_gateway.storage.migrations import migrate

async def main(url, **branches):
    async with open_database(url) as db:
        await migrate(db, {name: Path(folder) for name, folder in branches.items()})
    print("alembic" in sys.modules)

anyio.run(lambda: main(sys.argv[1], **dict(pair.split("=") for pair in sys.argv[2:])))
"""


def write(folder: Path, revision: str, *upgrades: str, after: str | None = None) -> Path:
    """Write a version file; the folder."""
    folder.mkdir(exist_ok=True)
    body = "\n    ".join(upgrades or ["pass"])
    label = f'branch_labels = ("{folder.name}",)\n' if after is None else ""
    (folder / f"{revision}.py").write_text(
        f"import sqlalchemy as sa\nfrom alembic import op\n\n"
        f"revision: str = {revision!r}\ndown_revision = {after!r}\n{label}\n\ndef upgrade() -> None:\n    {body}\n"
    )
    return folder


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as db:
        yield db


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return write(tmp_path / "notes", "notes_0001", CREATE.format(table="notes_a"))


async def tables(db: Database) -> set[str]:
    async with db.reading() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


def start(url: str, **branches: Path) -> subprocess.Popen[str]:
    """Migrate in a process of its own."""
    arguments = [f"{name}={folder}" for name, folder in branches.items()]
    return subprocess.Popen(
        [sys.executable, "-c", _MIGRATE, url, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


async def test_branches_are_upgraded_to_their_heads_independently(db: Database, notes: Path, tmp_path: Path) -> None:
    songs = write(tmp_path / "songs", "songs_0001", CREATE.format(table="songs_a"))
    write(songs, "songs_0002", CREATE.format(table="songs_b"), after="songs_0001")
    branches = {"notes": notes, "songs": songs}

    before = await status(db, branches)
    await migrate(db, branches)

    assert before == [BranchStatus("notes", None, "notes_0001"), BranchStatus("songs", None, "songs_0002")]
    assert all(branch.is_current for branch in await status(db, branches))
    assert {"notes_a", "songs_a", "songs_b"} <= await tables(db)


async def test_a_new_version_runs_alone_and_the_old_ones_not_again(db: Database, notes: Path) -> None:
    await migrate(db, {"notes": notes})
    write(notes, "notes_0002", CREATE.format(table="notes_b"), after="notes_0001")

    await migrate(db, {"notes": notes})
    await migrate(db, {"notes": notes})

    assert await status(db, {"notes": notes}) == [BranchStatus("notes", "notes_0002", "notes_0002")]
    assert {"notes_a", "notes_b"} <= await tables(db)


async def test_a_removed_plugin_disturbs_nobody(db: Database, notes: Path, tmp_path: Path) -> None:
    await migrate(db, {"songs": write(tmp_path / "songs", "songs_0001", CREATE.format(table="songs_a"))})

    await migrate(db, {"notes": notes})

    assert "notes_a" in await tables(db)


async def test_a_failing_migration_leaves_nothing_and_the_other_branches_stand(
    db: Database, notes: Path, tmp_path: Path
) -> None:
    songs = write(tmp_path / "songs", "songs_0001", CREATE.format(table="songs_a"))
    write(
        songs,
        "songs_0002",
        CREATE.format(table="songs_b"),
        'op.execute("INSERT INTO nowhere VALUES (1)")',
        after="songs_0001",
    )

    with pytest.raises(
        StorageError, match=r"A migration of songs failed, and nothing of it was kept: .*nowhere"
    ) as caught:
        await migrate(db, {"notes": notes, "songs": songs})

    assert "INSERT" not in str(caught.value)
    assert "notes_a" in await tables(db)
    assert not {"songs_a", "songs_b"} & await tables(db)
    (songs / "songs_0002.py").unlink()
    await migrate(db, {"songs": songs})
    assert "songs_a" in await tables(db)


async def test_a_database_newer_than_the_code_is_refused(db: Database, notes: Path) -> None:
    write(notes, "notes_0002", after="notes_0001")
    await migrate(db, {"notes": notes})
    (notes / "notes_0002.py").unlink()

    with pytest.raises(
        StorageError, match=r"newer than this program: its notes tables .*'notes_0002'.*Upgrade the program"
    ):
        await migrate(db, {"notes": notes})


@pytest.mark.parametrize(
    ("revision", "text", "says"),
    [
        ("x", "def (", "x.py, a migration of notes, must be Python"),
        ("x", "revision = make()\ndown_revision = None", "plain text"),
        ("x", 'revision = "x"\ndown_revision = None', "not one line; they end in: notes_0001, x"),
        ("notes_0001", 'revision = "notes_0001"\ndown_revision = "notes_0001"', "a circle"),
    ],
)
async def test_version_files_that_make_no_line_are_refused(
    sqlite_url: str, notes: Path, revision: str, text: str, says: str
) -> None:
    (notes / f"{revision}.py").write_text(text)

    async with open_database(sqlite_url) as db:
        with pytest.raises(StorageError, match=says):
            await migrate(db, {"notes": notes})


async def test_rebuilding_a_table_keeps_the_rows_that_refer_to_it(db: Database, notes: Path) -> None:
    """SQLite changes a column by dropping the table, which would take the rows that refer to it along."""
    write(
        notes,
        "notes_0002",
        'op.create_table("notes_b", sa.Column("a", sa.Integer, sa.ForeignKey("notes_a.id", ondelete="CASCADE")))',
        'op.execute("INSERT INTO notes_a VALUES (1)")',
        'op.execute("INSERT INTO notes_b VALUES (1)")',
        after="notes_0001",
    )
    await migrate(db, {"notes": notes})
    rebuild = 'with op.batch_alter_table("notes_a") as batch:\n        batch.alter_column("id", type_=sa.BigInteger)'
    write(notes, "notes_0003", rebuild, after="notes_0002")

    await migrate(db, {"notes": notes})

    async with db.transaction() as tx:
        assert (await tx.execute(text("SELECT a FROM notes_b"))).scalars().all() == [1]
        await tx.execute(text("DELETE FROM notes_a"))
        assert (await tx.execute(text("SELECT a FROM notes_b"))).scalars().all() == []


async def test_a_migration_that_breaks_a_foreign_key_is_undone(sqlite_url: str, notes: Path) -> None:
    orphan = 'op.execute("INSERT INTO notes_b VALUES (7)")'
    write(
        notes,
        "notes_0002",
        'op.create_table("notes_b", sa.Column("a", sa.Integer, sa.ForeignKey("notes_a.id")))',
        orphan,
        after="notes_0001",
    )

    async with open_database(sqlite_url) as db:
        with pytest.raises(StorageError, match=r"A row of notes_b would refer to a row of notes_a"):
            await migrate(db, {"notes": notes})

        assert await tables(db) == set()


async def test_processes_that_start_at_once_all_find_their_tables(database_url: str, notes: Path) -> None:
    with anyio.fail_after(60):
        started = [start(database_url, notes=notes) for _ in range(4)]
        codes = [await anyio.to_thread.run_sync(process.wait) for process in started]
        outputs = [process.communicate()[0] for process in started]

    assert codes == [0, 0, 0, 0]
    assert outputs.count("True\n") >= 1


async def test_two_gateways_in_one_process_migrate_at_once(database_url: str, notes: Path) -> None:
    async with open_database(database_url) as one, open_database(database_url) as other:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for db in (one, other, one, other):
                    tasks.start_soon(migrate, db, {"notes": notes})

        assert (await status(one, {"notes": notes}))[0].is_current


async def test_alembic_is_not_imported_when_there_is_nothing_to_do(sqlite_url: str, notes: Path) -> None:
    outputs = [start(sqlite_url, notes=notes).communicate()[0] for _ in range(2)]

    assert outputs == ["True\n", "False\n"]


async def test_a_killed_migration_leaves_nothing_and_can_be_run_again(database_url: str, notes: Path) -> None:
    write(notes, "notes_0002", CREATE.format(table="notes_b"), DIE, after="notes_0001")

    killed = start(database_url, notes=notes)
    killed.communicate()

    assert killed.returncode == -signal.SIGKILL
    write(notes, "notes_0002", CREATE.format(table="notes_b"), after="notes_0001")
    async with open_database(database_url) as db:
        assert await tables(db) == set()
        await migrate(db, {"notes": notes})
        assert {"notes_a", "notes_b"} <= await tables(db)


async def test_a_database_that_another_process_is_writing_says_so(sqlite_url: str, notes: Path) -> None:
    async with (
        open_database(sqlite_url) as holder,
        open_database(sqlite_url, busy_seconds=0.1) as db,
        holder.transaction(),
    ):
        with pytest.raises(StorageError, match="is locked by another process"):
            await migrate(db, {"notes": notes})


async def test_the_core_has_one_line_of_versions_that_upgrades_an_empty_database(db: Database) -> None:
    await migrate(db, dict([CORE_BRANCH]))

    assert (await status(db, dict([CORE_BRANCH])))[0].is_current
