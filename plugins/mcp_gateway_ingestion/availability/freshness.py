"""How far what is known of availability can be relied on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from mcp_gateway.catalog.models import Offer

from ..sync.state import SyncState, Target
from .models import SourceItem, Status

STALE_AFTER_RUNS = 3
"""So many runs missed, and a listing is not relied on any more."""

STALE_FILE = timedelta(days=7)
"""What was taken in once, from a file, is relied on for so long."""


def listed(target: Target, state: SyncState, now: datetime, interval: timedelta) -> SourceItem:
    """How up to date a listing is that is synced."""
    at = state.succeeded_at
    return SourceItem(
        source=target.source,
        platform=target.platform,
        region=target.region,
        checked_at=at.isoformat() if at else None,
        age_seconds=int((now - at).total_seconds()) if at else None,
        is_stale=at is None or now - at > STALE_AFTER_RUNS * interval,
        error=state.error or _held(state),
    )


def observed(offers: Iterable[Offer], synced: Collection[Target], now: datetime) -> list[SourceItem]:
    """How up to date the offers are of sources that are not synced, one item a source, platform and region."""
    last: dict[tuple[str, str, str], datetime] = {}
    for offer in offers:
        key = (offer.source, offer.platform, offer.region or "unknown")
        last[key] = max(offer.observed_at, last.get(key, offer.observed_at))
    return [
        SourceItem(
            source=source,
            platform=platform,
            region=region,
            checked_at=at.isoformat(),
            age_seconds=int((now - at).total_seconds()),
            is_stale=now - at > STALE_FILE,
        )
        for (source, platform, region), at in sorted(last.items())
        if Target(source, platform, region) not in synced
    ]


def status_of(offers: Collection[Offer], checked: Collection[str], now: datetime) -> Status:
    """What can be said of a title in a region.

    Args:
        offers: Of that region, and those whose region is not known.
        checked: Platforms whose listings of the region are complete and up to date. Without any, that there is no
            offer says nothing.
    """
    here = [offer for offer in offers if offer.region is not None]
    if any(offer.valid_from is None or offer.valid_from <= now for offer in here):
        return "available"
    if here:
        return "upcoming"
    return "not_offered" if checked and not offers else "not_known"


def checked_platforms(sources: Iterable[SourceItem], states: Mapping[Target, SyncState]) -> list[str]:
    """The platforms of which a listing is complete and up to date."""
    whole = {target for target, state in states.items() if state.watermark is not None}
    return sorted({s.platform for s in sources if not s.is_stale and Target(s.source, s.platform, s.region) in whole})


def _held(state: SyncState) -> str | None:
    if state.held is None:
        return None
    return f"{state.held.missed} of {state.held.standing} offers are gone from its listing; that is to be confirmed."
