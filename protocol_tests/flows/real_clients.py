"""The clients that other people wrote, and what each of them can do: the table behind the tests."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from protocol_tests.gateways import COMMAND, ROOT, environment

FIXTURES = ["--plugins-dir", str(ROOT / "fixtures")]
CLIENTS = ROOT / "protocol_tests" / "clients"
TYPESCRIPT = CLIENTS / "typescript"
RUN_SECONDS = 110

# What a client does, in this order, as far as it can.
STEPS = (
    "connect", "tools", "resources", "templates", "prompts", "call", "progress", "read", "prompt", "complete", "level",
    "subscribe", "cancel",
)  # fmt: skip
AGREED_2024 = {"stdio": "2024-11-05", "sse": "2024-11-05"}
AGREED_2025 = {"stdio": "2025-11-25", "sse": "2025-11-25", "http": "2025-11-25"}
AGREED_2026 = {"stdio": "2026-07-28", "http": "2026-07-28"}


@dataclass(frozen=True)
class RealClient:
    """One client.

    Attributes:
        version: The package and its version, as the lock file has them.
        lock: Which lock file.
        program: What runs it; the targets follow as the second word.
        revisions: The revision it agrees on, by transport; None where it tells nobody.
        lacks: The steps it does not take, with the reason.
        own: What it sees in steps that no other takes.
        bridge: What stands between the client's standard input and an address.
    """

    version: str
    lock: Path
    program: Sequence[str]
    revisions: Mapping[str, str | None]
    lacks: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)
    bridge: Sequence[str] = ()

    @property
    def steps(self) -> set[str]:
        """The steps that it takes."""
        return {*STEPS, *self.own} - set(self.lacks)

    def targets(self, url: str, data_dir: Path) -> dict[str, str | list[str]]:
        """Where it finds the gateway, by transport."""
        places: dict[str, str | list[str]] = {
            "stdio": [COMMAND, "serve", "--data-dir", str(data_dir), *FIXTURES],
            "sse": f"{url}/sse",
            "http": f"{url}/mcp",
        }
        if self.bridge:
            for name in ("sse", "http"):
                places[name] = [*self.bridge, str(places[name]), "--transport", f"{name}-only"]
        return {transport: places[transport] for transport in self.revisions}

    def run(self, url: str, data_dir: Path, home: Path) -> dict[str, Any]:
        """Let it take all its steps; returns what it saw in each, by transport.

        Args:
            home: The home directory of the client, which keeps its own files there.
        """
        targets = json.dumps(self.targets(url, data_dir))
        done = subprocess.run(
            [*self.program[:2], targets, *self.program[2:]],
            env=environment(HOME=str(home), NO_COLOR="1"),
            capture_output=True, text=True, timeout=RUN_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        seen: dict[str, Any] = json.loads(done.stdout)
        return seen

    def needed(self) -> None:
        """Skip on a machine where it cannot be had; fail in CI."""
        installed = [self.program[0], *self.bridge]
        if self.lock.suffix == ".json":
            installed += [NODE, str(TYPESCRIPT / "node_modules")]
        if not all(shutil.which(place) or Path(place).exists() for place in installed):
            message = f"{self.version} is not installed; run scripts/test_clients.sh"
            pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


def python(version: str, environment_name: str, script: str, *arguments: str, **more: Any) -> RealClient:
    """A client in Python, in an environment of its own."""
    program = [str(ROOT / ".cache/clients" / environment_name / "bin/python"), str(CLIENTS / "python" / script)]
    lock = CLIENTS / "python" / "locks" / f"{environment_name}.txt"
    return RealClient(version, lock, [*program, *arguments], **more)


def typescript(version: str, script: str, *arguments: str, **more: Any) -> RealClient:
    """A client for Node.js."""
    return RealClient(version, TYPESCRIPT / "package.json", [NODE, str(TYPESCRIPT / script), *arguments], **more)


def newest_node() -> str:
    """The Node.js that came with the conformance suite, which is newer than many machines' own."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    installed = ROOT / f"protocol_tests/official/node_modules/node-{platform.system().lower()}-{machine}/bin/node"
    return str(installed) if installed.exists() else "node"


def without(reason: str, *steps: str) -> dict[str, str]:
    """Steps that a client does not take, all for one reason."""
    return dict.fromkeys(steps, reason)


NODE = newest_node()
PROJECT_PYTHON = str(Path(COMMAND).with_name("python"))
PROJECT_LOCK = ROOT / "requirements" / "dev.txt"
SDK_2 = [PROJECT_PYTHON, str(CLIENTS / "python" / "sdk_2.py")]
INSPECTOR = [PROJECT_PYTHON, str(CLIENTS / "python" / "inspector.py"), NODE]
MCP_REMOTE = [NODE, str(TYPESCRIPT / "node_modules/mcp-remote/dist/proxy.js")]
NO_MEANS = "it has no means for it"
ONE_CALL = "each call is a session of its own"

REAL_CLIENTS: Mapping[str, RealClient] = {
    "python-first": python(
        "mcp==1.1.3", "first", "sdk_first.py", revisions=AGREED_2024, lacks=without(NO_MEANS, "cancel")
    ),
    "python-middle": python(
        "mcp==1.9.4", "middle", "sdk_1.py", revisions=dict.fromkeys(("stdio", "sse", "http"), "2025-03-26")
    ),
    "python-last": python("mcp==1.30.0", "last", "sdk_1.py", revisions=AGREED_2025),
    "python-2-legacy": RealClient("mcp==2.3.0", PROJECT_LOCK, [*SDK_2, "legacy"], AGREED_2025),
    "python-2-auto": RealClient("mcp==2.3.0", PROJECT_LOCK, [*SDK_2, "auto"], AGREED_2026),
    "typescript-first": typescript(
        "@modelcontextprotocol/sdk@1.0.4", "sdk_1.mjs", "sdk-first", revisions=dict.fromkeys(("stdio", "sse"))
    ),
    "typescript-last": typescript("@modelcontextprotocol/sdk@1.32.2", "sdk_1.mjs", "sdk-latest", revisions=AGREED_2025),
    "typescript-2-legacy": typescript(
        "@modelcontextprotocol/client@2.4.0", "sdk_2.mjs", "legacy", revisions=AGREED_2025
    ),
    "typescript-2-auto": typescript("@modelcontextprotocol/client@2.4.0", "sdk_2.mjs", "auto", revisions=AGREED_2026),
    "mcp-remote": RealClient(
        "mcp-remote@0.15.1",
        TYPESCRIPT / "package.json",
        python("mcp==1.30.0", "last", "sdk_1.py", revisions={}).program,
        revisions={"sse": "2025-11-25", "http": "2025-11-25"},
        bridge=MCP_REMOTE,
    ),
    "inspector": RealClient(
        "@modelcontextprotocol/inspector@2.12.0",
        TYPESCRIPT / "package.json",
        INSPECTOR,
        revisions={"http": "2025-11-25"},
        lacks={**without(ONE_CALL, "level", "subscribe", "cancel"), **without(NO_MEANS, "progress", "complete")},
        own={"level_alone": {}},  # it sets the level, and hears nothing of it
    ),
    "inspector-short": RealClient(
        "@modelcontextprotocol/inspector@2.12.0",
        TYPESCRIPT / "package.json",
        INSPECTOR,
        revisions={"stdio": "2025-11-25", "sse": "2025-11-25"},
        lacks=without(
            "each takes a start of the command; over HTTP it takes them", *(set(STEPS) - {"connect", "call"})
        ),
    ),
    "fastmcp-legacy": python("fastmcp-slim==4.2.1", "second", "fastmcp_4.py", "legacy", revisions=AGREED_2025),
    "fastmcp-auto": python("fastmcp-slim==4.2.1", "second", "fastmcp_4.py", "auto", revisions=AGREED_2026),
    "langchain": python(
        "langchain-mcp-adapters==0.3.2",
        "last",
        "langchain_tools.py",
        revisions=AGREED_2025,
        lacks=without(NO_MEANS, "resources", "templates", "prompts", "complete", "level", "subscribe", "cancel"),
    ),
    "openai-agents": python(
        "openai-agents==0.24.0",
        "last",
        "openai_agents_tools.py",
        revisions=AGREED_2025,
        lacks=without(NO_MEANS, "progress", "complete", "level", "subscribe", "cancel"),
    ),
    "pydantic-ai": python(
        "pydantic-ai-slim==2.68.0",
        "second",
        "pydantic_ai_tools.py",
        revisions={**AGREED_2026, "sse": "2025-11-25"},
        lacks=without(NO_MEANS, "complete", "level", "subscribe"),
    ),
}
