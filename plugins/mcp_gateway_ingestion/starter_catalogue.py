"""The starter catalogue: what a gateway shows before anybody has taken a catalogue in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from anyio import to_thread
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from mcp_gateway.api import Clock
from mcp_gateway.catalog.models import Offer, OfferKind, TitleId
from mcp_gateway.catalog.store import Catalog, SourceRecord

from .jsonl import parse_title

SOURCE = "starter"
TITLES = Path(__file__).parent / "starter" / "titles.jsonl"


class StarterOffer(BaseModel):
    """An offer of a line of the starter catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    platform: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="The platform's key.")
    region: str | None = Field(None, pattern=r"^[A-Z]{2}$", description="ISO 3166-1; absent: not known.")
    monetization: str = Field(description="As in the catalogue's availability files, or one of our own kinds.")


_OFFERS = TypeAdapter(list[StarterOffer])
_KINDS = {"subscription": OfferKind.FLATRATE}


async def load_starter(catalog: Catalog, clock: Clock, path: Path = TITLES) -> int:
    """Take the starter catalogue in, and say how many titles it has. Repeating it changes nothing.

    Raises:
        ValueError: The file has a fault; the message names the line.
    """
    records, offers = await to_thread.run_sync(read_starter, path, clock.now())
    await catalog.import_records(records)
    await catalog.put_offers(offers)
    return len(records)


def read_starter(path: Path, now: datetime) -> tuple[list[SourceRecord], list[Offer]]:
    """The titles and offers of a starter file.

    Raises:
        ValueError: The file has a fault; the message names the line.
    """
    records: list[SourceRecord] = []
    offers: list[Offer] = []
    for number, raw in enumerate(path.read_bytes().splitlines(), 1):
        try:
            line = orjson.loads(raw)
            given = line.pop("offers", [])
            title = parse_title(line)
            records.append(SourceRecord(SOURCE, title.key, title.facts, title.own_id))
            offers.extend(_offers(TitleId(title.key), given, now))
        except ValueError as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from None
    return records, offers


def _offers(title_id: TitleId, given: Any, now: datetime) -> Iterator[Offer]:
    for offer in _OFFERS.validate_python(given):
        kind = _KINDS.get(offer.monetization) or OfferKind(offer.monetization)
        yield Offer(
            title_id=title_id, platform=offer.platform, region=offer.region, kind=kind, source=SOURCE, observed_at=now
        )
