"""Makes offers of what payloads say about one: checks the window, names the plan, keeps only own links."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from mcp_gateway.catalog.models import OfferKind
from mcp_gateway.catalog.platforms import OfferFacts, Sighting

from .fields import Notes, day, moment, shown
from .links import own_link, path_of
from .money import Price
from .plans import Plans, load_plans
from .regions import end_of, midnight
from .rules import Rules

LISTED: Final = 0.8
"""Confidence in an offer that a payload does not spell out: it lists the title as part of the platform's catalogue."""

# 2099, 2517 and 9999 all stand for "no end known".
_OPEN_ENDED_AFTER = timedelta(days=50 * 365)
_QUALITIES = {
    "sd": "sd", "480p": "sd", "576p": "sd", "hd": "hd", "720p": "hd", "1080p": "hd", "qhd": "qhd", "1440p": "qhd",
    "uhd": "uhd", "4k": "uhd", "_4k": "uhd", "2160p": "uhd",
}  # fmt: skip


def make_offer(
    rules: Rules,
    seen: Sighting,
    notes: Notes,
    *,
    kind: OfferKind,
    region: str | None,
    tier: str | None = None,
    quality: str | None = None,
    audio: Iterable[str] = (),
    subtitles: Iterable[str] = (),
    price: Price | None = None,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    link: str | None = None,
    confidence: float = 1.0,
) -> OfferFacts | None:
    """The offer; None, and a note, when it ends before it begins."""
    if valid_until is not None and valid_until - seen.observed_at > _OPEN_ENDED_AFTER:
        valid_until = None
    if valid_from is not None and valid_until is not None and valid_until <= valid_from:
        notes.add("window", f"{valid_from.isoformat()} to {valid_until.isoformat()}")
        return None
    if rules.plans is not None and (tier is not None or kind is OfferKind.ADS):
        kind, tier = _plan(load_plans(rules.plans), seen, notes, kind, region, tier)
    return OfferFacts(
        kind=kind,
        region=region,
        tier=tier,
        quality=quality,
        audio=_each_once(audio),
        subtitles=_each_once(subtitles),
        price_minor=price.minor if price else None,
        currency=price.currency if price else None,
        valid_from=valid_from,
        valid_until=valid_until,
        link=link,
        confidence=confidence,
    )


def _each_once(tags: Iterable[str]) -> tuple[str, ...]:
    found = tuple(tags)
    return found if len(found) < 2 else tuple(sorted({*found}))


def listed_offer(
    rules: Rules,
    seen: Sighting,
    *,
    quality: str | None = None,
    audio: tuple[str, ...] = (),
    subtitles: tuple[str, ...] = (),
    valid_from: datetime | None = None,
) -> tuple[OfferFacts, ...]:
    """What a row of the platform's own catalogue states: a flat rate, where the row was seen."""
    return _listed(seen.region, quality, audio, subtitles, valid_from) if rules.has_offers else ()


@lru_cache(maxsize=4096)  # nearly all rows of a list say the same
def _listed(
    region: str | None,
    quality: str | None,
    audio: tuple[str, ...],
    subtitles: tuple[str, ...],
    valid_from: datetime | None,
) -> tuple[OfferFacts, ...]:
    return (
        OfferFacts(
            kind=OfferKind.FLATRATE,
            region=region,
            quality=quality,
            audio=audio,
            subtitles=subtitles,
            valid_from=valid_from,
            confidence=LISTED,
        ),
    )


def in_order(offers: Iterable[OfferFacts | None]) -> tuple[OfferFacts, ...]:
    """The offers in an order that depends on nothing but themselves, each once."""
    found = [offer for offer in offers if offer is not None]
    by_begin = {(o.region or "", o.kind, o.tier or "", o.quality or ""): o for o in found}
    if len(by_begin) == len(found):  # nearly always, and then the rest of the order decides nothing
        return tuple([by_begin[begin] for begin in sorted(by_begin)])
    return tuple(sorted({*found}, key=_order))


def _order(offer: OfferFacts) -> tuple[Any, ...]:
    return tuple(
        "" if value is None else str(value)
        for value in (
            offer.region, offer.kind, offer.tier, offer.quality, offer.currency, offer.price_minor, offer.valid_from,
            offer.valid_until, offer.link, offer.audio, offer.subtitles, offer.confidence,
        )
    )  # fmt: skip


def both_kinds(offer: OfferFacts | None) -> list[OfferFacts]:
    """An offer that stands for two: one paid for without, and one with advertisements."""
    return [replace(offer, kind=kind) for kind in (OfferKind.FLATRATE, OfferKind.ADS)] if offer else []


def quality_of(values: Mapping[Any, Any], field: str, notes: Notes) -> str | None:
    """The picture's quality."""
    value = values.get(field)
    if value is None or value == "":
        return None
    quality = _QUALITIES.get(value.lower()) if isinstance(value, str) else None
    if quality is None:
        notes.add(field, value)
    return quality


def begin_of(value: object, region: str | None, field: str, notes: Notes) -> datetime | None:
    """When an offer begins: a moment, or a date that begins at midnight in the region. 0 is unknown."""
    return _time(value, region, field, notes, last=False)


def until_of(value: object, region: str | None, field: str, notes: Notes) -> datetime | None:
    """When an offer ends: a moment, or a last day that ends at midnight in the region. 0 is unknown."""
    return _time(value, region, field, notes, last=True)


def _time(value: object, region: str | None, field: str, notes: Notes, *, last: bool) -> datetime | None:
    if value is None or value in ("", 0, "0"):
        return None
    is_short = isinstance(value, int) or (isinstance(value, str) and len(value) <= 40)
    made = _read_time(value, region, last) if is_short else moment(value)
    if made is None:
        notes.add(field, value)
    return made


@lru_cache(maxsize=4096, typed=True)  # True is no moment, and 1 is one
def _read_time(value: int | str, region: str | None, last: bool) -> datetime | None:
    made = moment(value)
    if made is None and isinstance(value, str) and (date := day(value)) is not None:
        made = end_of(date, region) if last else midnight(date, region)
    return made


def link_of(value: object, rules: Rules, field: str, notes: Notes) -> str | None:
    """The link when it is the platform's own. Others are noted: they are never shown as the platform's."""
    if value is None or value == "":
        return None
    link = own_link(value, rules.link_hosts)
    if link is None:
        notes.add(field, value)
    return link


def own_id(offers: Iterable[OfferFacts], rules: Rules) -> str | None:
    """The platform's own id of a title, when all links to it name the same one."""
    if rules.id_in_path is None:
        return None
    links = {offer.link for offer in offers if offer.link}
    found = {match[1] for link in links if (match := rules.id_in_path.search(path_of(link)))}
    return found.pop() if len(found) == 1 else None


def _plan(
    plans: Plans, seen: Sighting, notes: Notes, kind: OfferKind, region: str | None, tier: str | None
) -> tuple[OfferKind, str | None]:
    """Kind and plan as the platform called it then; a name that is not known then stays as it came."""
    if kind not in {OfferKind.FLATRATE, OfferKind.ADS}:
        return kind, tier
    if tier is None:
        only = plans.with_ads(region, seen.observed_at)
        return kind, only.name if only else None
    plan = plans.named(tier, region, seen.observed_at)
    if plan is None:
        notes.add("tier", tier)
        return kind, shown(tier)
    return plan.kind, plan.name
