"""Offers: what changes them, what ends them, and what is told of it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from mcp_gateway.catalog import offer_upsert
from mcp_gateway.catalog.availability import AvailabilityInfo, Price, availability_of
from mcp_gateway.catalog.models import Offer, OfferKind, TitleId
from mcp_gateway.catalog.offer_upsert import ROWS_WORTH_A_COPY
from mcp_gateway.catalog.offering import Listing
from mcp_gateway.catalog.store import Catalog
from mcp_gateway.storage.engine import Database
from mcp_gateway.testing import FakeClock
from mcp_gateway.tests.catalogues import NOW, opened, record
from mcp_gateway.tests.offer_replay import outbox_of, replay, standing_offers

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
US = Listing("hbo_max", "test", "US")


class World:
    """A catalogue with the films a, b and c, and a clock that can be turned."""

    def __init__(self, db: Database, clock: FakeClock) -> None:
        self.db = db
        self.clock = clock
        self.catalog = Catalog(db, clock)

    async def told(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Type, title and changed fields of each event on availability, in order."""
        events = [e for e in await outbox_of(self.db) if e.type.startswith("media.availability")]
        return [(e.type.rpartition(".")[2], e.subject, tuple(e.data.get("changed", ()))) for e in events]

    async def agrees(self) -> bool:
        """Whether the events alone make the same offers as stand in the table."""
        return replay(await outbox_of(self.db)) == await standing_offers(self.db)


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with opened(database_url) as (db, _):
        world = World(db, FakeClock(NOW))
        await world.catalog.import_records([record(key) for key in "abc"])
        yield world


def offer(title_id: str = "a", *, at: datetime = NOW, **values: Any) -> Offer:
    told = {"platform": "hbo_max", "kind": OfferKind.FLATRATE, "region": "US", "source": "test", **values}
    return Offer(title_id=TitleId(title_id), observed_at=at, **told)


async def test_an_offer_that_comes_changes_and_goes_is_told_of_each_time(world: World) -> None:
    first = offer(audio=("en", "pt-BR"), link="https://play.hbomax.com/a")
    await world.catalog.put_offers([first])
    await world.catalog.put_offers([replace(first, subtitles=("de",), link=None, observed_at=NOW + HOUR)])
    async with world.catalog.batch() as batch:
        await batch.end_unseen(US, NOW + 2 * HOUR, {"a"})

    assert await world.catalog.offers(["a"]) == {}
    told = await world.told()
    assert [kind for kind, _, _ in told] == ["changed"] * 3
    assert told[1][2] == ("subtitles", "link")
    assert await world.agrees()


async def test_what_says_the_same_tells_nothing_whenever_it_was_observed(world: World) -> None:
    await world.catalog.put_offers([offer(), offer("b")])
    before = await world.told()

    for hours in (0, 1, -1):
        assert await world.catalog.put_offers([offer(at=NOW + hours * HOUR), offer("b", at=NOW + hours * HOUR)]) == 0

    assert await world.told() == before
    assert await world.catalog.offers(["a"]) == {"a": [offer()]}


async def test_an_older_observation_changes_nothing_also_after_one_that_said_the_same(world: World) -> None:
    await world.catalog.put_offers([offer()])
    await world.catalog.put_offers([offer(at=NOW + 3 * HOUR)])

    assert await world.catalog.put_offers([offer(at=NOW + 2 * HOUR, link="https://play.hbomax.com/old")]) == 0

    assert await world.catalog.offers(["a"]) == {"a": [offer()]}


async def test_an_older_observation_does_not_bring_an_offer_back_that_ended(world: World) -> None:
    await world.catalog.put_offers([offer()])
    async with world.catalog.batch() as batch:
        await batch.end_unseen(US, NOW + 2 * HOUR, {"a"})

    assert await world.catalog.put_offers([offer(at=NOW + HOUR)]) == 0
    assert await world.catalog.offers(["a"]) == {}
    assert await world.catalog.put_offers([offer(at=NOW + 3 * HOUR)]) == 1
    assert await world.agrees()


async def test_an_offer_that_goes_to_and_fro_has_an_event_with_an_id_of_its_own_each_time(world: World) -> None:
    for hours in range(6):
        price = 399 if hours % 2 else 499
        await world.catalog.put_offers([offer(at=NOW + hours * HOUR, price_minor=price, currency="USD")])

    ids = [e.id for e in await outbox_of(world.db) if e.type == "media.availability.changed"]
    assert len(set(ids)) == 6
    assert await world.agrees()


async def test_offers_end_when_their_time_is_over_and_are_told_of_once(world: World) -> None:
    ends = NOW + timedelta(minutes=30)
    await world.catalog.put_offers([offer(valid_until=ends), offer("b", valid_until=NOW + HOUR), offer("c")])
    world.clock.advance(30 * 60 - 1)
    assert await world.catalog.expire_offers() == []

    world.clock.advance(1)
    assert await world.catalog.offers(["a"]) == {}, "also before it has been ended"
    async with anyio.create_task_group() as instances:
        for _ in range(3):
            instances.start_soon(world.catalog.expire_offers)

    assert [told[:2] for told in await world.told() if told[0] == "expired"] == [("expired", "a")]
    assert set(await world.catalog.offers(["a", "b", "c"])) == {"b", "c"}
    assert await world.agrees()


async def test_an_offer_that_is_over_already_is_none_and_ends_what_stood(world: World) -> None:
    over = NOW - HOUR
    assert await world.catalog.put_offers([offer("b", valid_until=over)]) == 0
    await world.catalog.put_offers([offer(valid_until=NOW + HOUR)])

    assert await world.catalog.put_offers([offer(at=NOW + HOUR, valid_until=over)]) == 1

    assert await world.catalog.offers(["a", "b"]) == {}
    assert await world.agrees()


async def test_missed_offers_stand_until_it_is_decided(world: World) -> None:
    await world.catalog.put_offers([offer(), offer("b"), offer("c", region="DE")])
    later = NOW + HOUR
    async with world.catalog.batch() as batch:
        await batch.put_offers([offer("b", at=later)])
        assert await batch.miss_offers(US, later) == 1
        assert await batch.count_listed(US) == (2, 1)
    assert set(await world.catalog.offers(["a", "b", "c"])) == {"a", "b", "c"}

    async with world.catalog.batch() as batch:
        assert await batch.forgive_missed(US) == 1
        assert await batch.miss_offers(US, later) == 1
        assert [change.at for change in await batch.end_missed(US, at_most=10)] == [later]

    assert set(await world.catalog.offers(["a", "b", "c"])) == {"b", "c"}
    assert await world.agrees()


async def test_of_a_title_s_offers_those_that_are_told_again_are_seen_and_the_others_are_not(world: World) -> None:
    kinds = [offer(), offer(kind=OfferKind.RENT), offer(region="DE"), offer("b")]
    await world.catalog.put_offers([*kinds, offer(source="other")])

    await world.catalog.put_offers([replace(kinds[place], observed_at=NOW + HOUR) for place in (0, 3)])
    async with world.catalog.batch() as batch:
        ended = await batch.end_unseen(US._replace(region=None), NOW + HOUR, {"a", "b"})

    assert [(c.offer.region, c.offer.kind.value) for c in ended] == [("DE", "flatrate"), ("US", "rent")]
    assert await world.agrees()


async def test_offers_that_are_told_again_together_are_each_seen_when_they_were_observed(world: World) -> None:
    both = [offer(), offer(kind=OfferKind.RENT)]
    await world.catalog.put_offers(both)

    await world.catalog.put_offers([replace(o, observed_at=NOW + (2 - n) * HOUR) for n, o in enumerate(both)])
    async with world.catalog.batch() as batch:
        ended = await batch.end_unseen(US, NOW + 2 * HOUR, {"a"})

    assert [change.offer.kind for change in ended] == [OfferKind.RENT]


async def test_missed_offers_that_are_told_again_as_they_were_are_missed_no_more(world: World) -> None:
    await world.catalog.put_offers([offer(), offer("b")])
    async with world.catalog.batch() as batch:
        assert await batch.miss_offers(US, NOW + HOUR) == 2

    await world.catalog.put_offers([offer(at=NOW + 2 * HOUR), offer("b", at=NOW + 2 * HOUR)])

    async with world.catalog.batch() as batch:
        assert await batch.count_listed(US) == (2, 0)


async def test_a_dry_run_leaves_no_trace(world: World) -> None:
    before = await outbox_of(world.db)

    async with world.catalog.batch(dry_run=True) as batch:
        await batch.import_records([record("d")])
        assert len(await batch.put_offers([offer("a")])) == 1

    assert await outbox_of(world.db) == before
    assert await world.catalog.offers(["a"]) == {}


async def test_a_title_and_its_offers_commit_together(world: World) -> None:
    with pytest.raises(RuntimeError):
        async with world.catalog.batch() as batch:
            await batch.import_records([record("d")])
            await batch.put_offers([offer("d")])
            raise RuntimeError

    assert await world.catalog.get(["d"]) == {}
    assert await world.told() == []


async def test_many_offers_of_titles_with_and_without_earlier_ones_are_written_together(world: World) -> None:
    films = [f"film-{number}" for number in range(ROWS_WORTH_A_COPY)]
    await world.catalog.import_records([record(film) for film in films])
    await world.catalog.put_offers([offer("a"), offer("b"), offer("c", valid_until=NOW + HOUR)])
    world.clock.advance(7200)
    await world.catalog.expire_offers()

    later = NOW + 3 * HOUR
    given = [offer(film, at=later, link='https://play.hbomax.com/"\\\t', confidence=0.5) for film in films]
    given += [offer("a", at=later), offer("a", at=later, tier="Basic"), offer("b", at=later, link="x")]
    given += [offer("c", at=later, audio=("en",))]
    async with world.catalog.batch() as batch:
        changes = await batch.put_offers(given)

    new = [(change.title_id, change.offer.tier) for change in changes if change.before is None]
    assert sorted(new, key=str) == sorted([*((film, None) for film in films), ("a", "Basic"), ("c", None)], key=str)
    assert [change.title_id for change in changes if change.before is not None] == ["b"]
    assert await world.catalog.offers(["film-7"]) == {"film-7": [given[7]]}
    assert await world.agrees()


async def test_looking_for_offers_to_end_reads_an_index(world: World) -> None:
    query = "SELECT 1 FROM offers WHERE ended_at IS NULL AND valid_until IS NOT NULL AND valid_until <= '2026-01-01'"
    explain = "EXPLAIN" if world.db.dialect == "postgresql" else "EXPLAIN QUERY PLAN"
    async with world.db.transaction() as tx:
        if world.db.dialect == "postgresql":
            await tx.execute(text("SET LOCAL enable_seqscan = off"))
        plan = (await tx.execute(text(f"{explain} {query}"))).all()
    assert re.search(r"offers_by_end", str(plan))


SAID = st.tuples(
    st.sampled_from("ab"),
    st.sampled_from(["US", None]),
    st.sampled_from([None, "Premium"]),
    st.sampled_from([None, 100, 200]),
    st.integers(-3, 5),
    st.sampled_from([None, 1, 2, 4]),
)
STEP = st.one_of(
    st.tuples(st.just("put"), st.lists(SAID, max_size=5)),
    st.tuples(st.just("end"), st.integers(0, 5)),
    st.tuples(st.just("pass"), st.integers(1, 2)),
)


@pytest.mark.parametrize(
    ("url", "worth_a_copy"),
    [("sqlite_url", ROWS_WORTH_A_COPY), ("postgres_url", ROWS_WORTH_A_COPY), ("postgres_url", 1)],
)
@given(steps=st.lists(STEP, max_size=12))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_happens_the_events_make_the_table(
    url: str, worth_a_copy: int, request: pytest.FixtureRequest, steps: list[tuple[str, Any]]
) -> None:
    async def run() -> None:
        async with opened(request.getfixturevalue(url)) as (db, _):
            world = World(db, FakeClock(NOW))
            async with db.transaction() as tx:
                await tx.execute(text("DELETE FROM offers"))
                await tx.execute(text("DELETE FROM outbox"))
            await world.catalog.import_records([record(key) for key in "ab"])
            for what, value in steps:
                await _do(world, what, value)
            assert await world.agrees()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(offer_upsert, "ROWS_WORTH_A_COPY", worth_a_copy)
        anyio.run(run)


async def _do(world: World, what: str, value: Any) -> None:
    if what == "put":
        await world.catalog.put_offers([_said(*values) for values in value])
    elif what == "end":
        async with world.catalog.batch() as batch:
            await batch.end_unseen(US, NOW + value * HOUR, {"a", "b"})
    else:
        world.clock.advance(value * 3600)
        await world.catalog.expire_offers()


def _said(key: str, region: str | None, tier: str | None, price: int | None, hours: int, until: int | None) -> Offer:
    valid_until = NOW + until * HOUR if until else None
    at, currency = NOW + hours * HOUR, "USD" if price else None
    return offer(key, at=at, region=region, tier=tier, price_minor=price, currency=currency, valid_until=valid_until)


def test_the_sum_of_offers_says_where_for_what_and_how_long() -> None:
    flat = offer(valid_until=NOW + HOUR)
    rent = offer(
        kind=OfferKind.RENT, region="DE", price_minor=399, currency="EUR", quality="hd", valid_until=NOW + 2 * HOUR
    )
    both = availability_of([rent, flat, replace(rent, region=None)])

    assert both.regions == ("DE", "US")
    assert both.subscription_required is False
    assert both.prices == (Price(OfferKind.RENT, "EUR", 399, "hd"),)
    assert both.available_until == NOW + 2 * HOUR
    assert availability_of([flat, offer("a", kind=OfferKind.ADDON)]).subscription_required is True
    assert availability_of([flat, offer()]).available_until is None
    assert availability_of([]) == AvailabilityInfo((), None, (), None)
