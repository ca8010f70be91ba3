"""Messages that no client should send, by the ten thousand: each is answered as it has to be, and leaves nothing.

`--fuzz-messages` says how many are sent over each transport, `--fuzz-seed` which.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, islice
from pathlib import Path

import pytest

from mcp_gateway.protocol.messages import Parsed, Refusal, Request
from mcp_gateway.transports.framing import parse
from protocol_tests.hostile.messages import Fuzzer
from protocol_tests.hostile.oracle import Key, key_of, owed_for
from protocol_tests.hostile.servers import memory_mb, over_http, over_stdio
from protocol_tests.hostile.talks import Block, HttpTalk, PipeTalk, SseTalk, Talk

pytestmark = pytest.mark.timeout(900)
log = logging.getLogger(__name__)

BLOCK = 2000
MEGABYTE = 1_000_000
# What it grows after its first few thousand messages, whatever the number of the others. Caches fill up meanwhile.
GROWTH_MB = 8.0


@pytest.fixture
def count(pytestconfig: pytest.Config) -> int:
    return max(2 * BLOCK, int(pytestconfig.getoption("--fuzz-messages")))


@pytest.fixture
def seed(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.getoption("--fuzz-seed"))


def test_stdio_withstands_every_message(tmp_path: Path, count: int, seed: int) -> None:
    fuzzer = Fuzzer(seed, lines=True, asking=True)
    with over_stdio(tmp_path) as process:
        talk = PipeTalk(process, fuzzer)
        withstand(talk, process.pid, fuzzer, count)

        assert talk.end(process) == 0
    assert_nothing_failed((tmp_path / "log").read_text())


def test_sse_withstands_every_message(tmp_path: Path, count: int, seed: int) -> None:
    fuzzer = Fuzzer(seed, lines=False, asking=True)
    with over_http(tmp_path) as gateway, closing(SseTalk(gateway.url, fuzzer)) as talk:
        withstand(talk, gateway.process.pid, fuzzer, count)
    assert_nothing_failed("".join(gateway.log))


def test_streamable_http_withstands_every_message(tmp_path: Path, count: int, seed: int) -> None:
    fuzzer = Fuzzer(seed, lines=False, asking=False)
    with over_http(tmp_path) as gateway, closing(HttpTalk(gateway.url, fuzzer)) as talk:
        withstand(talk, gateway.process.pid, fuzzer, count)
    assert_nothing_failed("".join(gateway.log))


def test_what_is_owed_is_what_framing_says(seed: int) -> None:
    """Without a server between them, so that a difference shows which message it is about."""
    for text, owed in Fuzzer(seed, lines=True, asking=True).messages(5000):
        answers = answers_of(parse(text))
        assert len(answers) == len(owed.answers), (text, owed)
        assert all(key in keys for key, keys in zip(answers, owed.answers, strict=True)), (text, owed)


def withstand(talk: Talk, pid: int, fuzzer: Fuzzer, count: int) -> None:
    """Send so many messages, large ones among the first and the last, and see what the process grows."""
    large = large_block(talk.max_bytes)
    for block in chain(blocks(fuzzer, 2 * BLOCK), [large, large]):
        assert_settled(talk.exchange(block))
    before = memory_mb(pid)
    for block in chain(blocks(fuzzer, count - 2 * BLOCK), [large]):
        assert_settled(talk.exchange(block))

    after = memory_mb(pid)
    log.info("%d messages: %.1f MB after the first %d, %.1f MB in the end", count, before, 2 * BLOCK, after)
    assert after - before < GROWTH_MB


def blocks(fuzzer: Fuzzer, count: int) -> Iterator[Block]:
    messages = fuzzer.messages(count)
    while block := list(islice(messages, BLOCK)):
        yield block


def large_block(max_bytes: int) -> Block:
    """Messages of 10 MB, one that is as long as can be, and one that is a byte longer."""
    ping = {"jsonrpc": "2.0", "method": "ping"}
    room = max_bytes - len(json.dumps({**ping, "id": "fits", "params": {"x": ""}}))
    texts = [
        *(json.dumps({**ping, "id": name, "params": {"x": value}}).encode() for name, value in (
            ("text", "x" * 10 * MEGABYTE),
            ("lists", [[]] * (3 * MEGABYTE)),
            ("numbers", [0] * (3 * MEGABYTE)),
            ("names", {str(number): 0 for number in range(MEGABYTE // 2)}),
            ("fits", "x" * room),
            ("long", "x" * (room + 1)),
        )),
        b"[" * 10 * MEGABYTE,
        b"9" * 10 * MEGABYTE,
        b'{"jsonrpc":"2.0","id":"cut","method":"' + b"x" * 10 * MEGABYTE,
    ]  # fmt: skip
    return [(text, owed_for(text)) for text in texts]


def answers_of(parsed: Parsed) -> list[Key]:
    """The ids of the answers that `framing` leads to."""
    if isinstance(parsed, list):
        return [key for message in parsed for key in answers_of(message)]
    return [key_of(parsed.id)] if isinstance(parsed, Request | Refusal) else []


def assert_settled(faults: list[str]) -> None:
    assert not faults, "\n".join(fault[:1000] for fault in faults[:5])


def assert_nothing_failed(log: str) -> None:
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:3000]
    assert not re.search("exception|failed", log, re.IGNORECASE), log[-2000:]
