"""What came already is remembered in little memory."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway_ingestion.seen import SeenMarks

MARKS = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.tuples(st.text(max_size=3), MARKS), max_size=200))
def test_it_tells_the_same_as_a_dict(given_marks: list[tuple[str, int]]) -> None:
    seen, plain = SeenMarks(), dict[str, int]()

    for key, mark in given_marks:
        assert seen.get(key) == plain.get(key)
        assert seen.first(key, mark) == plain.setdefault(key, mark)

    assert len(seen) == len(plain)


def test_of_many_keys_none_is_lost_and_each_takes_at_most_64_bytes() -> None:
    count = 20_000
    tracemalloc.start()
    try:
        seen = SeenMarks()
        for number in range(count):
            seen.first(f"key-{number}", -number)
        size, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [seen.get(f"key-{number}") for number in range(count)] == [-number for number in range(count)]
    assert seen.get("another") is None
    assert size < 64 * count
    assert peak < 100 * count
