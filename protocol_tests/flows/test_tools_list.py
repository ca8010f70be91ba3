"""What an agent reads first, and pays for in every conversation: the list of tools."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from protocol_tests.gateways import COMMAND, environment

# The default profile is to have fourteen tools in all; these shares of its 12,000 bytes leave room for the others.
BUDGET_BYTES = 12_000
SHARES = {"search_titles": 2_400, "get_titles": 945, "resolve_title": 945, "list_expiring_titles": 810}
OTHERS_BYTES = 690

MESSAGES = [
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
]


def answer_of_a_new_process(data_dir: Path) -> str:
    """The line that answers tools/list, as it stands on the wire."""
    done = subprocess.run(
        [COMMAND, "serve", "--data-dir", str(data_dir)],
        input="".join(json.dumps(message) + "\n" for message in MESSAGES),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return next(line for line in done.stdout.splitlines() if json.loads(line).get("id") == 2)


def test_the_list_is_small_and_the_same_to_the_byte_after_a_restart(tmp_path: Path) -> None:
    first, second = answer_of_a_new_process(tmp_path), answer_of_a_new_process(tmp_path)
    tools = json.loads(first)["result"]["tools"]
    sizes = {tool["name"]: len(json.dumps(tool, separators=(",", ":"), ensure_ascii=False).encode()) for tool in tools}

    assert first == second
    assert list(sizes) == sorted(sizes)
    for name, size in sizes.items():
        assert size <= SHARES.get(name, OTHERS_BYTES), f"{name} takes {size} bytes"
    assert sum(SHARES.values()) + 10 * OTHERS_BYTES <= BUDGET_BYTES
    assert len(first) <= BUDGET_BYTES


def test_every_tool_says_what_it_does_to_whom(tmp_path: Path) -> None:
    tools = json.loads(answer_of_a_new_process(tmp_path))["result"]["tools"]

    for tool in tools:
        assert tool["title"]
        assert 40 <= len(tool["description"]) <= 1024
        assert set(tool["annotations"]) >= {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
        assert tool["inputSchema"]["additionalProperties"] is False
        assert all(member.get("description") for member in tool["inputSchema"]["properties"].values()), tool["name"]
        assert tool["outputSchema"]["properties"]
