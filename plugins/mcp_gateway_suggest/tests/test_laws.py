"""What holds for every catalogue and every text, against the plainest way to find the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from mcp_gateway_suggest.drafts import Draft
from mcp_gateway_suggest.hot import best_of
from mcp_gateway_suggest.index import SuggestIndex
from mcp_gateway_suggest.segment import Segment
from mcp_gateway_suggest.segment_file import ITEM_MASK, MATCH_SHIFT, Match
from mcp_gateway_suggest.tests.world import draft, index_of
from mcp_gateway_suggest.words import fold, whole_keys, word_keys

# Few letters, so that names share beginnings; some of another script.
WORDS = st.text("abcд", min_size=1, max_size=5)
NAMES = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
CATALOGUES = st.lists(st.tuples(NAMES, st.integers(0, 1000)), min_size=1, max_size=40)


def drafts_of(catalogue: list[tuple[str, int]]) -> list[Draft]:
    """Titles with these names and popularities; no two are equally popular."""
    return [
        draft(f"t{number}", name, popularity / 1000 * 0.99 + number / 10_000)
        for number, (name, popularity) in enumerate(catalogue)
    ]


def made_of(drafts: list[Draft], folder: str) -> SuggestIndex:
    """An index of two segments, of which the later one replaces half of what the first has."""
    return index_of(Path(folder), drafts, drafts[::2])


@settings(max_examples=60, deadline=None)
@given(CATALOGUES)
def test_each_beginning_of_a_name_suggests_the_title_unless_three_more_popular_ones_share_it(
    catalogue: list[tuple[str, int]],
) -> None:
    drafts = drafts_of(catalogue)
    with TemporaryDirectory() as folder:
        index = made_of(drafts, folder)

        for wanted in drafts:
            name = fold(wanted.name)
            for length in range(2, len(name) + 1):
                typed = name[:length].rstrip()
                better = [
                    other
                    for other in drafts
                    if other.popularity > wanted.popularity
                    and any(key.startswith(typed) for key in whole_keys(fold(other.name)))
                ]
                suggested = [item.id for item in index.suggest(typed, 5)]
                assert wanted.id in suggested or len(better) >= 3 or len(typed) < 2, typed


@settings(max_examples=60, deadline=None)
@given(CATALOGUES, NAMES)
def test_all_titles_that_match_are_suggested_when_there_is_room(catalogue: list[tuple[str, int]], typed: str) -> None:
    drafts = drafts_of(catalogue)
    text = fold(typed)
    matching = {
        one.id
        for one in drafts
        if any(key.startswith(text) for key in (*whole_keys(fold(one.name)), *word_keys(fold(one.name))))
    }
    with TemporaryDirectory() as folder:
        suggested = [item.id for item in made_of(drafts, folder).suggest(typed, 20)]

    assert len(suggested) == len(set(suggested))
    assert len(text) < 2 or len(matching) > 20 or matching <= set(suggested)


@settings(max_examples=100, deadline=None)
@given(CATALOGUES, st.text(max_size=60), st.integers(1, 20))
def test_any_text_is_answered_with_at_most_so_many(catalogue: list[tuple[str, int]], typed: str, limit: int) -> None:
    with TemporaryDirectory() as folder:
        assert len(made_of(drafts_of(catalogue), folder).suggest(typed, limit)) <= limit


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=10))
def test_any_name_can_be_taken_in_and_is_found_by_itself(names: list[str]) -> None:
    drafts = [draft(f"t{number}", name, 0.5) for number, name in enumerate(names)]
    with TemporaryDirectory() as folder:
        index = made_of(drafts, folder)

        for one in drafts:
            assert not fold(one.name) or one.id in [item.id for item in index.suggest(one.name, 20)]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Draft], Segment]:
    """Names enough for beginnings that hundreds share, in a segment."""
    dice = random.Random(7)  # noqa: S311 - the same names every time
    words = ["".join(dice.choices("abcde", k=dice.randint(1, 6))) for _ in range(400)]
    names = {" ".join(dice.choices(words, k=dice.randint(1, 3))) for _ in range(2500)}
    drafts = [draft(f"t{number}", name, number / 2500) for number, name in enumerate(sorted(names))]
    return drafts, index_of(tmp_path_factory.mktemp("crowd"), drafts).segments[0]


def keys_of(drafts: list[Draft], segment: Segment) -> Iterator[tuple[str, int]]:
    """Every key with its entry, without the index's help."""
    order = sorted(drafts, key=lambda one: -one.popularity)
    numbers = {segment.item(number).id: number for number in range(len(order))}
    for one in drafts:
        item = numbers[one.id] & ITEM_MASK
        yield from ((key, Match.WHOLE << MATCH_SHIFT | item) for key in whole_keys(fold(one.name)))
        yield from ((key, Match.WORD << MATCH_SHIFT | item) for key in word_keys(fold(one.name)))


def test_the_best_of_many_keys_are_those_of_looking_at_all_of_them(crowd: tuple[list[Draft], Segment]) -> None:
    drafts, segment = crowd
    keys = list(keys_of(drafts, segment))
    beginnings = {key[:length] for key, _ in keys for length in range(1, 6)}

    for text in sorted(beginnings):
        expected = [entry for key, entry in keys if key.startswith(text)]
        assert segment.beginning(text) == best_of(expected), text
        assert segment.count(text) >= len(set(expected)), text


def test_no_key_with_one_error_is_missed(crowd: tuple[list[Draft], Segment]) -> None:
    drafts, segment = crowd
    keys = [(key, entry) for key, entry in keys_of(drafts, segment)]
    dice = random.Random(11)  # noqa: S311 - the same texts every time

    for _ in range(60):
        key = dice.choice(keys)[0]
        text = spoilt(key[: dice.randint(9, 24)], dice)
        near = {entry for entries in segment.near(text) for entry in entries}
        expected = {entry for key, entry in keys if begins_nearly_so(key, text)}
        assert expected <= near or len(expected) > 20, text


def spoilt(text: str, dice: random.Random) -> str:
    """The text with a letter swapped, lost, doubled or replaced."""
    at = dice.randrange(max(1, len(text) - 1))
    made = dice.choice(("swapped", "lost", "added", "replaced"))
    if made == "swapped":
        return text[:at] + text[at + 1 : at + 2] + text[at] + text[at + 2 :]
    return text[:at] + {"lost": "", "added": "e" + text[at], "replaced": "e"}[made] + text[at + 1 :]


def begins_nearly_so(key: str, text: str) -> bool:
    """Whether a beginning of the key is at most one error away."""
    return any(OSA.distance(key[: len(text) + more], text, score_cutoff=1) <= 1 for more in (-1, 0, 1))
