"""Sign-in that nobody asked for costs nobody anything."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import pytest

pytestmark = pytest.mark.anyio

PROGRAM = """
import sys
from pathlib import Path
import anyio
from mcp_gateway import lean_imports
lean_imports.install()
from mcp_gateway.testing import running_gateway
from mcp_gateway_auth import plugin

async def start():
    async with running_gateway(plugin, data_dir=Path(sys.argv[1])):
        heavy = {"argon2", "cryptography", "httpx2", "jinja2", "jwt", "redis", "starlette"}
        print(*sorted(heavy & sys.modules.keys()))

anyio.run(start)
"""


async def test_without_sign_in_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    done = await anyio.run_process(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], env={"PYTHONPATH": ":".join(sys.path)}
    )

    assert done.stdout.split() == []
