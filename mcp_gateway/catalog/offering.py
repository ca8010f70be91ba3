"""The statements on offers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from mcp_gateway.catalog.models import Kind, Offer, OfferKind, Platform, TitleId
from mcp_gateway.catalog.statements import among, insert
from mcp_gateway.catalog.tables import offers, titles

PLATFORM_NAMES: Mapping[str, str] = {
    "apple_tv": "Apple TV+",
    "apple_tv_plus": "Apple TV+",
    "disney_plus": "Disney+",
    "disney_plus_hotstar": "Disney+ Hotstar",
    "hbo_max": "HBO Max",
    "paramount": "Paramount+",
    "paramount_plus": "Paramount+",
}
"""Names that are not the key's words with capitals."""

_COLUMNS = tuple(column.name for column in offers.columns)
_KEY = tuple(column.name for column in offers.primary_key.columns)
_SAID = ("price_minor", "currency", "valid_from", "valid_until", "link", "confidence")


async def put(tx: AsyncConnection, given: Sequence[Offer]) -> tuple[int, list[TitleId]]:
    """Write offers; one that says the same as the one that stands is left alone.

    Returns:
        How many were new or changed, and whose they are, by id.
    """
    last = {_key(offer): offer for offer in given}
    standing = {_key(o): o for o in await _of_titles(tx, {offer.title_id for offer in last.values()})}
    changed = [offer for key, offer in last.items() if key not in standing or _said(standing[key]) != _said(offer)]
    if changed:
        statement = insert(offers, tx.dialect.name)
        values = {name: statement.excluded[name] for name in _COLUMNS if name not in _KEY}
        upsert = statement.on_conflict_do_update(index_elements=_KEY, set_=values)
        await tx.execute(upsert, [_row(offer) for offer in changed])
    return len(changed), sorted({offer.title_id for offer in changed})


async def mark_changed(tx: AsyncConnection, ids: Collection[str], revision: int) -> dict[TitleId, Kind]:
    """Give titles a new revision, so that whoever follows them looks again. Returns the kinds of those that exist."""
    found = await tx.execute(select(titles.c.id, titles.c.kind).where(among(titles.c.id, ids, tx.dialect)))
    kinds: dict[TitleId, Kind] = dict(map(tuple, found))
    await tx.execute(update(titles).where(among(titles.c.id, kinds, tx.dialect)).values(revision=revision))
    return kinds


async def by_title(conn: AsyncConnection, ids: Collection[str]) -> dict[TitleId, list[Offer]]:
    """The offers of titles, by platform, region and kind."""
    found: dict[TitleId, list[Offer]] = {}
    for offer in await _of_titles(conn, ids):
        found.setdefault(offer.title_id, []).append(offer)
    return found


async def platforms(conn: AsyncConnection) -> list[Platform]:
    """The platforms that offer something, by key."""
    keys = (await conn.execute(select(offers.c.platform).distinct().order_by(offers.c.platform))).scalars()
    return [Platform(key, PLATFORM_NAMES.get(key) or key.replace("_", " ").title()) for key in keys]


async def count(conn: AsyncConnection) -> int:
    """How many offers there are."""
    return (await conn.execute(select(func.count()).select_from(offers))).scalar_one()


async def _of_titles(conn: AsyncConnection, ids: Collection[str]) -> list[Offer]:
    if not ids:
        return []
    order = [offers.c[name] for name in _KEY]
    rows = await conn.execute(select(offers).where(among(offers.c.title_id, ids, conn.dialect)).order_by(*order))
    return [_offer(dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def _offer(values: dict[str, Any]) -> Offer:
    for name in ("region", "tier", "quality"):
        values[name] = values[name] or None
    return Offer(**{**values, "kind": OfferKind(values["kind"])})


def _row(offer: Offer) -> dict[str, Any]:
    values = {name: getattr(offer, name) for name in _COLUMNS}
    return {**values, **dict(zip(_KEY, _key(offer), strict=True))}


def _key(offer: Offer) -> tuple[str, ...]:
    return tuple(str(getattr(offer, name) or "") for name in _KEY)


def _said(offer: Offer) -> tuple[Any, ...]:
    return tuple(getattr(offer, name) for name in _SAID)
