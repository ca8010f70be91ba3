"""Records of platforms become titles with offers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mcp_gateway.catalog.models import Badge, OfferKind, TitleFacts
from mcp_gateway.catalog.platforms import OfferFacts, PlatformRecord, PlatformTitle, Sighting, Unknown
from mcp_gateway.tests.catalogues import NOW, record
from mcp_gateway.tests.offer_replay import outbox_of, replay, standing_offers
from mcp_gateway_ingestion.intake import IntakeReport, PlatformIntake

from .conftest import Ingestion

pytestmark = pytest.mark.anyio

FLAT = OfferFacts(kind=OfferKind.FLATRATE, region="US", tier="Standard")
RENT = OfferFacts(kind=OfferKind.RENT, region="US", price_minor=399, currency="USD")
SERIES_ID = {"imdb": "tt9000001"}


def title(key: str, *offers: OfferFacts, parent: str | None = None, **values: Any) -> PlatformTitle:
    """A title of a platform."""
    badges = values.pop("badges", ())
    facts = TitleFacts(**{"kind": "movie", "name": f"Film {key}", "year": 2008, **values})
    return PlatformTitle(key=key, facts=facts, offers=offers, parent_key=parent, badges=badges)


async def take_in(world: Ingestion, *titles: PlatformTitle, hours: int = 0, **options: Any) -> IntakeReport:
    seen = Sighting(observed_at=NOW + timedelta(hours=hours), region="US")
    records = [PlatformRecord((each,), (Unknown("plan", "Gold"),)) for each in titles]
    given = {"platform": "hbo_max", "source": "platform:hbo_max", **options}
    return await PlatformIntake(world.catalog).take_in(records=records, seen=seen, **given)


async def test_titles_and_their_offers_come_in_together_and_what_was_not_understood_is_counted(
    ingestion: Ingestion,
) -> None:
    report = await take_in(ingestion, title("1", FLAT, RENT), title("2", FLAT))

    assert (report.created, report.offers, report.offers_changed) == (2, 3, 3)
    assert report.unknown == {Unknown("plan", "Gold"): 2}
    found = await ingestion.catalog.offers(report.title_ids.values())
    assert [offer.kind for offer in found[report.title_ids["1"]]] == ["flatrate", "rent"]
    assert replay(await outbox_of(ingestion.db)) == await standing_offers(ingestion.db)


async def test_the_same_again_changes_nothing_and_tells_nothing(ingestion: Ingestion) -> None:
    await take_in(ingestion, title("1", FLAT))
    before = await outbox_of(ingestion.db)

    report = await take_in(ingestion, title("1", FLAT), hours=1, complete=True)

    assert (report.unchanged, report.offers_changed, report.offers_ended) == (1, 0, 0)
    assert await outbox_of(ingestion.db) == before


@pytest.mark.parametrize("complete", [True, False])
async def test_offers_no_longer_stated_end_only_when_all_are_stated(ingestion: Ingestion, complete: bool) -> None:
    other = OfferFacts(kind=OfferKind.FLATRATE, region="DE")
    await take_in(ingestion, title("1", FLAT, RENT, other))

    report = await take_in(ingestion, title("1", FLAT), hours=1, complete=complete)

    assert report.offers_ended == (1 if complete else 0)
    left = (await ingestion.catalog.offers(report.title_ids.values()))[report.title_ids["1"]]
    assert len(left) == (2 if complete else 3)


async def test_children_find_their_parents_in_whatever_order_they_come(ingestion: Ingestion) -> None:
    episode = title("e", FLAT, parent="season", kind="episode", season_number=1, episode_number=1)
    season = title("season", parent="show", kind="season", season_number=1)
    report = await take_in(ingestion, episode, season, title("show", kind="series", external_ids=SERIES_ID))
    late = await take_in(ingestion, title("e2", FLAT, parent="season", kind="episode", episode_number=2))

    ids = report.title_ids | late.title_ids
    found = await ingestion.catalog.get(ids.values())
    assert found[ids["e"]].parent_id == found[ids["e2"]].parent_id == ids["season"]
    assert found[ids["season"]].parent_id == ids["show"]


async def test_titles_that_name_one_another_as_parents_come_in_all_the_same(ingestion: Ingestion) -> None:
    report = await take_in(ingestion, title("1", parent="2", kind="season"), title("2", parent="1", kind="season"))

    assert report.created == 2


async def test_a_title_that_is_known_gets_the_offers_and_keeps_the_badge_with_its_evidence(
    ingestion: Ingestion,
) -> None:
    await ingestion.catalog.import_records([record("tt9000001", kind="series", external_ids=SERIES_ID)])
    badge = Badge("Max Original", "brand: Max Originals")

    report = await take_in(
        ingestion, title("x", FLAT, kind="series", external_ids=SERIES_ID, badges=(badge,)), dry_run=False
    )

    assert report.title_ids == {"x": "tt9000001"}
    assert (await ingestion.catalog.get(["tt9000001"]))["tt9000001"].badges == (badge,)


async def test_one_work_on_two_platforms_of_one_source_is_one_title(ingestion: Ingestion) -> None:
    same = {"external_ids": {"imdb": "tt9000002"}, "source": "streaming-availability"}
    first = await take_in(ingestion, title("1", FLAT, external_ids=same["external_ids"]), source=same["source"])
    second = await take_in(
        ingestion, title("9", FLAT, external_ids=same["external_ids"]), source=same["source"], platform="hulu"
    )

    assert first.title_ids["1"] == second.title_ids["9"]
    offers = (await ingestion.catalog.offers([first.title_ids["1"]]))[first.title_ids["1"]]
    assert [offer.platform for offer in offers] == ["hbo_max", "hulu"]
