"""The plugin inside a whole gateway, and the size of what it tells clients of itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest

from mcp_gateway.api import Call, InvalidParams
from mcp_gateway.gateway import Gateway
from mcp_gateway.protocol.tools import show
from mcp_gateway.protocol.versions import REVISIONS
from mcp_gateway.settings import GatewaySection, Settings
from mcp_gateway_search import plugin
from mcp_gateway_search.tests.world import FILMS, open_catalogue, title

pytestmark = pytest.mark.anyio

# Of the 12,000 bytes that all tools of the default profile may take.
LARGEST_BYTES = {"search_titles": 2400, "get_titles": 1000, "resolve_title": 950}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with only this plugin, over a catalogue that was there before it started."""
    async with open_catalogue(tmp_path) as catalog:
        await catalog.import_records(FILMS)
    (tmp_path / "catalogue.sqlite3").rename(tmp_path / "media-gateway.sqlite3")
    settings = Settings(gateway=GatewaySection(data_dir=tmp_path, strict_plugins=True))
    async with Gateway(settings, plugins=[plugin]).running() as running:
        yield running


async def ask(gateway: Gateway, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool as every face does."""
    outcome = await gateway.registry.invoke(gateway.registry.tool(tool), arguments, Call())
    assert outcome.value is not None
    return outcome.value


async def test_the_first_question_after_the_start_finds_what_is_in_the_catalogue(gateway: Gateway) -> None:
    found = await ask(gateway, "search_titles", query="the dark knight")

    assert (found["items"][0]["title"], found["items"][0]["year"]) == ("The Dark Knight", 2008)
    assert "hint" not in found


async def test_the_health_of_the_gateway_says_whether_the_index_is_up_to_date(gateway: Gateway) -> None:
    details = (await gateway.health())["details"]["search"]

    assert details == {"status": "ok", "index": "up to date", "titles": len(FILMS)}


async def test_the_tools_answer_through_the_gateway(gateway: Gateway) -> None:
    candidates = (await ask(gateway, "resolve_title", name="Dune"))["candidates"]
    titles = (await ask(gateway, "get_titles", ids=["tt0087182"]))["items"]

    assert {candidate["title"]["year"] for candidate in candidates} == {1984, 2021}
    assert titles[0]["directors"] == ["David Lynch"]


async def test_a_title_imported_later_is_found(gateway: Gateway) -> None:
    await gateway.catalog.import_records([title("tt7777777", "Brand New Film", 2026)])

    with anyio.fail_after(20):
        while not (await ask(gateway, "search_titles", query="brand new film"))["total"]:  # noqa: ASYNC110 - as clients do
            await anyio.sleep(0.01)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"sort": "newest"}, "sort"),
        ({"filters": {"kinds": ["tv"]}}, "filters.kinds.0"),
        ({"filters": {"genre": ["Drama"]}}, "filters.genre"),
        ({"limit": 1000}, "limit"),
        ({"query": "x" * 10_001}, "query"),
        ({"filters": {"region": "USA"}}, "filters.region"),
    ],
)
async def test_wrong_parameters_are_named(gateway: Gateway, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParams) as error:
        await ask(gateway, "search_titles", **arguments)

    assert error.value.data["field"] == field


async def test_titles_and_people_are_resources_with_routes_and_completion(gateway: Gateway) -> None:
    registered, arguments = gateway.registry.resource_for("media://titles/tt0113247")
    read = await gateway.registry.invoke(registered, arguments, Call())
    routes = {
        (r.capability.rest.method, r.capability.rest.path) for r in gateway.registry.routes() if r.capability.rest
    }

    assert read.value is not None
    assert read.value["title"] == "La Haine"
    assert routes == {
        ("GET", "/api/v1/discovery/search"),
        ("GET", "/api/v1/titles/{id}"),
        ("GET", "/api/v1/people/{id}"),
    }
    assert [r.capability.uri for r in gateway.registry.templates()] == ["media://people/{id}", "media://titles/{id}"]


async def test_what_the_tools_say_of_themselves_is_short_and_complete(gateway: Gateway) -> None:
    newest = REVISIONS[max(REVISIONS)]
    tools = {r.capability.name: show(r, newest) for r in gateway.registry.tools() if r.plugin == "search"}

    assert tools.keys() == LARGEST_BYTES.keys()
    for name, tool in tools.items():
        assert len(orjson.dumps(tool)) <= LARGEST_BYTES[name], name
        assert tool["annotations"]["readOnlyHint"]
        assert all(described(tool["inputSchema"])), name


def described(schema: dict[str, Any]) -> list[bool]:
    """Of each parameter, nested ones too, whether it has a description."""
    properties = schema.get("properties", {}).values()
    return [bool(p.get("description")) for p in properties] + [d for p in properties for d in described(p)]
