"""The statements on offers. Each is given a transaction that keeps other writers of the catalogue out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, cast

from sqlalchemy import ColumnElement, Delete, Update, and_, delete, exists, func, literal, or_, select, tuple_, update
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from mcp_gateway.catalog.models import Kind, Offer, Platform, TitleId
from mcp_gateway.catalog.offer_rows import KEY, OBSERVED, SHOWN, UNTIL, key_in, offer_of
from mcp_gateway.catalog.offer_upsert import upsert
from mcp_gateway.catalog.platform_keys import platform_key, platform_name
from mcp_gateway.catalog.statements import Row, among
from mcp_gateway.catalog.tables import offers, titles

_SHOWN = [offers.c[name] for name in SHOWN]
_KEY = [offers.c[name] for name in KEY]
_LIVE = offers.c.ended_at.is_(None)


class Change(NamedTuple):
    """What became of an offer: None before when it is new, None after when it is gone.

    Attributes:
        at: When the source said so; for one whose time is over, when that was.
    """

    before: Row | None
    after: Row | None
    at: datetime

    @property
    def row(self) -> Row:
        """The offer, as it is or was; see `offer_rows.SHOWN`."""
        return self.after or cast(Row, self.before)

    @property
    def title_id(self) -> TitleId:
        """Its title."""
        return TitleId(self.row[0])

    @property
    def offer(self) -> Offer:
        """The offer, as it is or was."""
        return offer_of(self.row)


class Listing(NamedTuple):
    """Whose offers a listing names: one source's of a platform, in a region; everywhere when the region is None."""

    platform: str
    source: str
    region: str | None


class Told(NamedTuple):
    """How many offers a source tells of, of a platform in a region; the region is empty where it is not known."""

    source: str
    platform: str
    region: str
    offers: int


async def put(tx: AsyncConnection, given: Iterable[Row], *, now: datetime) -> list[Change]:
    """Write offers; what says the same as what stands, or was observed before it, changes nothing.

    They are rows as `offer_rows.SHOWN` has them. Of two that differ in their terms only, the last counts. One whose
    time is over already is none.
    """
    last = {key_in(row): row for row in map(_with_our_key, given)}
    over = [key for key, row in last.items() if row[UNTIL] is not None and row[UNTIL] <= now]
    ended = await _end_these(tx, {key: last.pop(key)[OBSERVED] for key in over}) if over else []
    written = [Change(before, after, after[OBSERVED]) for after, before in await upsert(tx, last)]
    return [*ended, *written]


async def end_unseen(tx: AsyncConnection, listing: Listing, at: datetime, ids: Collection[str]) -> list[Change]:
    """End the offers of these titles that were not seen then or later."""
    unseen = and_(_of(listing), offers.c.seen_at < at, among(offers.c.title_id, ids, tx.dialect))
    statement = update(offers).where(unseen).values(ended_at=at, seen_at=at, missed_at=None)
    return [Change(row, None, at) for row in await _returned(tx, statement)]


async def miss(tx: AsyncConnection, listing: Listing, at: datetime, *, ids: Collection[str] | None = None) -> int:
    """Note which offers a listing should have named and did not; how many.

    Args:
        tx: The transaction.
        listing: Whose offers it names.
        at: Since when it names them: what was seen then or later has been named.
        ids: Only those of these titles.
    """
    unseen = and_(_of(listing), offers.c.seen_at < at)
    if ids is not None:
        unseen = and_(unseen, among(offers.c.title_id, ids, tx.dialect))
    return (await tx.execute(update(offers).where(unseen).values(missed_at=at))).rowcount


async def end_missed(tx: AsyncConnection, listing: Listing, *, at_most: int) -> list[Change]:
    """End offers that were missed, so many of them."""
    chosen = select(*_KEY, offers.c.missed_at).where(_of(listing), offers.c.missed_at.is_not(None)).limit(at_most)
    missed_at = {tuple(key): at for *key, at in (await tx.execute(chosen)).all()}
    ended = offers.c.missed_at
    these = tuple_(*_KEY).in_(chosen.with_only_columns(*_KEY))
    statement = update(offers).where(these).values(ended_at=ended, seen_at=ended, missed_at=None)
    return [Change(row, None, missed_at[key_in(row)]) for row in await _returned(tx, statement)]


async def forgive(tx: AsyncConnection, listing: Listing) -> int:
    """Forget that offers were missed; how many."""
    statement = update(offers).where(_of(listing), offers.c.missed_at.is_not(None)).values(missed_at=None)
    return (await tx.execute(statement)).rowcount


async def withdraw(tx: AsyncConnection, told: Told, *, now: datetime, at_most: int) -> list[Change]:
    """Take offers away as if their source had never told of them, so many of them."""
    these = and_(*(offers.c[name] == getattr(told, name) for name in ("source", "platform", "region")))
    chosen = select(*_KEY).where(_LIVE, these).limit(at_most)
    rows = await _returned(tx, delete(offers).where(tuple_(*_KEY).in_(chosen)))
    return [Change(row, None, now) for row in rows]


async def expire(tx: AsyncConnection, now: datetime, *, at_most: int) -> list[Change]:
    """End offers whose time is over, the oldest first, so many of them."""
    chosen = select(*_KEY).where(_is_over(now)).order_by(offers.c.valid_until).limit(at_most)
    statement = update(offers).where(tuple_(*_KEY).in_(chosen)).values(ended_at=offers.c.valid_until, missed_at=None)
    return [Change(row, None, row[UNTIL] or now) for row in await _returned(tx, statement)]


async def has_expired(conn: AsyncConnection, now: datetime) -> bool:
    """Whether there is an offer to end."""
    return (await conn.execute(select(literal(1)).where(_is_over(now)).limit(1))).first() is not None


async def mark_changed(tx: AsyncConnection, ids: Collection[str], revision: int) -> dict[TitleId, Kind]:
    """Give titles a new revision, so that whoever follows them looks again. Returns the kinds of those that exist."""
    statement = update(titles).where(among(titles.c.id, ids, tx.dialect)).values(revision=revision)
    found = (await tx.execute(statement.returning(titles.c.id, titles.c.kind))).all()
    return {TitleId(title_id): kind for title_id, kind in found}


async def by_title(conn: AsyncConnection, ids: Collection[str], now: datetime) -> dict[TitleId, list[Offer]]:
    """The offers of titles whose time is not over, by platform, region and kind."""
    if not ids:
        return {}
    ahead = or_(offers.c.valid_until.is_(None), offers.c.valid_until > now)
    statement = select(*_SHOWN).where(among(offers.c.title_id, ids, conn.dialect), _LIVE, ahead).order_by(*_KEY)
    found: dict[TitleId, list[Offer]] = {}
    for row in await conn.execute(statement):
        found.setdefault(row[0], []).append(offer_of(row))
    return found


class Leaving(NamedTuple):
    """A title that a platform will no longer offer in a region after `until`; an empty region is not known."""

    until: datetime
    title_id: TitleId
    platform: str
    region: str


async def leaving(
    conn: AsyncConnection, *, now: datetime, before: datetime, platform: str | None, region: str | None
) -> list[Leaving]:
    """The titles of which the last offer on a platform in a region ends in a span of time, the next first.

    Those that end are found by an index; that nothing remains beside them, by the key.
    """
    later = offers.alias()
    same = (later.c[name] == offers.c[name] for name in ("title_id", "platform", "region"))
    remains = or_(later.c.valid_until.is_(None), later.c.valid_until > before)
    wanted = [_LIVE, offers.c.valid_until > now, offers.c.valid_until <= before]
    wanted += [offers.c.platform == platform] if platform else []
    wanted += [offers.c.region == region] if region else []
    until = func.max(offers.c.valid_until)
    place = (offers.c.title_id, offers.c.platform, offers.c.region)
    statement = (
        select(until, *place)
        .where(*wanted, ~exists().where(*same, later.c.ended_at.is_(None), remains))
        .group_by(*place)
        .order_by(until, *place)
    )
    return [Leaving(*row) for row in await conn.execute(statement)]


async def platforms(conn: AsyncConnection) -> list[Platform]:
    """The platforms that offer something, by key."""
    keys = (await conn.execute(select(offers.c.platform).where(_LIVE).distinct().order_by(offers.c.platform))).scalars()
    return [Platform(key, platform_name(key)) for key in keys]


async def regions(conn: AsyncConnection) -> dict[str, dict[str, int]]:
    """How many offers there are, by platform and region; the region is empty where it is not known."""
    statement = select(offers.c.platform, offers.c.region, func.count()).where(_LIVE)
    found: dict[str, dict[str, int]] = {}
    for platform, region, number in await conn.execute(statement.group_by(offers.c.platform, offers.c.region)):
        found.setdefault(platform, {})[region] = number
    return found


async def told(conn: AsyncConnection) -> list[Told]:
    """Which source tells of how many offers, of which platform and where."""
    place = (offers.c.source, offers.c.platform, offers.c.region)
    statement = select(*place, func.count()).where(_LIVE).group_by(*place).order_by(*place)
    return [Told(*row) for row in await conn.execute(statement)]


async def count(conn: AsyncConnection) -> int:
    """How many offers there are."""
    return (await conn.execute(select(func.count()).select_from(offers).where(_LIVE))).scalar_one()


async def count_listed(conn: AsyncConnection, listing: Listing) -> tuple[int, int]:
    """How many offers of a listing there are, and how many of them were missed."""
    found = await conn.execute(select(func.count(), func.count(offers.c.missed_at)).where(_of(listing)))
    standing, missed = found.one()
    return standing, missed


def _with_our_key(row: Row) -> Row:
    key = platform_key(row[1])
    return row if key == row[1] else (row[0], key, *row[2:])


async def _end_these(tx: AsyncConnection, keys: Mapping[tuple[str, ...], datetime]) -> list[Change]:
    """End offers of which the source now says that their time is over."""
    changes = []
    for key, at in keys.items():
        one = and_(*(column == value for column, value in zip(_KEY, key, strict=True)))
        statement = update(offers).where(one, _LIVE, offers.c.seen_at <= at).values(ended_at=at, seen_at=at)
        changes += [Change(row, None, at) for row in await _returned(tx, statement)]
    return changes


async def _returned(tx: AsyncConnection, statement: Update | Delete) -> list[Row]:
    rows = (await tx.execute(statement.returning(*_SHOWN))).all()
    return sorted((tuple(row) for row in rows), key=key_in)


def _of(listing: Listing) -> ColumnElement[bool]:
    table = offers.c
    theirs = and_(_LIVE, table.platform == platform_key(listing.platform), table.source == listing.source)
    return theirs if listing.region is None else and_(theirs, table.region == listing.region)


def _is_over(now: datetime) -> ColumnElement[bool]:
    return and_(_LIVE, offers.c.valid_until.is_not(None), offers.c.valid_until <= now)
