"""Unmodified official clients connect over every transport and find a film."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client

from protocol_tests.gateways import COMMAND, ROOT, environment, http_gateway

pytestmark = pytest.mark.anyio

PYTHON1 = ROOT / ".cache" / "clients" / "python1" / "bin" / "python"
TYPESCRIPT = ROOT / "protocol_tests" / "clients" / "typescript"
TRANSPORTS = ["stdio", "sse", "http"]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="module")
def url(data_dir: Path) -> Iterator[str]:
    with http_gateway(data_dir) as gateway:
        yield gateway.url


def check(seen: dict[str, Any]) -> None:
    """The Dark Knight of 2008 first, and both Dunes with scores and reasons."""
    assert seen["server"]["name"] == "media-gateway"
    assert {"search_titles", "get_titles", "resolve_title"} <= set(seen["tools"])
    first = seen["search"]["items"][0]
    assert (first["id"], first["title"], first["year"]) == ("tt0468569", "The Dark Knight", 2008)
    dunes = {c["title"]["year"]: c for c in seen["resolved"]["candidates"] if c["title"]["title"] == "Dune"}
    assert {1984, 2021} <= set(dunes)
    assert all(candidate["score"] > 0 and candidate["reason"] for candidate in dunes.values())


def needed(path: Path, what: str) -> None:
    """Skip on a machine where the client cannot be had; fail in CI."""
    if not path.exists():
        message = f"{what} is not installed; run scripts/test_clients.sh"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


def drive(client: list[str], transport: str, url: str, data_dir: Path) -> dict[str, Any]:
    target = {
        "stdio": [COMMAND, "serve", "--data-dir", str(data_dir)],
        "sse": [f"{url}/sse"],
        "http": [f"{url}/mcp"],
    }[transport]
    done = subprocess.run(
        [*client, transport, *target], env=environment(), capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_old_python_sdk(transport: str, url: str, data_dir: Path) -> None:
    needed(PYTHON1, "the old Python SDK")

    check(drive([str(PYTHON1), str(ROOT / "protocol_tests/clients/python1/client.py")], transport, url, data_dir))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_typescript_sdk(transport: str, url: str, data_dir: Path) -> None:
    needed(TYPESCRIPT / "node_modules", "the TypeScript SDK")
    node = shutil.which("node")
    assert node is not None

    check(drive([node, str(TYPESCRIPT / "client.mjs")], transport, url, data_dir))


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_python_sdk(transport: str, mode: Any, url: str, data_dir: Path) -> None:
    server: Any = {
        "stdio": StdioServerParameters(command=COMMAND, args=["serve", "--data-dir", str(data_dir)], env=environment()),
        "sse": None,
        "http": f"{url}/mcp",
    }[transport]
    if server is None:
        server = sse_client(f"{url}/sse")

    async with Client(server, mode=mode) as client:
        tools = (await client.list_tools()).tools
        search = await client.call_tool("search_titles", {"query": "the dark knight"})
        resolved = await client.call_tool("resolve_title", {"name": "Dune"})
        info = client.server_info

    assert info is not None
    check(
        {
            "server": {"name": info.name},
            "tools": [tool.name for tool in tools],
            "search": search.structured_content,
            "resolved": resolved.structured_content,
        }
    )
