"""The real catalogue, and beyond its titles others that are recombined from them, without a database around it.

Names take one half of each of two real ones; the people of a third, the year of a fourth and the rest of the first go
with them. The same titles come every time.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from mcp_gateway_ingestion.jsonl import parse_line

from mcp_gateway.catalog.events import TitleChanged
from mcp_gateway.catalog.models import Offer, OfferKind, Title, TitleFacts, TitleId
from mcp_gateway.catalog.records import CatalogVersion
from mcp_gateway.catalog.store import Catalog

T = TypeVar("T")

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
# So many titles of one import have the same revision.
_OF_ONE_REVISION = 4000
_PAYMENTS = {"subscription": OfferKind.FLATRATE}
_FACTS = tuple(one.name for one in fields(TitleFacts))


class Recombined(Catalog):
    """As much of a catalogue as those need who make an index of it.

    Args:
        titles: How many; fewer than the real catalogue's are its most popular ones.
        revision: Changes come after this one.
    """

    def __init__(self, titles: int, *, revision: int = 0) -> None:
        self._titles = titles
        self._offers: dict[TitleId, list[Offer]] | None = None
        self._changed: dict[TitleId, Title] = {}
        self._revision = max(revision, 1 + titles // _OF_ONE_REVISION)

    async def version(self) -> CatalogVersion:
        """One catalogue for each number of titles."""
        return CatalogVersion(f"recombined-{self._titles}", self._revision)

    async def changed_since(self, revision: int, *, batch_size: int = 2000) -> AsyncIterator[list[Title]]:
        """All titles, or those of `change`."""
        built = chain(() if revision else self._all(), self._changed.values())
        titles = (title for title in built if title.revision > revision)
        while batch := list(islice(titles, batch_size)):
            yield batch

    async def offers(self, ids: Iterable[str]) -> dict[TitleId, list[Offer]]:
        """The real offers of real titles; recombined ones have none."""
        if self._offers is None:
            self._offers = _read_offers()
        return {title_id: self._offers[title_id] for title_id in map(TitleId, ids) if title_id in self._offers}

    async def get(self, ids: Iterable[str]) -> dict[str, Title]:
        """Only titles of `change`."""
        return {title_id: self._changed[TitleId(title_id)] for title_id in ids if title_id in self._changed}

    async def elsewhere(self, work: Callable[[Catalog], Awaitable[T]]) -> T:
        """Here: another process would have other titles."""
        return await work(self)

    async def counts(self) -> dict[str, int]:
        """All as one kind."""
        return {"movie": self._titles + len(self._changed)}

    def change(self, facts: TitleFacts, title_id: str) -> TitleChanged:
        """Add a title."""
        self._revision += 1
        known = {name: getattr(facts, name) for name in _FACTS}
        self._changed[TitleId(title_id)] = Title(id=TitleId(title_id), revision=self._revision, **known)
        return TitleChanged(title_id=TitleId(title_id), kind=facts.kind, change="created", revision=self._revision)

    def _all(self) -> Iterator[Title]:
        real: list[Title] = []
        for number, title in enumerate(islice(real_titles(), self._titles)):
            real.append(title)
            yield replace(title, revision=1 + number // _OF_ONE_REVISION)
        dice = random.Random(1)  # noqa: S311 - the same titles every time
        for number in range(len(real), self._titles):
            yield replace(_recombined(real, dice, number), revision=1 + number // _OF_ONE_REVISION)


def real_titles() -> Iterator[Title]:
    """The titles of the real catalogue, most popular first."""
    with gzip.open(DATA / "catalogue.jsonl.gz") as lines:
        for line in lines:
            parsed = parse_line(line)
            yield Title(id=TitleId(parsed.key), **{name: getattr(parsed.facts, name) for name in _FACTS})


def _recombined(real: list[Title], dice: random.Random, number: int) -> Title:
    one, other, third, fourth = (dice.choice(real) for _ in range(4))
    front, back = one.name.split(), other.name.split()
    name = " ".join((*front[: len(front) // 2 + 1], *back[len(back) // 2 :]))
    popularity = round(one.popularity * dice.random() * 0.3, 4)
    return replace(
        one, id=TitleId(f"x{number}"), name=name, popularity=popularity, alternative_titles=(), credits=third.credits,
        year=fourth.year, external_ids={},
    )  # fmt: skip


def _read_offers() -> dict[TitleId, list[Offer]]:
    offers: dict[TitleId, list[Offer]] = {}
    seen_at = datetime(2026, 1, 1, tzinfo=UTC)
    with gzip.open(DATA / "availability.jsonl.gz") as lines:
        for line in map(json.loads, lines):
            title_id = TitleId(line["title_id"])
            kind = _PAYMENTS.get(line["monetization"]) or OfferKind(line["monetization"])
            offer = Offer(
                title_id=title_id, platform=line["platform"], kind=kind, source=line["source"], observed_at=seen_at,
                region=line["region"],
            )  # fmt: skip
            offers.setdefault(title_id, []).append(offer)
    return offers
