"""Bad input on the command line: one or two clear lines, the right exit code, and nothing half-written."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import httpx
import pytest

from mcp_gateway.tests.servers import PostgresServer, RedisServer
from protocol_tests.flows.refusals import DATABASE, SECRET, at_once, films, told, whole, written
from protocol_tests.gateways import WITHOUT_PRIVILEGES, http_gateway, run

QUICK = {"MEDIA_GATEWAY_STORAGE__BUSY_SECONDS": "0.2"}


@dataclass(frozen=True)
class Case:
    """A command that is refused.

    Attributes:
        command: The arguments; {folder} is the data folder.
        told: Parts of what is printed.
        files: What lies in the data folder.
    """

    command: str
    told: tuple[str, ...]
    code: int = 2
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


def settings(text: str, *told: str, command: str = "config check") -> Case:
    return Case(command, told, files={"gateway.toml": text})


def variable(name: str, value: str, *told: str, command: str = "config check", code: int = 2) -> Case:
    return Case(command, told, code=code, variables={f"MEDIA_GATEWAY_{name}": value})


CASES = {
    "settings that are not TOML": settings("[http\n", "gateway.toml: not valid TOML", "line 1"),
    "settings with an unknown section": settings("[htpp]\nport = 1", "unknown setting; did you mean 'http'?"),
    "settings with an unknown key": settings("[http]\nprot = 1", "http.prot", "mean 'port'?", command="serve"),
    "settings of a wrong type": settings('[http]\nport = "x"', "http.port: input should be a valid integer"),
    "settings with many faults": settings(
        '[http]\nport = "x"\n[log]\nlevel = "loud"\n[mcp]\npage_size = 0',
        "http.port", "2 more faults; `media-gateway config check` names all",
        command="db status",
    ),
    "settings that are a value where a table belongs": settings('gateway = "x"', "gateway.toml: gateway is a single"),
    "settings that are not text": Case("config check", ("not UTF-8 text",), files={"gateway.toml": b"\xff\xfe[x]"}),
    "settings of an unknown plugin": settings("[plugins.serch]\nx = 1", "no plugin 'serch'; did you mean 'search'?"),
    "settings that a plugin does not know": settings("[plugins.search]\nxx = 1", "plugins.search.xx: unknown setting"),
    "a disabled plugin that is not there": settings('[gateway]\ndisabled = ["serch"]', "did you mean 'search'?"),
    "an unknown profile": settings('[gateway]\nprofile = "ful"', "mean 'full'? Allowed: discovery", command="tools"),
    "a settings file that is not there": Case("serve --config {folder}/no.toml", ("no.toml: there is no such",)),
    "a settings file that is a folder": Case("serve --config {folder}", ("is a folder; name the settings file",)),
    "a secret that is too short": settings(f'[pagination]\ncursor_secret = "{SECRET}"', "cursor_secret", "32"),
    "an unknown variable": variable("STORAGEURL", "x", "did you mean MEDIA_GATEWAY_STORAGE__URL?"),
    "a variable of a wrong type": variable("HTTP__PORT", "x", "environment: http.port: input should be a valid int"),
    "an unknown kind of database": variable("STORAGE__URL", f"mysql://u:{SECRET}@h/x", "begins with 'mysql'; use"),
    "an unknown kind of cache": variable("CACHE__URL", f"memcache://u:{SECRET}@h", "begins with 'memcache'; use"),
    "an unknown kind of bus": variable("EVENTS__URL", f"amqp://u:{SECRET}@h", "events.url: this is no event bus"),
    "a database without an answer": variable(
        "STORAGE__URL", f"postgresql://u:{SECRET}@127.0.0.1:1/x", "127.0.0.1:1 does not answer; start it",
        command="plugin list", code=1,
    ),
    "a port out of range": Case("serve --transport http --port 70000", ("http.port", "65535")),
    "a port that is no number": Case("serve --port abc", ("'--port'", "integer", "media-gateway serve --help")),
    "an unknown transport": Case("serve --transport htp", ("'htp' is not one of 'stdio', 'http'",)),
    "an unknown option": Case("serve --prot 1", ("No such option: --prot", "--port")),
    "an unknown command": Case("serv", ("No such command 'serv'. Did you mean 'serve'",)),
    "a host that is no name": Case(f"serve --transport http --host {'a' * 300}", ("http.host", "127.0.0.1")),
    "a host of others": Case(
        "serve --transport http --port 0 --host 192.0.2.1", ("Cannot listen on 192.0.2.1",), code=1,
        variables={"MEDIA_GATEWAY_HTTP__ALLOW_UNAUTHENTICATED": "true"},
    ),
    "a door open to all": Case(
        "serve --transport http --port 0 --host 0.0.0.0", ("can be reached from other machines",)
    ),
    "an unknown tool": Case("call serch_titles", ("No tool 'serch_titles'. Nearest: search_titles",)),
    "arguments that are not JSON": Case("call search_titles '{\"query\":'", ("not valid JSON", "column 10")),
    "arguments that are neither": Case("call search_titles dune", ("'dune' is neither key=value nor a JSON object",)),
    "an unknown argument": Case("call search_titles qery=x", ("did you mean 'query'? Allowed: query, filters",)),
    "a value that is not allowed": Case("call search_titles query=x sort=populrity", ("sort", "mean 'popularity'?")),
    "a gateway that does not answer": Case(
        "call search_titles query=x --url http://127.0.0.1:1/mcp", ("http://127.0.0.1:1/mcp does not answer",), code=1
    ),
    "an address that is none": Case("call search_titles --url nonsense", ("--url: 'nonsense' is not an address",)),
    "a catalogue that is not there": Case("ingest jsonl {folder}/no.jsonl", ("there is no", "no.jsonl")),
    "a catalogue that cannot be read": Case(
        "ingest jsonl /proc/self/mem", ("/proc/self/mem cannot be read: Input/output error",), code=1
    ),
    "a catalogue that is a folder": Case("ingest jsonl {folder}", ("is a folder; name the file in it",)),
    "a limit of nothing": Case("ingest jsonl {folder}/no.jsonl --limit 0", ("'--limit'", "greater than or equal to 1")),
    "a file without its kind": Case(
        "ingest {folder}/a", ("source: is missing; say what kind of file it is: ingest jsonl",), files={"a": ""}
    ),
    "an unknown source": Case(
        "ingest jsnl {folder}/a", ("'jsnl' is not known; did you mean 'jsonl'? Allowed: imdb, jsonl",), files={"a": ""}
    ),
    "a catalogue that is garbage": Case(
        "ingest jsonl {folder}/a", ("not in our jsonl format; line 1: not UTF-8",), files={"a": b"\xfe\x80\n" * 200}
    ),
    "a short catalogue that is garbage": Case(
        "ingest jsonl {folder}/a", ("nothing in it can be used", "list_rejected_records"), code=1, files={"a": "x\n[]"}
    ),
    "a catalogue in UTF-16": Case(
        "ingest jsonl {folder}/a", ("is UTF-16 text; save it as UTF-8",), files={"a": "{}".encode("utf-16")}
    ),
    "a file that is no database": Case(
        "db status", ("is not a SQLite database; name another file",), code=1, files={DATABASE: b"notes " * 999}
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(
    prepared: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Mapping[str, Future[subprocess.CompletedProcess[str]]]]:
    """The cases that are asked for, run side by side: most of their time is Python's start."""

    def outcome(case: Case) -> subprocess.CompletedProcess[str]:
        folder = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("case") / "data"))
        for name, content in case.files.items():
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        command = shlex.split(case.command.replace("{folder}", str(folder)))
        return run(*command, data_dir=folder, **case.variables)

    tests = [item for item in request.session.items if isinstance(item, pytest.Function)]
    asked = [str(test.callspec.params["name"]) for test in tests if "outcomes" in test.fixturenames]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {name: pool.submit(outcome, CASES[name]) for name in asked}


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_told(name: str, outcomes: Mapping[str, Future[subprocess.CompletedProcess[str]]]) -> None:
    done = outcomes[name].result()

    text = told(done, CASES[name].code)
    assert not [part for part in CASES[name].told if part not in text], text
    assert done.stdout == "" or name == "a short catalogue that is garbage"  # which has a report


def test_the_check_of_the_settings_names_every_fault(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text('[http]\nport = "x"\nhost = 4\n[log]\nlevel = "loud"')

    done = run("config", "check", data_dir=tmp_path)

    assert done.returncode == 2
    assert [line.split(": ")[2] for line in done.stderr.splitlines()] == ["http.host", "http.port", "log.level"]


def test_good_settings_pass_and_show_no_secret(tmp_path: Path) -> None:
    secrets = {
        "MEDIA_GATEWAY_PAGINATION__CURSOR_SECRET": SECRET * 3,
        "MEDIA_GATEWAY_STORAGE__URL": f"postgresql://u:{SECRET}@127.0.0.1/x",
        "MEDIA_GATEWAY_CACHE__URL": f"redis://:{SECRET}@127.0.0.1/0",
    }

    checked, shown = at_once(
        partial(run, "config", command, data_dir=tmp_path, **secrets) for command in ("check", "show")
    )

    assert (checked.returncode, checked.stderr) == (shown.returncode, shown.stderr) == (0, "")
    assert SECRET not in shown.stdout
    assert list(tmp_path.iterdir()) == []


def test_what_may_not_be_read_or_written_is_told(data_dir: Path, tmp_path: Path) -> None:
    (closed := tmp_path / "closed").mkdir(mode=0o000)
    (kept := tmp_path / "kept").mkdir(mode=0o555)
    (file := tmp_path / "file").touch(mode=0o000)
    (data_dir / DATABASE).chmod(0o444)

    def refused(*command: str, folder: Path = data_dir, code: int = 1, **variables: str) -> Callable[[], str]:
        return lambda: told(run(*command, data_dir=folder, under=WITHOUT_PRIVILEGES, **variables), code)

    texts = {
        f"{file}: cannot be read: Permission denied": refused("serve", code=2, MEDIA_GATEWAY_CONFIG=str(file)),
        f"{closed}/x: cannot be read": refused("serve", code=2, MEDIA_GATEWAY_CONFIG=f"{closed}/x"),
        f"{closed} cannot be made (Permission denied)": refused("serve", folder=closed),
        f"{kept}/{DATABASE} is read-only; make the file and its folder writable": refused("serve", folder=kept),
        f"{kept}/new: the data folder cannot be created": refused("db", "status", folder=kept / "new"),
        f"{file}: the data folder cannot be created": refused("db", "upgrade", folder=file),
        f"{data_dir}/{DATABASE} is read-only": refused("db", "status"),
        f"'{file}' is not readable": refused("ingest", "jsonl", str(file), code=2),
    }
    unlike = {part: text for part, text in zip(texts, at_once(texts.values()), strict=True) if part not in text}

    assert not unlike
    assert not list(kept.iterdir())


def test_a_port_that_cannot_be_had_is_told(tmp_path: Path, data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        in_use = run("serve", "--transport", "http", "--port", str(port), data_dir=data_dir)

    assert f"Port {port} on 127.0.0.1 is in use. Stop what uses it, or choose another" in told(in_use, 1)


def test_a_privileged_port_is_told(data_dir: Path) -> None:
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 80:
        pytest.skip("here, every user may have every port")
    done = run("serve", "--transport", "http", "--port", "80", data_dir=data_dir, under=WITHOUT_PRIVILEGES)

    assert "Port 80 needs more rights than this user has. Choose one above 1023" in told(done, 1)


def test_a_damaged_database_is_told(data_dir: Path) -> None:
    database = data_dir / DATABASE
    database.write_bytes(database.read_bytes()[: 64 * 4096])

    assert "is damaged; restore it from a backup" in told(run("serve", data_dir=data_dir), 1)


def test_a_database_of_a_newer_program_is_told_and_left_alone(data_dir: Path) -> None:
    with closing(sqlite3.connect(data_dir / DATABASE)) as connection, connection:
        connection.execute("UPDATE core_alembic_version SET version_num = '9999_future'")
    before = (data_dir / DATABASE).read_bytes()

    status = run("db", "status", data_dir=data_dir)
    refused = at_once(partial(run, *command, data_dir=data_dir) for command in (["serve"], ["db", "upgrade"]))

    assert "9999_future  newer than this program; upgrade the program" in status.stdout
    assert all("is newer than this program: its core tables" in told(done, 1) for done in refused)
    assert (data_dir / DATABASE).read_bytes() == before


def test_a_locked_database_can_be_read_and_says_that_it_is_locked(data_dir: Path, tmp_path: Path) -> None:
    catalogue = written(tmp_path / "one.jsonl", films(1))
    (new := tmp_path / "new").mkdir()
    with locked(data_dir), locked(new):
        found, ingested, started = at_once(
            [
                partial(run, "call", "search_titles", "query=dune", data_dir=data_dir, **QUICK),
                partial(run, "ingest", "jsonl", str(catalogue), data_dir=data_dir, **QUICK),
                partial(run, "serve", data_dir=new, **QUICK),
            ]
        )

    assert (found.returncode, found.stderr) == (0, "")
    assert "is locked by another process; stop that process" in told(ingested, 1)
    assert "is locked by another process; stop that process" in told(started, 1)
    assert whole(data_dir)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of somebody who writes."""
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def test_a_postgresql_that_refuses_is_told_without_the_password(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    urls = [postgres_server.url_of(*where) for where in (("postgres", f"no:{SECRET}"), ("nowhere", f"tests:{SECRET}"))]

    wrong, missing = at_once(
        partial(run, "plugin", "list", data_dir=tmp_path, MEDIA_GATEWAY_STORAGE__URL=url) for url in urls
    )

    assert "refuses the user or the password; correct storage.url" in told(wrong, 1)
    assert "has no database 'nowhere'; create it" in told(missing, 1)


async def gets(client: httpx.AsyncClient, path: str, status: int) -> httpx.Response:
    """Ask until the answer has this status."""
    while (answer := await client.get(path)).status_code != status:
        pass
    return answer


@pytest.mark.anyio
async def test_a_gateway_whose_redis_is_away_is_degraded_and_recovers(
    own_redis_server: RedisServer, data_dir: Path
) -> None:
    url = own_redis_server.url
    own_redis_server.stop()
    away = {"MEDIA_GATEWAY_CACHE__URL": url, "MEDIA_GATEWAY_EVENTS__URL": url}
    checked = run("doctor", data_dir=data_dir, **away)

    with http_gateway(data_dir, **away) as gateway, anyio.fail_after(60):
        async with httpx.AsyncClient(base_url=gateway.url, timeout=20) as client:
            at_start = await gets(client, "/readyz", 503)
            found = await client.get("/api/v1/discovery/search", params={"query": "dune"})
            own_redis_server.start()
            back = await gets(client, "/readyz", 200)
            own_redis_server.stop()
            gone = await gets(client, "/readyz", 503)
            found_again = await client.get("/api/v1/discovery/search", params={"query": "dune"})

    assert checked.returncode == 1
    assert "FAIL  cache: The cache is not available" in checked.stdout
    assert "FAIL  events: " in checked.stdout
    assert at_start.json()["status"] == gone.json()["status"] == "degraded"
    assert back.json()["cache"] == "ok"
    assert [answer.json()["items"][0]["title"] for answer in (found, found_again)] == ["Dune", "Dune"]
