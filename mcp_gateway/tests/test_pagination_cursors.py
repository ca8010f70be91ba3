"""Cursors come back as they were issued, to whom and for what they were issued, and nothing else comes back."""

import base64
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcp_gateway.errors import InvalidCursor, StorageError
from mcp_gateway.pagination import MAX_CURSOR_LENGTH, Cursors, load_or_create_secret

OLD, NEW = b"o" * 32, b"n" * 32
EXPECTED: dict[str, Any] = {"query": {"q": "dune", "filters": {"kinds": ["film"]}}, "sort": "year", "caller": "ana"}

positions = st.lists(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()), max_size=6
).map(tuple)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
queries = st.dictionaries(st.text(), json_values, max_size=4)


@dataclass
class TurnedClock:
    """A clock that tests turn."""

    time: datetime = field(default_factory=lambda: datetime(2026, 10, 1, tzinfo=UTC))

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()


CLOCK = TurnedClock()
CURSORS = Cursors([NEW], CLOCK).scoped("titles")


@given(positions, queries, st.text(), st.text())
def test_a_cursor_decodes_to_the_position_that_was_encoded(
    position: tuple[Any, ...], query: dict[str, Any], sort: str, caller: str
) -> None:
    cursor = CURSORS.encode(position, query=query, sort=sort, caller=caller)

    decoded = CURSORS.decode(cursor, query=query, sort=sort, caller=caller)

    assert repr(decoded) == repr(position)  # so that 1, 1.0 and True stay apart


@given(positions, st.data())
def test_a_cursor_with_any_bit_flipped_is_refused(position: tuple[Any, ...], data: st.DataObject) -> None:
    cursor = CURSORS.encode(position, **EXPECTED)
    raw = bytearray(cursor.encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(InvalidCursor):
        CURSORS.decode(raw.decode("latin-1"), **EXPECTED)


def test_every_single_bit_of_what_a_cursor_holds_is_signed() -> None:
    cursor = CURSORS.encode(("dune", 2021), **EXPECTED)
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))

    for bit in range(len(raw) * 8):
        altered = bytearray(raw)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InvalidCursor):
            CURSORS.decode(base64.urlsafe_b64encode(altered).rstrip(b"=").decode(), **EXPECTED)


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*", fullmatch=True) | st.binary().map(lambda raw: raw.hex()))
def test_random_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        CURSORS.decode(text, **EXPECTED)


@pytest.mark.parametrize(
    "junk", ["", "-1", "0", "null", "A", "=" * 40, "\ud800", "é" * 40, "A" * 10_000_000, None, 7, b"AAAA", ["x"], {}]
)
def test_what_is_not_a_cursor_is_refused(junk: object) -> None:
    """MCP calls the empty text a cursor like any other: it is one, only not one of ours."""
    with pytest.raises(InvalidCursor):
        CURSORS.decode(junk, **EXPECTED)


def test_a_cursor_that_is_too_long_is_refused_before_anything_is_worked_out() -> None:
    class Unread(dict[str, Any]):
        def __iter__(self) -> Any:
            raise AssertionError("the query was read")

        keys = __iter__

    with pytest.raises(AssertionError):
        CURSORS.decode("A" * MAX_CURSOR_LENGTH, query=Unread(), sort="", caller="")
    with pytest.raises(InvalidCursor):
        CURSORS.decode("A" * (MAX_CURSOR_LENGTH + 4), query=Unread(), sort="", caller="")


@pytest.mark.parametrize("spelling", ["{}=", "{}\n", " {}", "{}AAAA", "{}!"])
def test_a_cursor_has_one_spelling(spelling: str) -> None:
    cursor = CURSORS.encode(("dune", 2021), **EXPECTED)

    with pytest.raises(InvalidCursor):
        CURSORS.decode(spelling.format(cursor), **EXPECTED)


@given(queries, queries)
def test_a_cursor_of_another_query_is_refused(query: dict[str, Any], other: dict[str, Any]) -> None:
    assume(repr(sorted(query.items())) != repr(sorted(other.items())))
    cursor = CURSORS.encode((1,), query=query, sort="year", caller="ana")

    with pytest.raises(InvalidCursor):
        CURSORS.decode(cursor, query=other, sort="year", caller="ana")


@pytest.mark.parametrize(
    "change",
    [{"query": {"q": "dune"}}, {"query": {}}, {"sort": "-year"}, {"sort": ""}, {"caller": "bea"}, {"caller": ""}],
)
def test_a_cursor_of_another_query_order_or_caller_is_refused(change: dict[str, Any]) -> None:
    cursor = CURSORS.encode((1,), **EXPECTED)

    with pytest.raises(InvalidCursor):
        CURSORS.decode(cursor, **{**EXPECTED, **change})


def test_members_of_the_query_may_come_in_any_order() -> None:
    cursor = CURSORS.encode((1,), query={"a": {"x": 1, "y": 2}, "b": [1, 2]}, sort="", caller="")

    assert CURSORS.decode(cursor, query={"b": (1, 2), "a": {"y": 2, "x": 1}}, sort="", caller="") == (1,)


@given(st.lists(st.text(), max_size=3), st.lists(st.text(), max_size=3))
def test_a_cursor_of_another_list_is_refused(names: list[str], others: list[str]) -> None:
    """Nested scopes stay apart however their names are spelled: a, b is neither "ab" nor "a/b"."""
    assume(names != others)
    issuing, other = Cursors([NEW], CLOCK), Cursors([NEW], CLOCK)
    for name in names:
        issuing = issuing.scoped(name)
    for name in others:
        other = other.scoped(name)
    cursor = issuing.encode((1,), **EXPECTED)

    assert issuing.decode(cursor, **EXPECTED) == (1,)
    with pytest.raises(InvalidCursor):
        other.decode(cursor, **EXPECTED)


@pytest.mark.parametrize(("age", "accepted"), [(0, True), (72 * 3600, True), (72 * 3600 + 1, False), (10**8, False)])
def test_a_cursor_can_be_used_for_three_days(age: int, accepted: bool) -> None:
    clock = TurnedClock()
    cursors = Cursors([NEW], clock)
    cursor = cursors.encode(("x",), **EXPECTED)
    clock.time += timedelta(seconds=age)

    if accepted:
        assert cursors.decode(cursor, **EXPECTED) == ("x",)
    else:
        with pytest.raises(InvalidCursor, match="expired; leave it out"):
            cursors.decode(cursor, **EXPECTED)


@pytest.mark.parametrize(("ahead", "accepted"), [(60, True), (61, False)])
def test_a_cursor_from_the_future_is_refused_beyond_a_small_skew(ahead: int, accepted: bool) -> None:
    clock = TurnedClock()
    cursors = Cursors([NEW], clock)
    cursor = cursors.encode(("x",), **EXPECTED)
    clock.time -= timedelta(seconds=ahead)

    if accepted:
        assert cursors.decode(cursor, **EXPECTED) == ("x",)
    else:
        with pytest.raises(InvalidCursor):
            cursors.decode(cursor, **EXPECTED)


def test_cursors_survive_the_rotation_of_the_secret_until_the_old_one_is_dropped() -> None:
    before, during, after = Cursors([OLD], CLOCK), Cursors([NEW, OLD], CLOCK), Cursors([NEW], CLOCK)
    old, new = before.encode((1,), **EXPECTED), during.encode((2,), **EXPECTED)

    assert during.decode(old, **EXPECTED) == (1,)
    assert after.decode(new, **EXPECTED) == (2,)
    with pytest.raises(InvalidCursor):
        after.decode(old, **EXPECTED)
    with pytest.raises(InvalidCursor):
        before.decode(new, **EXPECTED)


def test_a_cursor_survives_a_restart() -> None:
    """Nothing is remembered between processes: this one was issued by an earlier run."""
    issued = "AWq9ooBbIkR1bmUiLDIwMjFd1p6eK14igpZfsVGyk2vZfg"

    assert Cursors([OLD], CLOCK).decode(issued, query={}, sort="", caller="") == ("Dune", 2021)


def test_a_cursor_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr("mcp_gateway.pagination._VERSION", 2)
        cursor = CURSORS.encode((1,), **EXPECTED)

    with pytest.raises(InvalidCursor):
        CURSORS.decode(cursor, **EXPECTED)


def test_an_ordinary_cursor_has_at_most_200_characters() -> None:
    position = (True, 0.8731942312, "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb", "tt0057012")

    assert len(CURSORS.encode(position, **EXPECTED)) <= 200


def test_a_position_that_no_cursor_can_hold_is_refused_when_it_is_encoded() -> None:
    assert len(CURSORS.encode(("x" * 3000,), **EXPECTED)) <= MAX_CURSOR_LENGTH
    with pytest.raises(ValueError, match="characters"):
        CURSORS.encode(("x" * 3100,), **EXPECTED)


@pytest.mark.parametrize("secrets", [[], [b"short"], [NEW, b""]])
def test_weak_secrets_are_refused(secrets: list[bytes]) -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        Cursors(secrets, CLOCK)


def test_the_secret_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "cursor-secret"

    secret = load_or_create_secret(path)

    assert len(secret) == 32
    assert load_or_create_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["cursor-secret"]
    assert load_or_create_secret(tmp_path / "another") != secret


def test_threads_that_start_at_once_end_with_the_same_secret(tmp_path: Path) -> None:
    starters = 8
    with ThreadPoolExecutor(starters) as pool:
        for attempt in range(30):
            path, barrier = tmp_path / str(attempt) / "secret", Barrier(starters)

            def start(_: int, path: Path = path, barrier: Barrier = barrier) -> bytes:
                barrier.wait(10)
                return load_or_create_secret(path)

            assert set(pool.map(start, range(starters))) == {path.read_bytes()}


def test_processes_that_start_at_once_end_with_the_same_secret(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys; from mcp_gateway.pagination import load_or_create_secret\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(load_or_create_secret(pathlib.Path(sys.argv[1])).hex())"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "secret")]
    root = Path(__file__).resolve().parents[2]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    answers = {process.communicate("go\n", timeout=60)[0] for process in processes}

    assert answers == {(tmp_path / "secret").read_bytes().hex() + "\n"}


def test_a_secret_that_cannot_be_kept_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for path in (tmp_path / "file" / "secret", tmp_path):
        with pytest.raises(StorageError, match=r"cannot be kept here: .* set \[pagination\] cursor_secret") as caught:
            load_or_create_secret(path)
        assert "\n" not in str(caught.value)


def test_a_secret_that_cannot_be_linked_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.link", full)

    with pytest.raises(StorageError, match="No space left"):
        load_or_create_secret(tmp_path / "secret")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_secret_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"half")

    with pytest.raises(StorageError, match=r"damaged\. Delete the file"):
        load_or_create_secret(tmp_path / "secret")
