"""What a start leaves out: a client that starts the gateway waits for all that is imported before the first answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from mcp_gateway.lean_imports import PACKAGES

# Each takes 10 to 300 ms and some megabytes, and none has a part in serving a client over stdio.
UNNEEDED = (
    "aiokafka",
    "alembic",
    "asyncpg",
    "httpx",
    "httpx2",
    "jsonschema",
    "mcp_gateway_ingestion.importing",
    "mcp_gateway_ingestion.jsonl",
    "mcp_gateway_ingestion.pollers.json_api",
    "mcp_gateway_ingestion.starter_catalogue",
    "mcp_gateway_ingestion.sync.run",
    "mcp.client",
    "mcp.server",
    "mcp_types",
    "pydantic_settings",
    "rapidfuzz",
    "redis",
    "rich",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.orm",
    "starlette",
    "uvicorn",
)
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
SEARCH = {"name": "search_titles", "arguments": {"query": "dune"}}


def media_gateway(*arguments: str, data_dir: Path, told: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the command line with a record of what it imports on standard error."""
    command = [sys.executable, "-X", "importtime", "-m", "mcp_gateway.main", *arguments, "--data-dir", str(data_dir)]
    return subprocess.run(command, input=told, capture_output=True, timeout=60, check=False)


def imported(errors: bytes) -> set[str]:
    """The modules that `-X importtime` names."""
    lines = (line for line in errors.decode().splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}


def message(method: str, params: Any, request_id: int | None = None) -> bytes:
    """A line of a client."""
    named = {} if request_id is None else {"id": request_id}
    return orjson.dumps({"jsonrpc": "2.0", **named, "method": method, "params": params}) + b"\n"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder with its tables made and the starter catalogue in it."""
    assert media_gateway("serve", data_dir=tmp_path).returncode == 0
    return tmp_path


def test_serving_over_stdio_imports_nothing_that_it_does_not_need(data_dir: Path) -> None:
    told = (
        message("initialize", HELLO, 1)
        + message("notifications/initialized", {})
        + message("tools/list", {}, 2)
        + message("tools/call", SEARCH, 3)
    )

    served = media_gateway("serve", data_dir=data_dir, told=told)

    answers = {answer["id"]: answer for answer in map(orjson.loads, served.stdout.splitlines()) if "id" in answer}
    assert not answers[3]["result"].get("isError")
    modules = imported(served.stderr)
    assert "mcp_gateway_search.index" in modules
    assert [name for name in UNNEEDED if name in modules] == []


def test_a_handshake_imports_nothing_that_only_calls_need(data_dir: Path) -> None:
    served = media_gateway("serve", data_dir=data_dir, told=message("initialize", HELLO, 1))

    assert b'"protocolVersion"' in served.stdout
    assert imported(served.stderr).isdisjoint({"jsonschema_rs", *UNNEEDED})


def test_help_imports_neither_the_gateway_nor_the_sdk(tmp_path: Path) -> None:
    helped = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mcp_gateway.main", "--help"],
        capture_output=True,
        timeout=60,
        check=True,
    )

    modules = imported(helped.stderr)
    assert "typer" in modules
    assert modules.isdisjoint({"mcp_gateway.gateway", "sqlalchemy", *UNNEEDED})


@pytest.mark.parametrize(
    "statement",
    [
        "from mcp import Client, ClientSession",
        "from mcp.server import MCPServer",
        "import mcp; mcp.Client; mcp.types.Tool",
        "from mcp.server import stdio; stdio.stdio_server",
        "from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine",
        "from sqlalchemy.ext.asyncio import exc; exc.AsyncMethodRequired",
    ],
)
def test_what_a_plugin_imports_of_a_lean_package_is_there(statement: str) -> None:
    run(f"from mcp_gateway import lean_imports; lean_imports.install(); {statement}")


def test_a_name_that_a_lean_package_does_not_have_is_missed_as_ever() -> None:
    refused = run("from mcp_gateway import lean_imports; lean_imports.install(); from mcp import nonsense", code=1)

    assert "ImportError: cannot import name 'nonsense' from 'mcp'" in refused


def test_a_lean_package_that_was_asked_for_is_one_like_any_other() -> None:
    assert "mcp" in PACKAGES
    told = run(
        "from mcp_gateway import lean_imports; lean_imports.install(); import mcp.shared.uri_template, sys;"
        "print('mcp.client' in sys.modules, file=sys.stderr); mcp.Client; print(type(mcp).__name__, file=sys.stderr)"
    )

    assert told.split() == ["False", "module"]


def run(code_text: str, code: int = 0) -> str:
    """Run Python; what it wrote to standard error."""
    ended = subprocess.run([sys.executable, "-c", code_text], capture_output=True, timeout=60, check=False, text=True)
    assert ended.returncode == code, ended.stderr
    return ended.stderr
