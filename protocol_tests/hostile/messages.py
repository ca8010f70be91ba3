"""Messages as no client should send them: those of real sessions, changed in their structure and in their bytes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from protocol_tests.hostile.oracle import Owed, owed_for

ROUNDS = 3
MOST_IN_BATCH = 8
JSON_VALUES = 800
# Texts around a reader's limit of nesting are read by some and refused by others; these are far from it on both sides.
SHALLOW, DEEP = 60, 5000

_SESSION: list[tuple[str, dict[str, Any] | None]] = [
    ("ping", None),
    ("ping", {"_meta": {"progressToken": 1}}),
    ("initialize", {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}),
    ("tools/list", None),
    ("tools/list", {"cursor": "x"}),
    ("tools/call", {"name": "echo", "arguments": {"text": "Ärger 日本語 𝄞"}}),
    ("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2.5}}),
    ("tools/call", {"name": "test_simple_text"}),
    ("tools/call", {"name": "test_image_content", "arguments": {}}),
    ("tools/call", {"name": "test_tool_with_logging", "arguments": {}, "_meta": {"progressToken": "t"}}),
    ("tools/call", {"name": "remember_note", "arguments": {"text": "x"}}),
    ("tools/call", {"name": "recall_notes", "arguments": {}}),
    ("tools/call", {"name": "work", "arguments": {"steps": 1}, "_meta": {"progressToken": 5}}),
    ("tools/call", {"name": "report_progress", "arguments": {"count": 3}, "_meta": {"progressToken": "p"}}),
    ("tools/call", {"name": "no such tool", "arguments": {"x": [1, {"y": None}]}}),
    ("resources/list", None),
    ("resources/templates/list", {}),
    ("resources/read", {"uri": "test://static-text"}),
    ("resources/read", {"uri": "test://template/123/data"}),
    ("resources/read", {"uri": "gateway://plugins"}),
    ("resources/subscribe", {"uri": "test://watched-resource"}),
    ("resources/unsubscribe", {"uri": "test://watched-resource"}),
    ("prompts/list", None),
    ("prompts/get", {"name": "test_simple_prompt"}),
    ("prompts/get", {"name": "test_prompt_with_arguments", "arguments": {"arg1": "a", "arg2": "b"}}),
    (
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "test_prompt_with_arguments"},
            "argument": {"name": "arg1", "value": "p"},
        },
    ),
    (
        "completion/complete",
        {"ref": {"type": "ref/resource", "uri": "test://template/{id}/data"}, "argument": {"name": "id", "value": ""}},
    ),
    ("logging/setLevel", {"level": "warning"}),
    ("no/such", {"a": 1}),
    ("tasks/get", {"taskId": "x"}),
    ("subscriptions/listen", {"notifications": {"toolsListChanged": True}}),
]
_ASKING: list[tuple[str, dict[str, Any] | None]] = [
    ("tools/call", {"name": "test_sampling", "arguments": {"prompt": "x"}}),
    ("tools/call", {"name": "roots", "arguments": {}}),
]
_NOTIFICATIONS: list[tuple[str, dict[str, Any] | None]] = [
    ("notifications/initialized", None),
    ("notifications/cancelled", {"requestId": "nobody's", "reason": "x"}),
    ("notifications/roots/list_changed", None),
    ("notifications/progress", {"progressToken": 1, "progress": 0.5}),
    ("notifications/nope", {"x": 1}),
    ("tools/list", None),
]
_MEMBERS = ["jsonrpc", "id", "method", "params", "result", "error", "_meta", "name", "arguments", "uri", "cursor", ""]
_RAW = [
    b"", b"{", b"[", b"]", b"nul", b"NaN", b"[NaN]", b"Infinity", b"-", b"1 2", b"{}{}", b'"\\ud800"', b"\xff\xfe{}",
    b"\xef\xbb\xbf{}", b"\x00", b'{"jsonrpc":"2.0",}', b"GET / HTTP/1.1", b"\xed\xa0\x80", b"'x'", b"0x10", b"01",
    b"[]", b"{}", b"1", b'"x"', b"null", b"[[]]", b"[" * DEEP, b"[" * DEEP + b"]" * DEEP,
    b'{"a":' * DEEP + b"1" + b"}" * DEEP,
]  # fmt: skip
_BYTES = [b"\\ud800", b"\xff", b"\xc3", b"\x00", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"9" * 30, b"1e999",
          b"\\u0000", b"\r", b" " * 50, b"-", b"\xf0\x9f\x92", "\u2028".encode()]  # fmt: skip
_TEXTS = ["", "__proto__", "\x00", "../..", "a" * 5000, "\u202e", "%s", "{id}"]
_NUMBERS = [0, -1, 1e308, -0.0, 5e-324, 2**31, 2**53, 2**63 - 1, -(2**63), 2**64, 10**25, 10**400, 1.5]


def hostile_values(seed: int) -> list[Any]:
    """JSON values of every kind, nested and strange ones among them. The same for the same seed."""
    texts = st.text(max_size=20) | st.sampled_from(
        ["", "__proto__", "\x00", "../..", "a" * 5000, "\u202e", "%s", "{id}"]
    )
    scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
    values = st.recursive(
        scalars | st.sampled_from(_NUMBERS),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(texts | st.sampled_from(_MEMBERS), inner, max_size=4)
        ),
        max_leaves=12,
    )
    found: list[Any] = []

    @settings(
        max_examples=JSON_VALUES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(values)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    random.Random(seed).shuffle(found)  # noqa: S311 — to be repeated, not to be secret
    return [*found, _nested(SHALLOW), ["x"] * 2000, {str(number): number for number in range(500)}]


class Fuzzer:
    """Makes messages. The same ones for the same seed.

    Args:
        lines: Whether a line feed ends a message: then there is none within one.
        asking: Whether tools are called that ask the client.
    """

    def __init__(self, seed: int, *, lines: bool, asking: bool) -> None:
        self._random = random.Random(seed)  # noqa: S311 — to be repeated, not to be secret
        # How often it is drawn from depends on when the server asks, which must not change the messages.
        self._manner = random.Random(seed)  # noqa: S311
        self._values = hostile_values(seed)
        self._lines = lines
        self._session = [*_SESSION, *(_ASKING if asking else [])]
        self._last_id = 0
        self._recent: list[int | str] = [0]
        self._mutations: list[Callable[[Any, Any], None]] = [self._replace, self._remove, self._add, self._wrap]

    def messages(self, count: int) -> Iterator[tuple[bytes, Owed]]:
        """So many texts, each with what is owed for it."""
        made = 0
        while made < count:
            text = self._text()
            if self._lines:
                text = text.replace(b"\n", b" ")
            if not self._lines or text.strip():
                made += 1
                yield text, owed_for(text)

    def valid(self) -> dict[str, Any]:
        """A message that a client might send."""
        rng = self._random
        if rng.random() < 0.1:
            return {"jsonrpc": "2.0", "id": self._new_id(), "result": {}}
        if rng.random() < 0.15:
            method, params = rng.choice(_NOTIFICATIONS)
            if method == "notifications/cancelled":
                params = {"requestId": rng.choice(self._recent[-20:]), "reason": "fuzz"}
            return _message(method, params)
        method, params = rng.choice(self._session)
        return {**_message(method, params), "id": self._new_id()}

    def answer_to(self, question: dict[str, Any]) -> bytes:
        """What a client might answer, or might not."""
        sampled = {"role": "assistant", "content": {"type": "text", "text": "x"}, "model": "m"}
        rng, strange = self._manner, self._manner.choice(self._values)
        result = rng.choice([sampled, {"roots": [{"uri": "file:///x"}]}, strange, {}])
        outcome = {"error": strange} if rng.random() < 0.2 else {"result": result}
        return json.dumps({"jsonrpc": "2.0", "id": question["id"], **outcome}).encode()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """The same bytes, cut at random."""
        at = 0
        while at < len(data):
            size = self._manner.choice([1, 100, 5000, 100_000])
            yield data[at : at + size]
            at += size

    def _text(self) -> bytes:
        kind = self._random.random()
        if kind < 0.02:
            return self._random.choice(_RAW)
        if kind < 0.12:
            return self._bytes_of([self._message() for _ in range(self._random.randint(0, MOST_IN_BATCH))])
        if kind < 0.3:
            return self._bytes_of(self.valid())
        if kind < 0.7:
            return self._bytes_of(self._message())
        return self._damaged(self._bytes_of(self._message()))

    def _message(self) -> Any:
        message: Any = json.loads(json.dumps(self.valid()))
        for _ in range(self._random.randint(0, ROUNDS)):
            places = list(_places(message))
            holder, place = self._random.choice(places) if places else (None, None)
            if holder is not None:
                self._random.choice(self._mutations)(holder, place)
        return message if self._random.random() < 0.98 else self._value()

    def _replace(self, holder: Any, place: Any) -> None:
        holder[place] = self._value()

    def _remove(self, holder: Any, place: Any) -> None:
        del holder[place]

    def _add(self, holder: Any, place: Any) -> None:
        if isinstance(holder, dict):
            holder[self._random.choice(_MEMBERS)] = self._value()
        else:
            holder.append(self._value())

    def _wrap(self, holder: Any, place: Any) -> None:
        holder[place] = self._random.choice([[holder[place]], {"": holder[place]}, [holder[place]] * 3])

    def _value(self) -> Any:
        # A copy: a later change must not reach the next message.
        return json.loads(json.dumps(self._random.choice(self._values)))

    def _bytes_of(self, value: Any) -> bytes:
        return json.dumps(value, ensure_ascii=self._random.random() < 0.5).encode("utf-8", "surrogatepass")

    def _damaged(self, text: bytes) -> bytes:
        data = bytearray(text)
        for _ in range(self._random.randint(1, ROUNDS)):
            at = self._random.randrange(len(data) + 1)
            match self._random.randrange(5):
                case 0:
                    data[at : at + 1] = bytes([self._random.randrange(256)])
                case 1:
                    data[at:at] = self._random.choice(_BYTES)
                case 2:
                    del data[at : at + self._random.randint(1, 20)]
                case 3:
                    del data[at:]
                case _:
                    data[at:at] = data[: self._random.randint(0, 40)]
        return bytes(data)

    def _new_id(self) -> int | str:
        self._last_id += 1
        number = 1_000_000 + self._last_id
        request_id = number if self._random.random() < 0.7 else f"id-{number}"
        self._recent.append(request_id)
        del self._recent[:-50]
        return request_id


def _message(method: str, params: dict[str, Any] | None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, **({} if params is None else {"params": params})}


def _nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every member of every object and array in it: the holder, and the name or index."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for place, inner in list(entries):
        yield value, place
        yield from _places(inner)
