"""Real PostgreSQL and Redis servers for the tests, and the fixtures that lend them.

Registered for every test folder by the root conftest.py. Each server runs as an ordinary user on a free port, keeps
its files in a temporary folder, and ends with the test run, even when that is killed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

START_SECONDS = 30

# Runs a server until a line arrives, then sends it the signal in $0. When the pipe is closed instead, the test run has
# ended, in whatever way: then the files go too. (A parent-death signal would also fire when just the thread ends that
# started the server.)
_KEEPER = """
exec 3<&0
"$@" </dev/null 3<&- & server=$!
{ read -r _ <&3 || touch abandoned; kill -s "$0" $server; } 2>/dev/null & keeper=$!
wait $server
kill $keeper 2>/dev/null
[ ! -e abandoned ] || rm -rf "$PWD"
"""

_FOLDERS = (
    "/usr/sbin",
    "/usr/local/sbin",
    "/opt/homebrew/bin",
    *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin"))),
)


class Server(ABC):
    """A server process on a port of its own. Its data and its port outlive stop(); leaving the context ends both."""

    host = "127.0.0.1"
    stop_signal: str

    def __init__(self) -> None:
        self.port = _free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="media-gateway-test-"))
        self._account = _ordinary_user()
        self._process: subprocess.Popen[bytes] | None = None
        if self._account:
            os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    @abstractmethod
    def url(self) -> str:
        """Where the server answers."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The command that runs the server in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server takes requests."""

    def prepare(self) -> None:
        """Make what the server needs before its first start; nothing, unless a subclass says otherwise."""
        return

    def start(self) -> None:
        """Start, and wait until the server answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = self._spawn(["sh", "-c", _KEEPER, self.stop_signal, *self.command()], log)
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"{type(self).__name__} does not start:\n{(self.folder / 'log').read_text()[-2000:]}"
                )
            time.sleep(0.01)

    def stop(self) -> None:
        """End the server at once, without a farewell to its clients. What it has acknowledged stays."""
        if self._process and self._process.stdin:
            with self._process.stdin as pipe, contextlib.suppress(BrokenPipeError):
                pipe.write(b"stop\n")
                pipe.flush()
                self._process.wait(START_SECONDS)
        self._process = None

    def close(self) -> None:
        """Stop for good and remove the files."""
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, command: Sequence[str]) -> str:
        """Run a command as the server's user; its output."""
        done = subprocess.run(command, check=False, capture_output=True, text=True, **self._as_user())
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {done.stderr}")
        return str(done.stdout)

    def _spawn(self, command: Sequence[str], log: Any) -> subprocess.Popen[bytes]:
        # A session of its own: an interrupt from the keyboard is for the test run, which then ends the server.
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, **self._as_user()
        )

    def _as_user(self) -> dict[str, Any]:
        options: dict[str, Any] = {"cwd": self.folder}
        if self._account:
            options |= {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        return options


class PostgresServer(Server):
    """A PostgreSQL server. The user `tests` needs no password; every other user does."""

    stop_signal = "QUIT"  # an immediate shutdown: as after a crash, the next start recovers from the log

    def __init__(self) -> None:
        self._postgres, self._initdb, self._psql = find("postgres"), find("initdb"), find("psql")
        self._numbers = itertools.count(1)
        super().__init__()

    @property
    def url(self) -> str:
        """The server's own database; tests use one of their own: create_database()."""
        return self.url_of("postgres")

    def url_of(self, database: str, user: str = "tests") -> str:
        """The URL of a database of this server. `user` may carry a password after a colon."""
        return f"postgresql://{user}@{self.host}:{self.port}/{database}"

    def prepare(self) -> None:
        """Make the cluster."""
        self.run(
            [self._initdb, "-D", str(self._data), "-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        )
        (self._data / "pg_hba.conf").write_text("host all tests all trust\nhost all all all scram-sha-256\n")

    def command(self) -> Sequence[str]:
        """Everything that makes data safe against power cuts is off: it lives for minutes."""
        options = [
            "fsync=off",
            "full_page_writes=off",
            "autovacuum=off",
            "max_connections=200",
        ]
        options += ["unix_socket_directories=", f"listen_addresses={self.host}", f"port={self.port}"]
        return [self._postgres, "-D", str(self._data), *(part for option in options for part in ("-c", option))]

    def answers(self) -> bool:
        """Whether a statement is answered."""
        try:
            return self.sql("SELECT 1") == "1\n"
        except RuntimeError:
            return False

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement as the superuser; the result's values, a row a line."""
        url = self.url_of(database)
        return self.run([self._psql, "-X", "-A", "-t", "-q", "-d", url, "-c", statement])

    def create_database(self) -> str:
        """Make an empty database; its URL."""
        name = f"test_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url_of(name)

    def drop_database(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.sql(f"DROP DATABASE IF EXISTS {url.rsplit('/', 1)[1]} WITH (FORCE)")

    @property
    def _data(self) -> Path:
        return self.folder / "data"


class RedisServer(Server):
    """A Redis server. What it acknowledged is still there after stop() and start()."""

    stop_signal = "KILL"

    def __init__(self, password: str = "") -> None:
        self._redis, self._password = find("redis-server"), password
        super().__init__()

    @property
    def url(self) -> str:
        """Database 0 of the server."""
        secret = f":{self._password}@" if self._password else ""
        return f"redis://{secret}{self.host}:{self.port}/0"

    def command(self) -> Sequence[str]:
        """Kept in a log that is not forced to the disk: safe against the end of the process, which is all we test."""
        options = {"port": self.port, "bind": self.host, "dir": self.folder, "save": "", "appendonly": "yes"}
        options |= {"appendfsync": "no"}
        if self._password:
            options |= {"requirepass": self._password}
        return [self._redis, *(str(part) for name, value in options.items() for part in (f"--{name}", value))]

    def answers(self) -> bool:
        """Whether a ping is answered; while its log is loaded, it is not."""
        try:
            return self.send("PING") == "+PONG\r\n"
        except OSError:
            return False

    def send(self, *command: str) -> str:
        """Send one command that has a short answer; the answer as the wire has it."""
        with socket.create_connection((self.host, self.port), timeout=START_SECONDS) as connection:
            if self._password:
                connection.sendall(f"AUTH {self._password}\r\n".encode())
                connection.recv(4096)
            connection.sendall((" ".join(command) + "\r\n").encode())
            return connection.recv(4096).decode()


def find(binary: str) -> str:
    """The path of a server's binary; without it the test is skipped, and in CI it fails."""
    path = shutil.which(binary) or shutil.which(binary, path=os.pathsep.join(_FOLDERS))
    if path:
        return path
    reason = f"{binary} is not installed; scripts/test_servers.sh installs it when run as root"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The PostgreSQL server that all tests share."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The Redis server that all tests share."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def own_postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server for this test alone, which may stop and start it."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def own_redis_server() -> Iterator[RedisServer]:
    """A Redis server for this test alone, which may stop and start it."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty PostgreSQL database of this test."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty Redis database."""
    redis_server.send("FLUSHALL")
    return redis_server.url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'gateway.sqlite3'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database: the test runs on SQLite and on PostgreSQL."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((Server.host, 0))
        port: int = probe.getsockname()[1]
        return port


def _ordinary_user() -> pwd.struct_passwd | None:
    """Whom to run as: PostgreSQL refuses root. None means: as we are."""
    if os.geteuid() != 0:
        return None
    return next(user for name in ("postgres", "nobody") for user in pwd.getpwall() if user.pw_name == name)
