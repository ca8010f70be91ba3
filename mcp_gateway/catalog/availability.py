"""What a viewer wants to know of offers, in a few words."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from mcp_gateway.catalog.models import Offer, OfferKind

SUBSCRIBED = frozenset({OfferKind.FLATRATE, OfferKind.ADDON})
"""What can be watched only with a subscription."""


@dataclass(frozen=True, slots=True, order=True)
class Price:
    """What one way to watch a title costs. `minor` is in the currency's minor units."""

    kind: OfferKind
    currency: str
    minor: int
    quality: str = ""


@dataclass(frozen=True, slots=True)
class AvailabilityInfo:
    """Offers of a title, summed up.

    Attributes:
        regions: Where it is offered, ISO 3166-1 alpha-2, sorted; without those offers whose region is not known.
        subscription_required: Whether every offer wants one; None when there is no offer.
        prices: What is asked apiece, each once, sorted.
        available_until: From when on there is no offer left; None when some offer has no known end, or there is none.
    """

    regions: tuple[str, ...]
    subscription_required: bool | None
    prices: tuple[Price, ...]
    available_until: datetime | None


def availability_of(offers: Collection[Offer]) -> AvailabilityInfo:
    """Sum offers of one title up; their order does not matter."""
    return AvailabilityInfo(
        regions=tuple(sorted({offer.region for offer in offers if offer.region})),
        subscription_required=all(offer.kind in SUBSCRIBED for offer in offers) if offers else None,
        prices=tuple(sorted(set(_prices(offers)))),
        available_until=_last_end(offers),
    )


def _prices(offers: Iterable[Offer]) -> Iterable[Price]:
    for offer in offers:
        if offer.price_minor is not None and offer.currency:
            yield Price(offer.kind, offer.currency, offer.price_minor, offer.quality or "")


def _last_end(offers: Iterable[Offer]) -> datetime | None:
    ends = {offer.valid_until for offer in offers}
    return None if None in ends else max((end for end in ends if end), default=None)
