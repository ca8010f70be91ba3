"""Where titles can be watched, what is leaving, and how far that can be relied on: through a gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_gateway.api import Call, InvalidParams, NotFound
from mcp_gateway.catalog.models import Offer, OfferKind, TitleId
from mcp_gateway.gateway import Gateway
from mcp_gateway.protocol.subscriptions import Subscriber
from mcp_gateway.settings import Settings
from mcp_gateway.testing import FakeClock
from mcp_gateway.tests.catalogues import NOW, record
from mcp_gateway_ingestion.availability import capabilities
from mcp_gateway_ingestion.sync.source import SourceDown

from .sync_world import PlainNormalizer, RememberingSource

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)


class World:
    """A running gateway whose source is ours."""

    def __init__(self, gateway: Gateway, clock: FakeClock, source: RememberingSource) -> None:
        self.gateway = gateway
        self.clock = clock
        self.source = source

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The result as it is sent."""
        capability = self.gateway.registry.tool(tool)
        outcome = await self.gateway.registry.invoke(capability, arguments, Call(clock=self.clock))
        sent: Any = outcome.value
        assert isinstance(sent, dict)
        return sent

    async def ids(self) -> dict[str, str]:
        """Ids of titles by their names."""
        found = [title async for batch in self.gateway.catalog.changed_since(0) for title in batch]
        return {title.name.removeprefix("Film "): title.id for title in found}


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with running(tmp_path, monkeypatch) as world:
        yield world


@asynccontextmanager
async def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A gateway with the plugin, whose only source is a server of ours."""
    clock = FakeClock(NOW)
    source = RememberingSource(clock, covers={"hbo_max": {"US"}})
    built = capabilities.availability

    def with_source(services: Any, settings: Any, sources: Any) -> Any:
        object.__setattr__(services, "platforms", {"hbo_max": PlainNormalizer("hbo_max")})
        return built(services, settings, [source])

    monkeypatch.setattr("mcp_gateway_ingestion.plugin.availability", with_source)
    settings = Settings(
        gateway={"data_dir": tmp_path, "profile": "full"},
        plugins={"ingestion": {"starter": False, "sync": {"enabled": False}}},
    )
    gateway = Gateway(settings, only={"ingestion"}, clock=clock)
    async with gateway.running():
        yield World(gateway, clock, source)


def offer(title_id: str, platform: str = "netflix", **values: Any) -> Offer:
    told = {"kind": OfferKind.FLATRATE, "region": "US", "source": "platform:netflix", **values}
    return Offer(title_id=TitleId(title_id), platform=platform, observed_at=NOW, **told)


async def test_what_nobody_said_is_not_known_rather_than_not_offered(world: World) -> None:
    await world.gateway.catalog.import_records([record("a"), record("b")])
    await world.gateway.catalog.put_offers([offer("b", region=None)])

    before = await world.call("get_availability", id="a", region="US")
    somewhere = await world.call("get_availability", id="b", region="US")

    assert (before["region"], before["status"], before["offers"]) == ("US", "not_known", [])
    assert "not known" in before["note"]
    assert (somewhere["status"], len(somewhere["offers"])) == ("not_known", 1)
    assert "netflix" in somewhere["note"]


async def test_what_a_complete_and_fresh_listing_does_not_name_is_not_offered_there(world: World) -> None:
    await world.gateway.catalog.import_records([record("a")])
    world.source.put("x")
    await world.call("sync_availability")

    fresh = await world.call("get_availability", id="a", region="US")
    elsewhere = await world.call("get_availability", id="a", region="DE")
    world.clock.advance(4 * 3600)
    stale = await world.call("get_availability", id="a", region="US")

    assert (fresh["status"], fresh["checked"]) == ("not_offered", ["hbo_max"])
    assert elsewhere["status"] == "not_known"
    assert (stale["status"], stale["sources"][0]["is_stale"], stale["sources"][0]["age_seconds"]) == (
        "not_known", True, 4 * 3600
    )  # fmt: skip


async def test_an_answer_says_offers_prices_ends_and_how_fresh_they_are(world: World) -> None:
    ends = NOW + timedelta(days=3)
    world.source.put("x", prices={"HD": 399}, until=ends.isoformat())
    await world.call("sync_availability")
    title_id = (await world.ids())["x"]
    await world.gateway.catalog.put_offers([offer(title_id, region="DE", audio=("de", "en"))])

    us = await world.call("get_availability", id=title_id, region="us")
    everywhere = await world.call("get_availability", id=title_id)

    assert us["status"] == "available"
    assert us["offers"][0]["price"] == "3.99 USD"
    assert (us["offers"][0]["price_minor"], us["prices"]) == (399, ["3.99 USD"])
    assert us["offers"][0]["available_until"] == us["available_until"] == ends.isoformat()
    assert (us["subscription_required"], us["regions"]) == (False, ["DE", "US"])
    assert us["sources"] == [
        {"source": "acme-api", "platform": "hbo_max", "region": "US", "checked_at": NOW.isoformat(),
         "age_seconds": 0, "is_stale": False}
    ]  # fmt: skip
    assert everywhere["region"] == "all"
    assert {each["region"] for each in everywhere["offers"]} == {"US", "DE"}
    assert {each["source"] for each in everywhere["sources"]} == {"acme-api", "platform:netflix"}


async def test_a_source_in_trouble_is_told_of_in_the_answer_and_in_health(world: World) -> None:
    world.source.put("x")
    await world.call("sync_availability")
    assert (await world.gateway.health())["details"]["ingestion"] == {"status": "ok", "listings": 1, "in_trouble": []}

    def fails(platform: str, cursor: str | None) -> None:
        raise SourceDown("The source answers 500.")

    world.source.fault = fails
    synced = await world.call("sync_availability")
    told = await world.call("get_availability", id=(await world.ids())["x"], region="US")
    health = await world.gateway.health()

    assert (synced["items"][0]["outcome"], synced["in_trouble"]) == ("failed", 1)
    assert told["sources"][0]["error"] == "The source answers 500."
    assert told["status"] == "available"
    assert health["status"] == "degraded"
    assert health["details"]["ingestion"]["in_trouble"][0]["error"] == "The source answers 500."


async def test_titles_that_leave_are_those_of_which_nothing_remains(world: World) -> None:
    catalog = world.gateway.catalog
    await catalog.import_records([record(key) for key in "abcde"])
    soon, later = NOW + timedelta(days=2), NOW + timedelta(days=80)
    await catalog.put_offers(
        [
            offer("a", valid_until=soon),
            offer("b", valid_until=soon), offer("b", kind=OfferKind.ADS),
            offer("c", valid_until=soon + HOUR), offer("c", kind=OfferKind.ADS, valid_until=soon - HOUR),
            offer("d", valid_until=later),
            offer("e", valid_until=soon, region="DE"), offer("e", "hulu"),
        ]
    )  # fmt: skip

    first = await world.call("list_expiring_titles", region="US", limit=1)
    second = await world.call("list_expiring_titles", region="US", limit=1, cursor=first["next_cursor"])
    all_of_netflix = await world.call("list_expiring_titles", platform="netflix", days=90)

    assert (first["region"], first["total"], first["has_more"]) == ("US", 2, True)
    assert [item["id"] for item in first["items"] + second["items"]] == ["a", "c"]
    assert second["items"][0]["available_until"] == (soon + HOUR).isoformat()
    assert "next_cursor" not in second
    assert "may not be known" in (await world.call("list_expiring_titles", region="DE"))["note"]
    assert [item["id"] for item in all_of_netflix["items"]] == ["a", "e", "c", "d"]


async def test_platforms_are_listed_with_what_is_known_of_them(world: World) -> None:
    world.source.put("x", "y")
    await world.call("sync_availability")
    await world.gateway.catalog.put_offers([offer((await world.ids())["x"], region=None)])

    items = {item["key"]: item for item in (await world.call("list_platforms"))["items"]}

    assert items["hbo_max"]["regions"] == {"US": 2}
    assert items["hbo_max"]["sources"][0]["source"] == "acme-api"
    assert (items["netflix"]["name"], items["netflix"]["regions"]) == ("Netflix", {"unknown": 1})
    assert items["netflix"]["can_be_read"] is False


@pytest.mark.parametrize("region", ["USA", "1", "", "Ü1"])
async def test_a_region_that_is_none_is_refused(world: World, region: str) -> None:
    await world.gateway.catalog.import_records([record("a")])
    with pytest.raises(InvalidParams, match="region"):
        await world.call("get_availability", id="a", region=region)


async def test_what_does_not_exist_is_not_found_with_what_is_near(world: World) -> None:
    await world.gateway.catalog.import_records([record("tt0000001")])
    with pytest.raises(NotFound, match="tt0000001"):
        await world.call("get_availability", id="tt0000002")
    with pytest.raises(NotFound):
        await world.call("list_expiring_titles", platform="nowhere")
    with pytest.raises(InvalidParams, match="hbo_max"):
        await world.call("sync_availability", platforms=["hbomax"])


class Heard(Subscriber):
    """Notes which resources changed."""

    def __init__(self) -> None:
        self.uris: set[str] = set()
        self.any = anyio.Event()

    def resource_changed(self, uri: str) -> None:
        """Note it."""
        self.uris.add(uri)
        if "availability" in uri:
            self.any.set()

    def lists_changed(self) -> None:
        """Not of interest."""


async def test_subscribers_hear_when_availability_changes_and_when_it_ends(world: World) -> None:
    await world.gateway.catalog.import_records([record("a")])
    heard = Heard()
    world.gateway.resources.join(heard, all_resources=True)
    await world.gateway.catalog.put_offers([offer("a", valid_until=NOW + HOUR)])
    with anyio.fail_after(10):
        await heard.any.wait()
    expected = {"media://titles/a/availability/US", "media://platforms/netflix/expiring/US", "media://platforms"}
    assert heard.uris == expected

    heard.uris, heard.any = set(), anyio.Event()
    world.clock.advance(3600)
    await world.gateway.catalog.expire_offers()
    with anyio.fail_after(10):
        await heard.any.wait()
    assert heard.uris == expected


async def test_a_sync_tells_its_progress(world: World) -> None:
    world.source.put(*"abcdefg")
    told: list[tuple[float, float | None]] = []

    class Client:
        """Hears of progress."""

        can_sample = can_elicit = can_list_roots = is_task = False

        async def progress(self, done: float, total: float | None, message: str | None) -> None:
            """Note it."""
            told.append((done, total))

        async def detach(self, *, required: bool) -> None:
            """Stay."""

    tool = world.gateway.registry.tool("sync_availability")
    client: Any = Client()
    await world.gateway.registry.invoke(tool, {}, Call(clock=world.clock, client=client))

    assert told == [(3, 7), (6, 7), (7, 7)]


async def test_completions_know_titles_regions_and_platforms(world: World) -> None:
    catalog = world.gateway.catalog
    await catalog.import_records([record("tt1", name="Dune"), record("tt2", name="Drive")])
    await catalog.put_offers([offer("tt1"), offer("tt2", region="DE")])
    tool = world.gateway.registry.tool("get_availability")
    tool_2 = world.gateway.registry.tool("list_expiring_titles")
    call = Call(clock=world.clock)

    assert await tool.capability.completions["id"]("dun", call) == ["tt1"]
    assert await tool.capability.completions["region"]("", call) == ["DE", "US"]
    assert await tool_2.capability.completions["platform"]("net", call) == ["netflix"]
