"""Answers stay short whatever the titles and parameters are, and always fit their schemas."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mcp_gateway.api import Call, capability
from mcp_gateway.catalog.models import AlternativeTitle, Credit, Rating, Title, TitleId
from mcp_gateway_search.budget import ITEMS_BYTES, fitting
from mcp_gateway_search.cards import CARD_BYTES, card_of, clip, details_of, json_bytes
from mcp_gateway_search.models import GetTitlesParams, SearchParams
from mcp_gateway_search.tests.world import World, open_world, title

pytestmark = pytest.mark.anyio

RESULT_BYTES = 60_000
GIANT = 'Ünd so weiter "quoted" \\ 漢字 🦇 ' * 700

texts = st.one_of(
    st.text(max_size=80),
    st.sampled_from([GIANT, "x" * 30_000, "字" * 5000, "\x01\x02" * 9000, '"' * 4000, "\\" * 4000, "🦇" * 4000, ""]),
)
many = st.lists(texts, max_size=40).map(tuple)


@st.composite
def titles(draw: st.DrawFn) -> Title:
    """Titles as broken sources might have them."""
    people = [Credit(name, role, draw(texts)) for role in ("actor", "director", "writer") for name in draw(many)]
    named = {draw(texts): draw(texts) for _ in range(draw(st.integers(0, 9)))}
    return Title(
        id=TitleId("tt" + "1" * draw(st.integers(1, 40))), kind="movie", name=draw(texts),
        year=draw(st.none() | st.integers(0, 9999)), overview=draw(texts), tagline=draw(texts), genres=draw(many),
        keywords=draw(many), countries=draw(many), credits=tuple(people), external_ids=named,
        alternative_titles=tuple(AlternativeTitle(name) for name in draw(many)), popularity=draw(st.floats(0, 100)),
        ratings={source: Rating(draw(st.floats(0, 100))) for source in named}, certification=draw(texts),
    )  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(titles())
def test_no_title_is_longer_than_its_bounds(broken: Title) -> None:
    assert json_bytes(details_of(broken)) < ITEMS_BYTES
    assert json_bytes(card_of(broken)) <= CARD_BYTES + 400, "a name, an id and directors may take more, never much"


@given(st.text(max_size=300), st.integers(1, 200))
@example("word " * 50, 20)
def test_clipped_text_is_one_line_within_its_bound(text: str, most: int) -> None:
    clipped = clip(text, most)

    assert len(clipped) <= most
    assert all(character.isprintable() or character.isspace() or ord(character) > 0x9F for character in clipped)
    if len(text) <= most and text.isalnum():
        assert clipped == text


@pytest.fixture(scope="module")
async def giants(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Hundred and twenty titles that are all too long."""
    records = [
        title(
            f"tt{number:07}", f"Giant {number} {GIANT[:200]}", 2000, popularity=number % 100, overview=GIANT,
            tagline=GIANT, cast=[f"Actor {number} {part} {GIANT[:100]}" for part in range(30)],
            keywords=(GIANT[:100],) * 3,
            directors=[f"Director {number}"], others=[f"Other {part} {GIANT[:300]}" for part in range(20)],
        )
        for number in range(120)
    ]  # fmt: skip
    async with open_world(tmp_path_factory.mktemp("giants"), records) as world:
        yield world


def checked(handler: Any, result: Any) -> dict[str, Any]:
    """The result as it is sent, valid against its output schema and within the budget."""
    schema = capability("checked", handler).output_schema
    assert schema is not None
    sent: dict[str, Any] = result.model_dump(mode="json", exclude_none=True)
    jsonschema_rs.validate(dict(schema), sent)
    assert len(orjson.dumps(sent)) < RESULT_BYTES
    return sent


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limit=st.integers(1, 100),
    detail=st.sampled_from(["concise", "detailed"]),
    sort=st.sampled_from(["relevance", "name", "popularity"]),
    query=st.sampled_from(["giant", "", "giant 7", "zebra", "giant zebra", GIANT[:9000]]),
)
async def test_any_search_stays_within_the_budget_and_its_pages_join_without_gap(
    giants: World, limit: int, detail: Any, sort: Any, query: str
) -> None:
    first = await giants.search(query, limit=limit, detail=detail, sort=sort)
    sent = checked(giants.searching.search, first)

    assert sent["truncated"] == (len(sent["items"]) < min(limit, sent["total"]))
    assert sent["has_more"] == ("next_cursor" in sent) == (len(sent["items"]) < sent["total"])
    if first.next_cursor:
        second = await giants.search(query, limit=limit, detail=detail, sort=sort, cursor=first.next_cursor)
        together = [item.id for item in (*first.items, *second.items)]
        in_one = await giants.ids(query, limit=100, sort=sort)
        both = min(len(together), len(in_one))
        assert together[:both] == in_one[:both]


async def test_truncated_pages_together_give_every_title_once(giants: World) -> None:
    walked: list[str] = []
    cursor, truncated = None, 0
    while True:
        page = await giants.search("giant", limit=100, detail="detailed", cursor=cursor)
        walked += [item.id for item in page.items]
        truncated += page.truncated
        if (cursor := page.next_cursor) is None:
            break

    assert truncated
    assert len(walked) == len(set(walked)) == 120


async def test_a_concise_page_of_the_longest_titles_is_below_4000_tokens(giants: World) -> None:
    page = checked(giants.searching.search, await giants.search("giant", limit=20))

    assert len(page["items"]) == 20
    assert len(orjson.dumps(page)) < 14_000


async def test_a_concise_page_is_at_most_a_third_of_a_detailed_one(giants: World) -> None:
    concise = await giants.search("giant", limit=5)
    detailed = await giants.search("giant", limit=5, detail="detailed")

    assert len(concise.model_dump_json(exclude_none=True)) * 3 < len(detailed.model_dump_json(exclude_none=True))


async def test_many_long_titles_by_id_are_cut_and_the_rest_is_named(giants: World) -> None:
    ids = [f"tt{number:07}" for number in range(100)]
    result = await giants.lookup.get_titles(GetTitlesParams(ids=ids), Call())
    sent = checked(giants.lookup.get_titles, result)

    assert [item["id"] for item in sent["items"]] + sent["omitted"] == ids


async def test_many_candidates_fit_too(giants: World) -> None:
    checked(giants.resolver.resolve, await giants.resolve("giant"))


def test_the_first_item_is_kept_however_long() -> None:
    item = card_of(Title(id=TitleId("tt1"), kind="movie", name="Long"))

    assert fitting([item, item], budget_bytes=1) == 1
    assert fitting([]) == 0


def test_params_are_bounded() -> None:
    for wrong in ({"query": "x" * 10_001}, {"limit": 0}, {"limit": 101}, {"filters": {"genres": ["x"] * 21}}):
        with pytest.raises(ValueError, match=r"10000|limit|20"):
            SearchParams.model_validate(wrong)
