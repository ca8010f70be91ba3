"""Offers as rows of their table, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import attrgetter
from typing import Any

import orjson
from sqlalchemy import Dialect

from mcp_gateway.catalog.events import TERMS
from mcp_gateway.catalog.models import Offer, OfferFacts, OfferKind
from mcp_gateway.catalog.statements import Row
from mcp_gateway.catalog.tables import UtcTime, offers

KEY = tuple(str(column.name) for column in offers.primary_key.columns)
"""What tells offers apart, in the table's order."""

SHOWN = (*KEY, *TERMS, "observed_at")
"""The columns that an offer is made of. A row of them is what offers are while they are written by the ten thousand:
absent parts of the key are the empty text, languages are JSON, moments are aware."""

_key = attrgetter(*KEY)
_KEYS, _END = len(KEY), len(KEY) + len(TERMS)
UNTIL, OBSERVED = SHOWN.index("valid_until"), SHOWN.index("observed_at")
_FROM = UNTIL - 1


def key_of(offer: Offer) -> tuple[str, ...]:
    """What tells the offer apart; the empty text is for what is not known."""
    return tuple([part or "" for part in _key(offer)])


def key_in(row: Row) -> tuple[str, ...]:
    """What tells the row's offer apart."""
    return tuple(row[:_KEYS])


def terms_in(row: Row) -> tuple[Any, ...]:
    """What the row's offer says, in the order of `TERMS`."""
    return tuple(row[_KEYS:_END])


def row_of(offer: Offer) -> Row:
    """The row of an offer."""
    return (*key_of(offer), *terms_row(offer), offer.observed_at)


def terms_row(facts: OfferFacts) -> tuple[Any, ...]:
    """That part of a row which says what `TERMS` do."""
    return (
        languages_json(facts.audio),
        languages_json(facts.subtitles),
        facts.price_minor,
        facts.currency,
        facts.valid_from,
        facts.valid_until,
        facts.link,
        facts.confidence,
    )


def bound(rows: Iterable[Row], dialect: Dialect) -> list[Row]:
    """Rows as SQLite's driver takes them."""
    process = UtcTime().dialect_impl(dialect).bind_processor(dialect)
    if process is None:
        return list(rows)
    time = lru_cache(maxsize=1000)(process)
    return [_with_times(row, time) for row in rows]


def unbound(row: Row, dialect: Dialect) -> Row:
    """A row as SQLite's driver gives it, with its moments aware."""
    process = UtcTime().dialect_impl(dialect).result_processor(dialect, None)
    return row if process is None else _with_times(row, process)


def _with_times(row: Row, time: Callable[[Any], Any]) -> Row:
    return (*row[:_FROM], time(row[_FROM]), time(row[UNTIL]), *row[UNTIL + 1 : OBSERVED], time(row[OBSERVED]))


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


@lru_cache(maxsize=10_000)
def languages_json(languages: tuple[str, ...]) -> str:
    """The value of a column of languages."""
    return orjson.dumps(languages).decode()


@lru_cache(maxsize=10_000)
def _languages(text: str) -> tuple[str, ...]:
    return tuple(orjson.loads(text))
