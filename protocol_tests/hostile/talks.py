"""Fuzzed conversations: one for each transport. Each sends a block of messages and sees that all of it is settled."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Any, Protocol

import orjson

from protocol_tests.conformance.shapes import initialize_params
from protocol_tests.hostile.ledger import Ledger
from protocol_tests.hostile.messages import Fuzzer
from protocol_tests.hostile.oracle import NULL, Key, Owed, key_of, owed_for
from protocol_tests.hostile.raw_http import Connection, Reply, get, post

SETTLE_SECONDS = 30.0
AHEAD = 20
EXPECTED = {202, 400, 413}
CONNECTIONS = 16
MAX_LINE_BYTES, MAX_BODY_BYTES = 16 * 1024 * 1024, 4 * 1024 * 1024  # the defaults of the settings


def _hello(version: str) -> bytes:
    params = initialize_params(version, capabilities={"sampling": {}, "roots": {}})
    return json.dumps({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": params}).encode()


HELLO = (_hello("2024-11-05"), Owed([(key_of("hello"),)]))
TOO_LONG = Owed([(NULL,)])
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'

Block = Sequence[tuple[bytes, Owed]]


class Talk(Protocol):
    """A session that is being fuzzed.

    Attributes:
        max_bytes: The longest message that the server takes.
    """

    max_bytes: int

    def exchange(self, block: Block) -> list[str]:
        """Send messages and wait until the server owes nothing; what was wrong."""
        ...


class _Stream:
    """What a duplex server sends, read by a thread: into the ledger of the block, and questions aside."""

    def __init__(self, messages: Iterator[bytes]) -> None:
        self._questions: list[dict[str, Any]] = []
        self.ended = False
        self._ledger = Ledger()
        self._seen: set[Key] = set()
        self._changed = threading.Condition()
        threading.Thread(target=self._read, args=(messages,), daemon=True).start()

    def owe(self, block: Block) -> None:
        """These are about to be sent."""
        with self._changed:
            for text, owed in block:
                self._ledger.owe(text, owed)

    def answers(self, fuzzer: Fuzzer) -> list[bytes]:
        """What is to be said to the questions that came."""
        with self._changed:
            questions, self._questions = self._questions, []
        answers = [fuzzer.answer_to(question) for question in questions]
        self.owe([(answer, owed_for(answer)) for answer in answers])
        return answers

    def until_answered(self, key: Key) -> None:
        """Wait for one answer."""
        with self._changed:
            self._changed.wait_for(lambda: key in self._seen or self.ended, SETTLE_SECONDS)
            assert key in self._seen, f"no answer to {key}; the stream {'ended' if self.ended else 'hangs'}"

    def settle(self) -> list[str]:
        """Wait until nothing is missing, then begin a new account; what was wrong."""
        with self._changed:
            self._changed.wait_for(lambda: self.ended or not self._missing(), SETTLE_SECONDS)
            faults = [*self._ledger.faults, *self._ledger.balance()]
            self._ledger = Ledger()
            self._seen.clear()
        return faults

    def _missing(self) -> bool:
        return any(True for _ in self._ledger.balance())

    def _read(self, messages: Iterator[bytes]) -> None:
        try:
            for message in messages:
                with self._changed:
                    self._take(message)
                    self._changed.notify_all()
        except (OSError, EOFError):
            pass  # the test hung up
        finally:
            with self._changed:
                self.ended = True
                self._changed.notify_all()

    def _take(self, message: bytes) -> None:
        try:
            value = orjson.loads(message)
        except orjson.JSONDecodeError:
            self._ledger.faults.append(f"not JSON: {message[:300]!r}")
            return
        self._questions += self._ledger.take(value)
        if isinstance(value, dict) and "method" not in value:
            self._seen.add(key_of(value.get("id")))


class PipeTalk:
    """Over stdio: lines in pieces of any size."""

    max_bytes = MAX_LINE_BYTES

    def __init__(self, process: subprocess.Popen[bytes], fuzzer: Fuzzer) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input = process.stdin
        self._fuzzer = fuzzer
        self._stream = _Stream(_lines(process.stdout))
        self._sentinels = 0
        self._stream.owe([HELLO])
        self._send(HELLO[0] + b"\n" + INITIALIZED + b"\n")
        assert not self._stream.settle()

    def exchange(self, block: Block) -> list[str]:
        """As `Talk`."""
        block = [(text, owed if len(text) <= MAX_LINE_BYTES else TOO_LONG) for text, owed in block]
        self._sentinels += 1
        last = f"sentinel {self._sentinels}"
        ping = json.dumps({"jsonrpc": "2.0", "id": last, "method": "ping"}).encode()
        self._stream.owe([*block, (ping, Owed([(key_of(last),)]))])
        for piece in self._fuzzer.pieces(b"".join(text + b"\n" for text, _ in block)):
            self._send(piece)
            if piece.endswith(b"\n"):
                self._answer_questions()
        self._send(ping + b"\n")
        self._stream.until_answered(key_of(last))
        return self._stream.settle()

    def end(self, process: subprocess.Popen[bytes]) -> int:
        """Break off within a message; the status of the process."""
        self._send(b'{"jsonrpc":"2.0","id":1,"meth')
        self._input.close()
        return process.wait(SETTLE_SECONDS)

    def _answer_questions(self) -> None:
        answers = self._stream.answers(self._fuzzer)
        self._send(b"".join(answer + b"\n" for answer in answers))

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._input.write(view) or 0 :]


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    held = b""
    while chunk := stream.read(1 << 20):
        *lines, held = (held + chunk).split(b"\n")
        yield from lines


class SseTalk:
    """Over HTTP with SSE: messages posted on several connections, many ahead; answers on the stream."""

    max_bytes = MAX_BODY_BYTES

    def __init__(self, url: str, fuzzer: Fuzzer) -> None:
        self._url = url
        self._fuzzer = fuzzer
        self._listening = Connection(url)
        self._listening.socket.settimeout(None)
        self._listening.send(get("/sse"))
        self._listening.head()
        events = self._listening.events()
        self._path = next(events)[1].decode()
        self._stream = _Stream(data for _, data in events)
        self._posting = [Connection(url) for _ in range(CONNECTIONS)]
        self._stream.owe([HELLO])
        self._post([HELLO[0]])
        self._post([INITIALIZED])
        assert not self._stream.settle()

    def exchange(self, block: Block) -> list[str]:
        """As `Talk`."""
        _break_off(self._url, self._path)
        self._stream.owe([(text, owed) for text, owed in block if len(text) <= MAX_BODY_BYTES])
        faults = []
        for part in _parts(block, AHEAD * CONNECTIONS):
            statuses = self._post([*(text for text, _ in part), *self._stream.answers(self._fuzzer)])
            faults += [
                f"status {status} for {text[:300]!r}" for status, text in statuses if status not in {202, 400, 413}
            ]
        return [*faults, *self._stream.settle()]

    def close(self) -> None:
        """Hang up."""
        for connection in (*self._posting, self._listening):
            connection.close()

    def _post(self, texts: Sequence[bytes]) -> list[tuple[int, bytes]]:
        lots = [texts[number::CONNECTIONS] for number in range(CONNECTIONS)]
        for connection, lot in zip(self._posting, lots, strict=True):
            connection.send(b"".join(post(self._path, text) for text in lot))
        return [
            (connection.reply().status, text)
            for connection, lot in zip(self._posting, lots, strict=True)
            for text in lot
        ]


def _break_off(url: str, path: str) -> None:
    """Hang up within a body, and within a head."""
    for request in (post(path, HELLO[0]), get(path)):
        connection = Connection(url)
        connection.send(request[:-10])
        connection.close()


class HttpTalk:
    """Over streamable HTTP: each message has its own response."""

    max_bytes = MAX_BODY_BYTES

    def __init__(self, url: str, fuzzer: Fuzzer) -> None:
        self._url = url
        self._fuzzer = fuzzer
        self._posting = [Connection(url) for _ in range(CONNECTIONS)]
        self._posting[0].send(post("/mcp", _hello("2025-03-26")))
        self._session = self._posting[0].reply().headers["mcp-session-id"]
        assert not self.exchange([(INITIALIZED, Owed())])

    def exchange(self, block: Block) -> list[str]:
        """As `Talk`."""
        _break_off(self._url, "/mcp")
        faults: list[str] = []
        for part in _parts(block, AHEAD * CONNECTIONS):
            cancelled = [key for _, owed in part for key in owed.cancels]
            lots = [part[number::CONNECTIONS] for number in range(CONNECTIONS)]
            for connection, lot in zip(self._posting, lots, strict=True):
                connection.send(b"".join(post("/mcp", text, Mcp_Session_Id=self._session) for text, _ in lot))
            for connection, lot in zip(self._posting, lots, strict=True):
                for text, owed in lot:
                    faults += _faults_of(connection.reply(), text, owed, cancelled)
        return faults

    def close(self) -> None:
        """Hang up."""
        for connection in self._posting:
            connection.close()


def _faults_of(reply: Reply, text: bytes, owed: Owed, cancelled: list[Key]) -> list[str]:
    ledger = Ledger()
    ledger.owe(text, owed)
    ledger.owe(b"", Owed(cancels=cancelled))
    for data in _messages_of(reply):
        ledger.take(orjson.loads(data))
    wanted = {202} if not owed.answers else {200} if owed.is_batch else {200, 400}
    if len(text) > MAX_BODY_BYTES:
        return [] if reply.status == 413 else [f"status {reply.status} for {len(text)} bytes"]
    faults = [] if reply.status in wanted else [f"status {reply.status} for {text[:300]!r}: {reply.body[:300]!r}"]
    if not owed.answers and reply.body:
        faults.append(f"{reply.body[:300]!r} for {text[:300]!r}")
    return [*faults, *ledger.faults, *ledger.balance()]


def _messages_of(reply: Reply) -> Iterator[bytes]:
    if not reply.headers.get("content-type", "").startswith("text/event-stream"):
        if reply.body and reply.headers.get("content-type") == "application/json":
            yield reply.body
        return
    for line in reply.body.split(b"\r\n"):
        if line.startswith(b"data: ") and len(line) > len(b"data: "):
            yield line.removeprefix(b"data: ")


def _parts(block: Block, size: int) -> Iterator[Block]:
    for start in range(0, len(block), size):
        yield block[start : start + size]
