"""A platform has one key, however a source writes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from mcp_gateway.catalog.models import Offer, OfferKind, Platform, TitleId
from mcp_gateway.catalog.offering import Listing
from mcp_gateway.catalog.platform_keys import platform_key, platform_name
from mcp_gateway.catalog.store import Catalog
from mcp_gateway.tests.catalogues import StandingClock, opened, record

asynchronous = pytest.mark.anyio


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with opened(database_url) as (_, catalog):
        await catalog.import_records([record("a")])
        yield catalog


def offer(platform: str) -> Offer:
    return Offer(
        title_id=TitleId("a"), platform=platform, kind=OfferKind.FLATRATE, source="s", observed_at=StandingClock().now()
    )


@pytest.mark.parametrize(
    ("given", "ours", "name"),
    [
        ("apple_tv_plus", "apple_tv", "Apple TV+"),
        ("paramount_plus", "paramount", "Paramount+"),
        ("max", "hbo_max", "HBO Max"),
        ("netflix", "netflix", "Netflix"),
        ("disney_plus_hotstar", "disney_plus_hotstar", "Disney+ Hotstar"),
    ],
)
def test_a_key_that_is_known_by_another_one_means_the_same_platform(given: str, ours: str, name: str) -> None:
    assert (platform_key(given), platform_name(platform_key(given))) == (ours, name)


@asynchronous
async def test_offers_stand_under_one_key_however_they_came(catalog: Catalog) -> None:
    changed = [await catalog.put_offers([offer(key)]) for key in ("apple_tv_plus", "apple_tv", "apple_tv_plus")]

    assert changed == [1, 0, 0]
    assert [found.platform for found in (await catalog.offers([TitleId("a")]))[TitleId("a")]] == ["apple_tv"]
    assert await catalog.platforms() == [Platform("apple_tv", "Apple TV+")]


@asynchronous
async def test_a_listing_of_the_other_key_ends_the_offers_of_the_one(catalog: Catalog) -> None:
    await catalog.put_offers([offer("paramount_plus")])

    async with catalog.batch() as batch:
        at = StandingClock().now() + timedelta(hours=1)
        ended = await batch.end_unseen(Listing("paramount_plus", "s", None), at, ["a"])

    assert len(ended) == 1
    assert await catalog.platforms() == []
