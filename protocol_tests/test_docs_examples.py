"""The examples of the documents run: a reader who follows a page sees what it says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp_gateway_ingestion.jsonl import parse_line
from mcp_gateway_ingestion.parsed import BadRecord
from mcp_types import ResourceTemplateReference

from mcp_gateway.config import load
from protocol_tests.documents import DOCS, PAGES, Block, Ended, Terminal, blocks, fits, shown, steps, without_blocks
from protocol_tests.gateways import COMMAND, ROOT, environment, http_gateway, run

pytestmark = pytest.mark.anyio

GUIDE = DOCS / "how-to" / "write-a-plugin.md"
FOLLOWED = [
    DOCS / "tutorial.md",
    GUIDE,
    DOCS / "how-to" / "take-in-a-catalogue.md",
    DOCS / "how-to" / "add-a-platform.md",
    DOCS / "how-to" / "diagnose-a-problem.md",
]
SOON_SECONDS = 10


@pytest.fixture(scope="module", autouse=True)
def readers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Path, Future[None]]]:
    """A reader of each page that is wanted. They read while the other tests run: each command takes a second or two."""
    following = [item for item in request.session.items if item.name.startswith("test_a_page_that_is_followed")]
    wanted = [getattr(item, "callspec").params["page"] for item in following]
    with ThreadPoolExecutor(len(FOLLOWED)) as pool:
        yield {page: pool.submit(read, page, tmp_path_factory.mktemp(page.stem)) for page in wanted}


# Configurations of clients


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="module")
def url(data_dir: Path) -> Iterator[str]:
    with http_gateway(data_dir) as gateway:
        yield gateway.url


def configurations() -> dict[str, dict[str, Any]]:
    """The configurations of clients on all pages, by the way to connect; each way once."""
    tables = [json.loads(block.text) for page in PAGES for block in blocks(page, "json") if "ervers" in block.text]
    entries = [entry for table in tables for servers in table.values() for entry in servers.values()]
    return {entry.get("url") or " ".join([entry["command"], *entry["args"]]): entry for entry in entries}


@pytest.mark.parametrize("entry", configurations().values(), ids=configurations())
async def test_a_configuration_connects_a_client(entry: dict[str, Any], url: str, data_dir: Path) -> None:
    """As it is pasted, but for the path of the checkout and the port."""
    if "command" in entry:
        assert entry["command"] == "/path/to/media-gateway/.venv/bin/media-gateway"
        variables = environment(MEDIA_GATEWAY_DATA_DIR=str(data_dir))
        server: Any = StdioServerParameters(command=COMMAND, args=entry["args"], env=variables)
    else:
        address = entry["url"].replace("http://127.0.0.1:8765", url)
        server = sse_client(address) if address.endswith("/sse") else address

    async with Client(server) as client:
        found = await client.call_tool("search_titles", {"query": "the dark knight", "limit": 1})
        tools = {tool.name for tool in (await client.list_tools()).tools}

    assert found.structured_content is not None
    assert found.structured_content["items"][0]["id"] == "tt0468569"
    assert ("ingest_titles" in tools) == ("full" in entry.get("args", []))


def test_the_program_of_the_guide_connects(url: str, tmp_path: Path) -> None:
    (block,) = blocks(DOCS / "how-to" / "connect-a-client.md", "python")
    program = tmp_path / "connect.py"
    program.write_text(block.text.replace("http://127.0.0.1:8765", url))

    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout == "The Dark Knight\n", done.stderr


# The guide to plugins


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of the guide; of those with one name the first."""
    files: dict[str, str] = {}
    for block in blocks(GUIDE):
        if block.name:
            files.setdefault(block.name, block.text)
    return files


def test_every_python_block_of_the_guide_is_a_file(written: dict[str, str]) -> None:
    assert len(blocks(GUIDE, "python")) == sum(name.endswith(".py") for name in written)


@pytest.mark.slow
async def test_the_plugins_of_the_guide_serve_every_face(written: dict[str, str], tmp_path: Path) -> None:
    for name, text in written.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    settings = tmp_path / "gateway.toml"
    settings.write_text(settings.read_text().replace('"my-plugins"', json.dumps(str(tmp_path / "my-plugins"))))

    with http_gateway(tmp_path / "data", ["--config", str(settings)]) as gateway:
        async with Client(f"{gateway.url}/mcp") as client:
            for title_id in ("tt0087182", "tt1160419"):
                await client.call_tool("add_to_watchlist", {"owner": "ada", "title_id": title_id})
            full = await client.call_tool("add_to_watchlist", {"owner": "ada", "title_id": "tt0468569"})
            read = await client.read_resource("watchlist://ada")
            reference = ResourceTemplateReference(type="ref/resource", uri="watchlist://{owner}")
            owners = await client.complete(reference, {"name": "owner", "value": "a"})
            asked = await client.get_prompt("plan_evening", {"owner": "ada"})
            await client.call_tool("write_diary", {"note": "Dune, at last."})
            diary = await client.call_tool("read_diary", {})
            ingest(tmp_path / "data")
            arrived = await soon(
                lambda: client.call_tool("list_arrivals", {}), lambda r: r.structured_content["title_ids"]
            )
        rest = httpx.get(f"{gateway.url}/api/v1/watchlists/ada").json()
        missing = httpx.get(f"{gateway.url}/api/v1/watchlists/bob")

    assert full.is_error
    assert "is full: it has 2 titles" in getattr(full.content[0], "text")
    assert json.loads(getattr(read.contents[0], "text")) == rest
    assert rest == {"owner": "ada", "titles": {"tt0087182": "Dune", "tt1160419": "Dune"}}
    assert owners.completion.values == ["ada"]
    assert "watchlist of ada: Dune, Dune" in getattr(asked.messages[0].content, "text")
    assert diary.structured_content is not None
    assert list(diary.structured_content["notes"].values()) == ["Dune, at last."]
    assert arrived.structured_content == {"title_ids": ["my-0001"]}
    assert missing.status_code == 404


def ingest(data_dir: Path) -> None:
    line = data_dir / "one.jsonl"
    line.write_text('{"id": "my-0001", "type": "movie", "title": "Night Bakers", "year": 2025}\n')
    assert run("ingest", "jsonl", str(line), data_dir=data_dir).returncode == 0


async def soon(ask: Callable[[], Any], answered: Callable[[Any], Any]) -> Any:
    """Ask until the answer holds something."""
    with anyio.fail_after(SOON_SECONDS):
        while not answered(answer := await ask()):
            pass
    return answer


@pytest.mark.slow
def test_the_package_of_the_guide_is_found_when_installed(written: dict[str, str], tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    package = source / "src" / "media_gateway_watchlist"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(written["my-plugins/watchlist.py"])
    (source / "pyproject.toml").write_text(written["pyproject.toml"])
    install = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation"]

    subprocess.run([sys.executable, "-m", "pip", *install, "--target", str(site), str(source)], check=True)
    done = run("plugin", "list", data_dir=tmp_path / "data", PYTHONPATH=str(site))

    assert re.search(r"watchlist +running +installed with media-gateway-watchlist", done.stdout), (
        done.stdout + done.stderr
    )


@pytest.mark.slow
def test_the_guide_explains_why_plugins_are_quarantined(tmp_path: Path) -> None:
    """Each broken plugin of the fixtures, and what else can be wrong, is in its table with the reason that is shown."""
    shutil.copytree(ROOT / "fixtures" / "broken_plugins", tmp_path / "plugins")
    head = (
        "from contextlib import asynccontextmanager\n"
        "from starlette.routing import Route\n"
        "from mcp_gateway.api import Call, NoParams, capability, hookimpl\n"
    )
    life = "@hookimpl\n@asynccontextmanager\nasync def lifespan():\n    yield "
    handler = 'async def read(params: NoParams, call: Call) -> NoParams:\n    """Read."""\n'
    faults = {
        "no_hook": "",
        "no_parameter": f"{handler}{life}[capability('read_list', read, uri='list://{{owner}}')]",
        "reserved_path": f"{life}[Route('/mcp/mine', print)]",
    }
    for name, text in faults.items():
        (tmp_path / "plugins" / f"{name}.py").write_text(f"{head}{text}\n")
    done = run(
        "plugin", "list", "--json", "--plugins-dir", str(tmp_path / "plugins"),
        data_dir=tmp_path,
        MEDIA_GATEWAY_GATEWAY__STARTUP_SECONDS="1", MEDIA_GATEWAY_PLUGINS__INGESTION__STARTER="false",
    )  # fmt: skip
    reasons = {row["name"]: row["reason"] for row in json.loads(done.stdout.splitlines()[-1]) if row["reason"]}
    table = without_blocks(GUIDE).split("## When it does not run")[1]

    assert len(reasons) == len(faults) + 7
    for name, reason in reasons.items():
        assert f"`{reason.replace('within 1 seconds', 'within 30 seconds')}`" in table, name


# Settings and the jsonl format


SETTINGS_FILES = [block for page in PAGES for block in blocks(page, "toml") if block.name == "gateway.toml"]


def test_every_toml_block_says_which_file_it_is() -> None:
    named = {block.name for page in PAGES for block in blocks(page, "toml")}

    assert named == {"gateway.toml", "pyproject.toml"}


@pytest.mark.parametrize("block", SETTINGS_FILES, ids=str)
def test_a_settings_file_of_the_pages_is_valid(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(block.text)

    settings = load(path, environ={})

    assert settings.model_fields_set


def test_the_shared_settings_run_two_instances(postgres_url: str, redis_url: str, tmp_path: Path) -> None:
    """The file of the guide on a real PostgreSQL and a real Redis: what one instance takes in, the other finds."""
    (block,) = blocks(DOCS / "how-to" / "run-on-postgresql-and-redis.md", "toml")
    addresses = {r"postgresql://[^\"]*": postgres_url, r"redis://[^\"]*": redis_url, r"0\.0\.0\.0": "127.0.0.1"}
    text = block.text
    for pattern, address in addresses.items():
        text, count = re.subn(pattern, address, text)
        assert count, pattern
    settings = tmp_path / "gateway.toml"
    settings.write_text(text)
    query = {"query": "night bakers"}

    with (
        http_gateway(tmp_path / "a", ["--config", str(settings)]) as one,
        http_gateway(tmp_path / "b", ["--config", str(settings)]) as other,
    ):
        line = tmp_path / "one.jsonl"
        line.write_text('{"id": "my-0001", "type": "movie", "title": "Night Bakers", "year": 2025}\n')
        done = run(
            "ingest", "jsonl", str(line), "--config", str(settings),
            data_dir=tmp_path / "a", MEDIA_GATEWAY_PLUGINS__INGESTION__KEEP_STARTER="true",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        for gateway in (one, other):
            deadline = time.monotonic() + SOON_SECONDS
            while not (found := httpx.get(f"{gateway.url}/api/v1/discovery/search", params=query).json())["total"]:
                assert time.monotonic() < deadline
            assert found["items"][0]["id"] == "my-0001"
        first = httpx.get(f"{one.url}/api/v1/discovery/search", params={"limit": 2}).json()
        second = httpx.get(f"{other.url}{first['links']['next']}")
        named = httpx.get(f"{one.url}/healthz", headers={"Host": "media.example"})
        foreign = httpx.get(f"{one.url}/healthz", headers={"Host": "evil.example"})

    assert second.status_code == 200
    assert (named.status_code, foreign.status_code) == (200, 421)


def test_every_jsonl_example_is_taken_in_whole() -> None:
    lines = [line for page in PAGES for block in blocks(page, "jsonl") for line in block.text.splitlines()]

    assert lines
    for line in lines:
        assert not parse_line(line.encode()).unknown_fields


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": "a", "type": "movie", "year": 2000}',
        b'{"id": "a", "type": "movie", "title": "A", "year": "2000"}',
        b'{"id": "a", "type": "film", "title": "A", "year": 2000}',
        b'{"id": "a",',
        b'{"id": "a\xff"}',
    ],
)
def test_the_guide_lists_the_reasons_of_rejections(line: bytes) -> None:
    """Up to where the numbers of this very line begin."""
    table = without_blocks(DOCS / "how-to" / "take-in-a-catalogue.md")

    with pytest.raises(BadRecord) as error:
        parse_line(line)

    assert f"| `{re.split(r'JSON: |byte |, .tv', str(error.value))[0]}" in table


# Following the pages


@pytest.mark.slow
@pytest.mark.parametrize("page", FOLLOWED, ids=shown)
def test_a_page_that_is_followed_prints_what_it_says(page: Path, readers: dict[Path, Future[None]]) -> None:
    readers[page].result()


def read(page: Path, folder: Path) -> None:
    """Save and paste the blocks of a page in their order, in a folder that looks like a fresh clone."""
    with Terminal(folder) as terminal:
        for block, printed in steps(page):
            if block.name:
                terminal.save(block)
            elif block.text == "make run\n":
                assert printed
                assert fits(terminal.here(printed.text), terminal.start(block.text))
            else:
                follow(terminal, block, printed)
        if page.name == "tutorial.md":
            terminal.interrupt()


def follow(terminal: Terminal, block: Block, printed: Block | None) -> None:
    """Paste a block and compare. What a running gateway has just been given shows "within a second"."""
    ended = terminal.run(block.text)
    deadline = time.monotonic() + SOON_SECONDS
    while block.text.startswith("curl") and not shows(terminal, ended, printed) and time.monotonic() < deadline:
        ended = terminal.run(block.text)
    said = re.search(r"exit code (\d)", block.before + (printed.before if printed else ""))
    told = f"{block}\nprinted:\n{ended.printed}{ended.errors}"
    assert ended.code == (int(said[1]) if said else 0), told
    assert shows(terminal, ended, printed), told


def shows(terminal: Terminal, ended: Ended, printed: Block | None) -> bool:
    return printed is None or fits(terminal.here(printed.text), ended.printed or ended.errors)


def test_what_fits_is_compared_to_the_letter() -> None:
    assert fits("a …\nc", "a bbb\n c\nc\n")
    assert not fits("a …\nc", "a bbb\nd")
    assert not fits("(x)", "x")
    assert not fits("found", "found nothing")
