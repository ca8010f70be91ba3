"""The servers that other tests run against."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mcp_gateway.tests.servers import PostgresServer, RedisServer, Server, find

_START_AND_WAIT = """
import sys
from mcp_gateway.tests.servers import PostgresServer, RedisServer
with PostgresServer() as postgres, RedisServer() as redis:
    print(postgres.folder, redis.folder, flush=True)
    sys.stdin.read()
"""


def _processes_in(folder: str) -> list[psutil.Process]:
    def works_there(process: psutil.Process) -> bool:
        try:
            return any(folder in argument for argument in process.cmdline()) or process.cwd().startswith(folder)
        except psutil.Error:
            return False

    return [process for process in psutil.process_iter() if works_there(process)]


def test_a_database_of_one_test_is_empty_and_not_that_of_another(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    postgres_server.sql("CREATE TABLE t (a int)", postgres_url.rsplit("/", 1)[1])

    other = postgres_server.create_database()

    count = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    assert postgres_server.sql(count, other.rsplit("/", 1)[1]) == "0\n"
    postgres_server.drop_database(other)


def test_what_redis_acknowledged_survives_a_restart_on_the_same_port(own_redis_server: RedisServer) -> None:
    own_redis_server.send("SET", "key", "7")
    port = own_redis_server.port

    own_redis_server.stop()
    assert not own_redis_server.answers()
    own_redis_server.start()

    assert own_redis_server.port == port
    assert own_redis_server.send("GET", "key") == "$1\r\n7\r\n"


def test_what_postgresql_committed_survives_a_restart(own_postgres_server: PostgresServer) -> None:
    own_postgres_server.sql("CREATE TABLE t AS SELECT 7 AS a")

    own_postgres_server.stop()
    assert not own_postgres_server.answers()
    own_postgres_server.start()

    assert own_postgres_server.sql("SELECT a FROM t") == "7\n"


def test_no_server_outlives_a_killed_test_run(redis_server: Server, postgres_server: Server) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", _START_AND_WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with run:
        assert run.stdout
        folders = run.stdout.readline().split()
        processes = [process for folder in folders for process in _processes_in(folder)]
        run.send_signal(signal.SIGKILL)

    _, alive = psutil.wait_procs(processes, timeout=20)

    assert len(processes) >= 4
    assert not alive
    assert not [folder for folder in folders if Path(folder).exists()]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a server as someone else")
def test_servers_do_not_run_as_root(redis_server: RedisServer) -> None:
    assert {process.uids().real for process in _processes_in(str(redis_server.folder))}.isdisjoint({0})


@pytest.mark.parametrize("ci", [False, True])
def test_a_missing_server_skips_on_a_laptop_and_fails_in_ci(ci: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "yes" if ci else "")

    with pytest.raises(pytest.fail.Exception if ci else pytest.skip.Exception, match="no-such-server is not installed"):
        find("no-such-server")


def test_the_installer_has_nothing_to_do_when_all_is_there(redis_server: Server, postgres_server: Server) -> None:
    script = Path(__file__).parents[2] / "scripts/test_servers.sh"

    done = subprocess.run(["sh", script], capture_output=True, text=True, check=True)

    assert done.stdout + done.stderr == ""
