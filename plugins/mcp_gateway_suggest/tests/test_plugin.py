"""The plugin inside a whole gateway: tool, route, resource and completion, the cache, and what it tells clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import orjson
import pytest

from mcp_gateway.api import Call, InvalidParams, Unavailable
from mcp_gateway.gateway import Gateway
from mcp_gateway.protocol.tools import show
from mcp_gateway.protocol.versions import REVISIONS
from mcp_gateway.testing import call_tool, running_gateway
from mcp_gateway_suggest import plugin
from mcp_gateway_suggest.index import SuggestIndex
from mcp_gateway_suggest.models import SuggestParams
from mcp_gateway_suggest.suggester import Suggester
from mcp_gateway_suggest.tests.world import FILMS, draft, index_of, open_catalogue, title

pytestmark = pytest.mark.anyio

# Of the 12,000 bytes that all tools of the default profile may take.
LARGEST_BYTES = 690


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with only this plugin, over a catalogue that was there before it started."""
    async with open_catalogue(tmp_path) as catalog:
        await catalog.import_records(FILMS)
    async with running_gateway(plugin, data_dir=tmp_path, plugins={"suggest": {"start_seconds": 20}}) as running:
        yield running


async def test_the_tool_suggests(gateway: Gateway) -> None:
    answer = await call_tool(gateway, "suggest_titles", q="dark k", limit=3)

    assert answer["suggestions"][0] == {
        "text": "The Dark Knight", "type": "title", "id": "tt01", "popularity": 0.999, "year": 2008,
    }  # fmt: skip
    assert (await call_tool(gateway, "suggest_titles", q="sci", types=["genre"]))["suggestions"][0]["type"] == "genre"


@pytest.mark.parametrize(
    "wrong", [{}, {"q": "a", "limit": 0}, {"q": "a", "types": ["film"]}, {"q": "a" * 10_001}, {"q": 1}]
)
async def test_wrong_parameters_are_refused(gateway: Gateway, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidParams):
        await call_tool(gateway, "suggest_titles", **wrong)


async def test_the_route_answers_as_the_tool_does(gateway: Gateway) -> None:
    from mcp_gateway.transports.http import http_app

    app = http_app(gateway)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        answer = await client.get("/api/v1/discovery/suggest", params={"q": "dark k", "limit": 3, "types": "title"})
        refused = await client.get("/api/v1/discovery/suggest")

    expected = await call_tool(gateway, "suggest_titles", q="dark k", limit=3, types=["title"])
    assert answer.json()["suggestions"] == expected["suggestions"]
    assert refused.status_code == 400


async def test_a_resource_template_and_its_argument_complete(gateway: Gateway) -> None:
    target = gateway.registry.templates()[0]

    assert target.capability.uri == "media://suggest{?q,limit}"
    assert (await gateway.registry.complete(target, "q", "dark k", Call()))[0] == "The Dark Knight"


async def test_a_title_that_changes_is_suggested(gateway: Gateway) -> None:
    await call_tool(gateway, "suggest_titles", q="brand n")
    await gateway.catalog.import_records([title("new", "Brand New")])

    with anyio.fail_after(20):
        while not (await call_tool(gateway, "suggest_titles", q="brand n"))["suggestions"]:  # noqa: ASYNC110 - no event tells
            await anyio.sleep(0.005)


async def test_the_tool_is_small(gateway: Gateway) -> None:
    tool = show(gateway.registry.tool("suggest_titles"), REVISIONS["2025-11-25"])

    assert len(orjson.dumps(tool)) <= LARGEST_BYTES


class RecordingCache:
    """A cache that tells what is done with it."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.lives: set[float] = set()
        self.hits = 0
        self.is_away = False

    async def get(self, key: str) -> bytes | None:
        """The value."""
        if self.is_away:
            raise Unavailable("The cache does not answer.")
        self.hits += key in self.kept
        return self.kept.get(key)

    async def set(self, key: str, value: bytes, *, ttl_seconds: float) -> None:
        """Store."""
        if self.is_away:
            raise Unavailable("The cache does not answer.")
        self.kept[key] = value
        self.lives.add(ttl_seconds)


async def test_answers_are_cached_for_an_hour_and_belong_to_one_state_of_the_index(tmp_path: Path) -> None:
    cache = RecordingCache()
    index = index_of(tmp_path, [draft("t1", "Matrix")])
    suggester = Suggester(index, cache)
    first = await suggester.suggest(SuggestParams(q="Matr"), Call())

    assert await suggester.suggest(SuggestParams(q=" matr "), Call()) == first
    assert (cache.hits, cache.lives) == (1, {3600})

    index_of(tmp_path, [draft("t2", "Matrix")])
    assert [one.id for one in (await suggester.suggest(SuggestParams(q="Matr"), Call())).suggestions] == ["t2"]


async def test_without_its_cache_it_answers_all_the_same(tmp_path: Path) -> None:
    cache = RecordingCache()
    suggester = Suggester(index_of(tmp_path, [draft("t1", "Matrix")]), cache)
    cache.is_away = True
    assert (await suggester.suggest(SuggestParams(q="matr"), Call())).suggestions

    cache.is_away = False
    await suggester.suggest(SuggestParams(q="matr"), Call())
    cache.kept = dict.fromkeys(cache.kept, b"nonsense")
    assert (await suggester.suggest(SuggestParams(q="matr"), Call())).suggestions


async def test_a_second_reader_opens_at_once_and_reads_hardly_anything(tmp_path: Path) -> None:
    index = index_of(tmp_path, [draft(f"t{number}", f"Title Number {number}") for number in range(3000)])
    again = SuggestIndex(index.folder)
    again.refresh()

    assert again.segments[0].titles == 3000
    assert [item.id for item in again.suggest("title number 2999", 5)] == ["t2999"]
