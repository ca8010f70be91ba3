"""The half-typed names of the real catalogue's question sets."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway_suggest.drafts import Draft
from mcp_gateway_suggest.index import SuggestIndex
from mcp_gateway_suggest.tests.world import index_of

DATA = Path(__file__).resolve().parents[3] / "../shared/data"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="needs the real catalogue of ../shared/data"),
]

# The most popular of the catalogue, among them nearly all that is asked for.
TITLES = 20_000


def drafts() -> Iterator[Draft]:
    """The titles, without what the questions do not need."""
    with gzip.open(DATA / "catalogue.jsonl.gz") as lines:
        for told in map(json.loads, islice(lines, TITLES)):
            people = tuple(dict.fromkeys(part["name"] for part in told["cast"][:3]))
            yield Draft(
                told["id"], told["title"], told["year"], told["popularity"] / 100, tuple(told["alt_titles"]),
                tuple(told["genres"]), people, len(people),
            )  # fmt: skip


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> SuggestIndex:
    """The index of those titles."""
    return index_of(tmp_path_factory.mktemp("real"), drafts())


@pytest.mark.parametrize(("name", "share"), [("autocomplete", 0.99), ("autocomplete_typo", 0.97)])
def test_what_was_meant_is_among_the_first_five(index: SuggestIndex, name: str, share: float) -> None:
    questions: list[dict[str, Any]] = [*map(json.loads, (DATA / f"queries/{name}.jsonl").read_text().splitlines())]
    asked = [question for question in questions if index.title(question["target"]) is not None]

    found = [question["target"] in [item.id for item in index.suggest(question["query"], 5)] for question in asked]

    assert len(asked) >= 0.8 * len(questions)
    assert sum(found) / len(found) >= share
