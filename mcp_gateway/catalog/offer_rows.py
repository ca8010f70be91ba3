"""Offers as rows of their table, and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any

import orjson
from sqlalchemy import Dialect

from mcp_gateway.catalog.events import TERMS
from mcp_gateway.catalog.models import Offer, OfferKind
from mcp_gateway.catalog.statements import Row
from mcp_gateway.catalog.tables import UtcTime, offers

KEY = tuple(column.name for column in offers.primary_key.columns)
"""What tells offers apart, in the table's order."""

SHOWN = (*KEY, *TERMS, "observed_at")
"""The columns that an offer is made of."""

COLUMNS = (*SHOWN, "seen_at")
"""The columns that are written."""

_key = attrgetter(*KEY)


def key_of(offer: Offer) -> tuple[str, ...]:
    """What tells the offer apart; the empty text is for what is not known."""
    return tuple([part or "" for part in _key(offer)])


@lru_cache(maxsize=4)
def row_writer(dialect: Dialect) -> Callable[[tuple[str, ...], Offer], Row]:
    """Makes rows of `COLUMNS` of a key and its offer. What is written is seen when it was observed."""
    process = UtcTime().dialect_impl(dialect).bind_processor(dialect)
    time = lru_cache(maxsize=1000)(process) if process else _as_it_is

    def row_of(key: tuple[str, ...], offer: Offer) -> Row:
        observed_at = time(offer.observed_at)
        return (
            *key,
            _text(offer.audio),
            _text(offer.subtitles),
            offer.price_minor,
            offer.currency,
            time(offer.valid_from),
            time(offer.valid_until),
            offer.link,
            offer.confidence,
            observed_at,
            observed_at,
        )

    return row_of


def offer_of(row: Row) -> Offer:
    """The offer of a row of `SHOWN`."""
    (
        title_id, platform, region, kind, tier, quality, source, audio, subtitles, price_minor, currency,
        valid_from, valid_until, link, confidence, observed_at,
    ) = row  # fmt: skip
    return Offer(
        title_id=title_id,
        platform=platform,
        region=region or None,
        kind=OfferKind(kind),
        tier=tier or None,
        quality=quality or None,
        source=source,
        audio=_languages(audio),
        subtitles=_languages(subtitles),
        price_minor=price_minor,
        currency=currency,
        valid_from=valid_from,
        valid_until=valid_until,
        link=link,
        confidence=confidence,
        observed_at=observed_at,
    )


def _as_it_is(value: Any) -> Any:
    return value


@lru_cache(maxsize=10_000)
def _text(languages: tuple[str, ...]) -> str:
    return orjson.dumps(languages).decode()


@lru_cache(maxsize=10_000)
def _languages(text: str) -> tuple[str, ...]:
    return tuple(orjson.loads(text))
