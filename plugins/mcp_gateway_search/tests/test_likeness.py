"""Strings by likeness: the trigram index finds what looking at every string finds."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_gateway_search.understanding.gathering import grouped
from mcp_gateway_search.understanding.hashes import found_in, hash_of, set_of
from mcp_gateway_search.understanding.likeness import ALTERNATIVE, PERSON, TITLE, FewStrings, sound_of
from mcp_gateway_search.understanding.trigrams import TrigramIndex, arrays_of
from mcp_gateway_search.understanding.vocabulary_file import read, write

NAMES = {
    "the dark knight": (TITLE, 1.0), "dark knight": (TITLE, 1.0), "the dark night": (TITLE, 0.1), "up": (TITLE, 0.9),
    "amelie": (TITLE | ALTERNATIVE, 0.8), "emilie": (TITLE, 0.2), "keanu reeves": (PERSON, 0.99), "m": (TITLE, 0.5),
    "ocean s 11": (TITLE, 0.9), "ocean s 12": (TITLE, 0.8), "七人の侍": (TITLE, 0.7),
}  # fmt: skip
texts = st.text("abcde ", min_size=1, max_size=12).map(str.strip).filter(bool)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("the dakr knight", "the dark knight"),
        ("amelei", "amelie"),
        ("keanu reevs", "keanu reeves"),
        ("ocean s 12", "ocean s 12"),
        ("ocaen s 12", "ocean s 12"),
        ("七人の待", "七人の侍"),
    ],
)
def test_the_likeliest_string_comes_first(wanted: str, expected: str) -> None:
    for index in (TrigramIndex(arrays_of(grouped(NAMES))), FewStrings(NAMES)):
        assert index.nearest(wanted, most_edits=2)[0].text == expected


def test_only_the_kinds_asked_for_are_found() -> None:
    index = TrigramIndex(arrays_of(grouped(NAMES)))

    assert [near.text for near in index.nearest("keanu reevs", most_edits=2, kinds=TITLE)] == []
    assert [near.text for near in index.nearest("keanu reevs", most_edits=2, kinds=PERSON)] == ["keanu reeves"]


@settings(deadline=None, max_examples=200)
@given(known=st.dictionaries(texts, st.tuples(st.just(TITLE), st.floats(0, 1)), max_size=40), wanted=texts)
def test_whatever_shares_a_trigram_is_found_as_by_looking_at_every_string(
    known: dict[str, tuple[int, float]], wanted: str
) -> None:
    """It may miss a short string that shares hardly a trigram; what it finds is right, and one edit is never missed."""
    few = FewStrings(known).nearest(wanted, most_edits=1, limit=100)
    index = TrigramIndex(arrays_of(grouped(known))).nearest(wanted, most_edits=1, limit=100)

    assert {(near.text, near.distance) for near in index} <= {(near.text, near.distance) for near in few}
    assert {near.text for near in few if len(near.text) > 5 and len(wanted) > 5} <= {near.text for near in index}


@given(st.lists(st.text(max_size=20)), st.lists(st.text(max_size=20)))
def test_a_string_in_the_set_is_never_missed(inside: list[str], others: list[str]) -> None:
    hashes = set_of(array("I", map(hash_of, inside)))

    assert all(found_in(hashes, inside))
    assert len(found_in(hashes, others)) == len(others)


def test_what_sounds_alike_has_one_key() -> None:
    assert sound_of("phantom") == sound_of("fantom")
    assert sound_of("sugar") == sound_of("suger")
    assert sound_of("anomaly") == sound_of("anomoly")
    assert sound_of("super") != sound_of("sugar")


def test_a_file_has_what_was_written(tmp_path: Path) -> None:
    write(tmp_path / "v.bin", {"names": arrays_of(grouped(NAMES)), "words": arrays_of(grouped({}))})

    arrays = read(tmp_path / "v.bin")

    assert TrigramIndex(arrays["names"]).nearest("amelei", most_edits=2)[0].text == "amelie"
    assert TrigramIndex(arrays["words"]).nearest("amelei", most_edits=2) == []


@pytest.mark.parametrize("damage", [b"", b"{}", b"not json at all", b'{"magic": "other"}' + b" " * 20_000])
def test_a_damaged_file_is_no_vocabulary(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "v.bin").write_bytes(damage)

    with pytest.raises(ValueError, match=r"."):
        read(tmp_path / "v.bin")


def test_half_a_file_is_no_vocabulary(tmp_path: Path) -> None:
    write(tmp_path / "v.bin", {"names": arrays_of(grouped(NAMES))})
    whole = (tmp_path / "v.bin").read_bytes()
    (tmp_path / "v.bin").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(ValueError, match="whole"):
        read(tmp_path / "v.bin")
