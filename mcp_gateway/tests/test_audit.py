"""The audit log."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.api import Call, Caller, Conflict, InvalidParams, capability
from mcp_gateway.audit import Audit
from mcp_gateway.clock import SystemClock
from mcp_gateway.registry import Registry
from mcp_gateway.settings import AuditSection
from mcp_gateway.tests.small_gateway import EchoParams, Said

pytestmark = pytest.mark.anyio

ADA = Call(caller=Caller("ada", sign_in="ada-1"))


async def echo(params: EchoParams, call: Call) -> Said:
    """Comes back."""
    if params.text == "taken":
        raise Conflict("Somebody has it.")
    return Said(text=params.text)


@contextmanager
def audited(folder: Path, **settings: Any) -> Iterator[Registry]:
    registry = Registry()
    registry.add("example", [capability("echo", echo)])
    registry.audit = Audit(folder / "audit.jsonl", b"k" * 32, SystemClock(), AuditSection(**settings))
    try:
        yield registry
    finally:
        registry.audit.close()


async def say(registry: Registry, text: str, call: Call = ADA) -> None:
    await registry.invoke(registry.tool("echo"), {"text": text}, call)


def lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / "audit.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def test_a_call_is_noted_with_who_what_and_how_it_ended_and_without_what_was_said(tmp_path: Path) -> None:
    with audited(tmp_path) as registry:
        await say(registry, "my secret wish")
        await say(registry, "my secret wish")
        with pytest.raises(Conflict):
            await say(registry, "taken")

    first, again, failed = lines(tmp_path)
    assert (first["caller"], first["sign_in"], first["tool"], first["outcome"]) == ("ada", "ada-1", "echo", "ok")
    assert failed["outcome"] == "conflict"
    assert first["arguments"] == again["arguments"] != failed["arguments"]
    assert "wish" not in (tmp_path / "audit.jsonl").read_text()
    assert stat.S_IMODE((tmp_path / "audit.jsonl").stat().st_mode) == 0o600


@pytest.mark.parametrize(("callers", "noted"), [("signed_in", 1), ("all", 2), ("none", 0)])
async def test_whose_calls_are_noted_is_the_operators_choice(tmp_path: Path, callers: str, noted: int) -> None:
    with audited(tmp_path, callers=callers) as registry:
        await say(registry, "hello")
        await say(registry, "hello", Call())

    assert len(lines(tmp_path)) == noted


async def test_full_files_are_put_aside_and_only_so_many_kept(tmp_path: Path) -> None:
    with audited(tmp_path, max_bytes=1024, files=3) as registry:
        for number in range(40):
            await say(registry, f"{number}")

    kept = {path.name: path.stat().st_size for path in sorted(tmp_path.glob("*"))}  # noqa: ASYNC240 — a test
    assert list(kept) == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    assert max(kept.values()) <= 1024


async def test_a_call_does_not_fail_where_it_cannot_be_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    with audited(tmp_path) as registry:
        await say(registry, "hello")
        await say(registry, "hello")

    assert [record.message for record in caplog.records] == ["the audit log cannot be written"]


async def test_numbers_that_json_cannot_hold_have_a_digest_too(tmp_path: Path) -> None:
    with audited(tmp_path) as registry, pytest.raises(InvalidParams):
        await registry.invoke(registry.tool("echo"), {"text": 2**70}, ADA)

    assert lines(tmp_path)[0]["outcome"] == "invalid_params"
