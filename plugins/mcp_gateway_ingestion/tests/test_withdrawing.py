"""A list that was given to the wrong platform or without its country is taken back, and whoever follows hears of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from mcp_gateway.api import InvalidParams, Withdrawal
from mcp_gateway.catalog import store
from mcp_gateway.catalog.models import Offer
from mcp_gateway.tests.catalogues import NOW
from mcp_gateway.tests.offer_replay import outbox_of, replay, standing_offers
from mcp_gateway_ingestion.tests.conftest import Ingestion
from mcp_gateway_ingestion.tests.test_listing import JUSTWATCH, justwatch_row, write_table
from mcp_gateway_ingestion.withdrawing import withdraw

pytestmark = pytest.mark.anyio

NAMES = {"tm1": "Harbour Lights", "tm2": "The Salt Road", "tm3": "Night Bakers"}


def films(tmp_path: Path) -> Path:
    return write_table(tmp_path / "list.csv", JUSTWATCH, *(justwatch_row(*film) for film in NAMES.items()))


async def offers_of(ingestion: Ingestion) -> dict[str, list[Offer]]:
    """What stands, by name; the events alone make the same."""
    assert replay(await outbox_of(ingestion.db)) == await standing_offers(ingestion.db)
    titles = await ingestion.titles()
    offers = await ingestion.catalog.offers([title.id for title in titles.values()])
    return {name: offers[title.id] for name, title in titles.items() if title.id in offers}


async def test_a_list_without_its_country_is_taken_back_and_comes_again_with_it(
    ingestion: Ingestion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "WITHDRAWN_AT_ONCE", 2)
    path = films(tmp_path)
    await ingestion.take_in("platform:netflix", path, region="DE")
    await ingestion.take_in("platform:netflix", path)

    taken_back = partial(withdraw, ingestion.catalog, "platform:netflix", platform=None, region="")

    tried = await taken_back(dry_run=True)
    before = await offers_of(ingestion)
    gone = await taken_back(dry_run=False)
    after = await offers_of(ingestion)
    await ingestion.take_in("platform:netflix", path)  # the same file again, as old as it was

    assert tried == gone == [Withdrawal("netflix", "", 3)]
    assert {offer.region for found in before.values() for offer in found} == {"DE", None}
    assert sorted(after) == sorted(NAMES.values())
    assert {offer.region for found in after.values() for offer in found} == {"DE"}
    assert await offers_of(ingestion) == before
    with pytest.raises(InvalidParams, match="no such offers"):
        await withdraw(ingestion.catalog, "platform:netflix", platform="hulu", region=None, dry_run=False)


async def test_a_list_given_to_the_wrong_platform_is_taken_back_and_its_titles_stay(
    ingestion: Ingestion, tmp_path: Path
) -> None:
    path = films(tmp_path)
    await ingestion.take_in("platform:netflix", path, region="US")
    await ingestion.take_in("platform:disney_plus", path, region="US")

    await withdraw(ingestion.catalog, "platform:netflix", platform=None, region=None, dry_run=False)

    offers = await offers_of(ingestion)
    assert {offer.platform for found in offers.values() for offer in found} == {"disney_plus"}
    assert offers.keys() == set(NAMES.values())
    with pytest.raises(InvalidParams) as raised:
        await withdraw(ingestion.catalog, "platform:netflix", platform=None, region=None, dry_run=True)
    assert "platform:disney_plus" in str(raised.value.data)


async def test_a_list_is_as_old_as_one_says(ingestion: Ingestion, tmp_path: Path) -> None:
    """A copy of an old list must not undo what was learnt since, whatever the date of the copy."""
    seen = datetime(2024, 5, 1, tzinfo=UTC)
    path = films(tmp_path)

    await ingestion.take_in("platform:netflix", path, region="US", observed_at=seen)
    first = await offers_of(ingestion)
    await ingestion.take_in("platform:netflix", path, region="US", observed_at=seen - timedelta(days=400))

    assert {offer.observed_at for found in first.values() for offer in found} == {seen} != {NOW}
    assert await offers_of(ingestion) == first
