"""Brings the tables of the core and of each plugin to the version the code expects.

Each of them is a branch of its own: a folder of Alembic versions, and in the database a table that says where the
branch stands. So a plugin that is removed, broken or too old concerns nobody else. A branch that is up to date is
recognised by reading its files, because importing Alembic takes longer than that by far.
"""

from __future__ import annotations

import ast
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from sqlalchemy import Connection, column, inspect, select, table

from mcp_gateway.errors import StorageError, Unavailable
from mcp_gateway.storage.engine import Database, in_short

log = logging.getLogger(__name__)

CORE_BRANCH = ("core", Path(__file__).parent / "versions")

# Alembic's `op` belongs to the whole process, so two databases are not migrated at once.
_alembic = anyio.Lock()


@dataclass(frozen=True, slots=True)
class BranchStatus:
    """Where a branch stands in the database, and where the code wants it; None: nothing is there.

    Attributes:
        is_known: Whether the code knows the version that the database has. If not, it is newer than the code.
    """

    name: str
    current: str | None
    head: str | None
    is_known: bool = True

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to do."""
        return self.current == self.head


@dataclass(frozen=True, slots=True)
class _Versions:
    """What a branch's files say: revisions with what they follow."""

    branch: str
    follows: Mapping[str, str | None]

    def knows(self, version: str | None) -> bool:
        return version is None or version in self.follows

    def head(self) -> str | None:
        heads = sorted(set(self.follows) - set(self.follows.values()))
        if len(heads) > 1 or (self.follows and not heads):
            raise StorageError(
                f"The migrations of {self.branch} are not one line; they end in: {', '.join(heads) or 'a circle'}."
            )
        return heads[0] if heads else None


async def migrate(db: Database, branches: Mapping[str, Path]) -> None:
    """Upgrade every branch to its head, in the order given.

    A branch is upgraded in one transaction under a lock: whole or not at all, and once, however many processes start.

    Args:
        db: The database.
        branches: Folders of Alembic versions by the name of their owner.

    Raises:
        StorageError: A branch cannot be upgraded, or is newer than the code. Branches before it are upgraded.
    """
    for name, folder in branches.items():
        versions = await anyio.to_thread.run_sync(_read, name, folder)
        try:
            await _migrate_branch(db, folder, versions)
        except StorageError:
            raise
        except Exception as error:
            raise StorageError(_explain(name, error)) from error


async def status(db: Database, branches: Mapping[str, Path]) -> list[BranchStatus]:
    """Where each branch stands, in the order given. Raises Unavailable."""
    found = []
    for name, folder in branches.items():
        versions = await anyio.to_thread.run_sync(_read, name, folder)
        async with db.reading() as connection:
            current = await connection.run_sync(_current, name)
        found.append(BranchStatus(name, current, versions.head(), versions.knows(current)))
    return found


async def _migrate_branch(db: Database, folder: Path, versions: _Versions) -> None:
    name = versions.branch
    async with db.reading() as connection:
        if not _must_upgrade(versions, await connection.run_sync(_current, name)):
            return
    async with _alembic, db.schema_change() as connection:
        before = await connection.run_sync(_current, name)
        if _must_upgrade(versions, before):  # another process may have done it in the meantime
            await connection.run_sync(_upgrade, name, folder)
            log.info("tables upgraded", extra={"branch": name, "before": before, "after": versions.head()})


def _explain(name: str, error: Exception) -> str:
    if isinstance(error, Unavailable):
        return error.for_operator
    return f"A migration of {name} failed, and nothing of it was kept: {in_short(error)}"


def _must_upgrade(versions: _Versions, current: str | None) -> bool:
    head = versions.head()
    if not versions.knows(current):
        raise StorageError(
            f"The database is newer than this program: its {versions.branch} tables stand at {current!r}, "
            f"which is not known here. Upgrade the program."
        )
    return current != head


def _current(connection: Connection, name: str) -> str | None:
    versions = table(_table_of(name), column("version_num"))
    if not inspect(connection).has_table(versions.name):
        return None
    found: str | None = connection.execute(select(versions.c.version_num)).scalar_one_or_none()
    return found


def _upgrade(connection: Connection, name: str, folder: Path) -> None:
    """Run what is missing, in the transaction that the connection is in."""
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(folder, version_locations=[folder])

    def steps(current: Any, _: MigrationContext) -> Any:
        return script._upgrade_revs("heads", current)

    context = MigrationContext.configure(connection, opts={"fn": steps, "version_table": _table_of(name)})
    with Operations.context(context):
        context.run_migrations()


def _table_of(name: str) -> str:
    return f"{name}_alembic_version"


def _read(name: str, folder: Path) -> _Versions:
    try:
        files = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
        texts = {path.name: path.read_bytes() for path in files}
    except OSError as error:
        raise StorageError(f"The migrations of {name} cannot be read: {error.strerror}.") from error
    return _Versions(name, dict(_links(name, file, text) for file, text in texts.items()))


def _links(name: str, file: str, text: bytes) -> tuple[str, str | None]:
    """The revision of a file and the one it follows, without running it."""
    try:
        values = dict(_assigned_texts(ast.parse(text)))
        revision, follows = values["revision"], values["down_revision"]
    except (SyntaxError, ValueError, KeyError) as error:
        raise StorageError(
            f"{file}, a migration of {name}, must be Python and set revision and down_revision to plain text."
        ) from error
    if revision is None:
        raise StorageError(f"{file}, a migration of {name}, has no revision.")
    return revision, follows


def _assigned_texts(module: ast.Module) -> Iterator[tuple[str, str | None]]:
    for statement in module.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str() | None as value)):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str() | None as value)):
                yield name, value
