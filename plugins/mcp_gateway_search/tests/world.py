"""A real catalogue on SQLite with the search plugin's parts on top, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mcp_gateway.api import Call, Cursors
from mcp_gateway.catalog.models import (
    AlternativeTitle,
    Credit,
    Kind,
    Offer,
    OfferKind,
    Rating,
    TitleFacts,
    TitleId,
)
from mcp_gateway.catalog.store import Catalog, SourceRecord
from mcp_gateway.clock import SystemClock
from mcp_gateway.storage.engine import open_database
from mcp_gateway.storage.migrations import CORE_BRANCH, migrate
from mcp_gateway_search.building import build
from mcp_gateway_search.index import TitleIndex
from mcp_gateway_search.index_folder import IndexFolder
from mcp_gateway_search.keeper import IndexKeeper
from mcp_gateway_search.lookup import Lookup
from mcp_gateway_search.models import Candidates, Filters, ResolveParams, SearchParams, SearchResult
from mcp_gateway_search.reader import QueryReader
from mcp_gateway_search.resolve import Resolver
from mcp_gateway_search.searching import TitleSearch
from mcp_gateway_search.understanding.lexicon import Lexicon


def title(
    title_id: str,
    name: str,
    year: int | None,
    *,
    popularity: float = 50.0,
    kind: Kind = "movie",
    directors: Iterable[str] = (),
    cast: Iterable[str] = (),
    others: Iterable[str] = (),
    rating: float | None = None,
    **facts: Any,
) -> SourceRecord:
    """What a source says of a title."""
    people = [Credit(person, "director") for person in directors] + [Credit(person, "actor") for person in cast]
    if rating is not None:
        facts["ratings"] = {"imdb": Rating(rating, 1000)}
    alternatives = tuple(AlternativeTitle(other) for other in others)
    known = TitleFacts(
        kind=kind, name=name, year=year, popularity=popularity, credits=tuple(people), alternative_titles=alternatives,
        external_ids={"imdb": title_id}, **facts,
    )  # fmt: skip
    return SourceRecord("test", title_id, known, own_id=TitleId(title_id))


def offer(title_id: str, platform: str, region: str | None = None, kind: OfferKind = OfferKind.FLATRATE) -> Offer:
    """A way to watch a title."""
    observed_at = datetime(2026, 1, 1, tzinfo=UTC)
    return Offer(
        title_id=TitleId(title_id), platform=platform, kind=kind, source="test", observed_at=observed_at, region=region
    )


FILMS = [
    title("tt0468569", "The Dark Knight", 2008, popularity=99.9, directors=["Christopher Nolan"], rating=9.0,
          cast=["Christian Bale", "Heath Ledger"], genres=("Action", "Crime"), runtime_minutes=152,
          keywords=("joker", "vigilante"), overview="Batman raises the stakes in his war on crime."),
    title("tt2258647", "The Dark Knight", 2011, popularity=20, genres=("Documentary",)),
    title("tt1345836", "The Dark Knight Rises", 2012, popularity=98, directors=["Christopher Nolan"], rating=8.4,
          cast=["Christian Bale", "Tom Hardy"], genres=("Action", "Thriller")),
    title("tt1160419", "Dune", 2021, popularity=95, directors=["Denis Villeneuve"], rating=8.0,
          cast=["Timothée Chalamet"], genres=("Science Fiction", "Adventure"), others=["Dune: Part One"]),
    title("tt0087182", "Dune", 1984, popularity=80, directors=["David Lynch"], rating=6.3,
          cast=["Kyle MacLachlan"], genres=("Science Fiction",)),
    title("tt0133093", "The Matrix", 1999, popularity=99, rating=8.7, cast=["Keanu Reeves"],
          genres=("Action", "Science Fiction"), overview="A hacker learns that the world is a simulation."),
    title("tt0234215", "The Matrix Reloaded", 2003, popularity=92, rating=7.2, cast=["Keanu Reeves"],
          genres=("Action", "Science Fiction")),
    title("tt0000001", "Matrix", 1973, popularity=3),
    title("tt0113247", "La Haine", 1995, popularity=70, others=["Hate"], original_language="fr", rating=8.1),
    title("tt0000002", "Hate Story", 2012, popularity=40, rating=10.0),
    title("tt0211915", "Amélie", 2001, popularity=88, others=["Le Fabuleux Destin d'Amélie Poulain"], rating=8.3),
    title("tt1856101", "Blade Runner 2049", 2017, popularity=93, cast=["Ryan Gosling"], genres=("Science Fiction",)),
    title("tt0083658", "Blade Runner", 1982, popularity=94, cast=["Harrison Ford"], genres=("Science Fiction",)),
    title("tt0903747", "Breaking Bad", 2008, popularity=97, kind="series", rating=9.5, genres=("Crime", "Drama")),
    title("tt0000003", "...", 2010, popularity=5),
    title("tt0000004", "七人の侍", 1954, popularity=75, others=["Seven Samurai"], directors=["黒澤明"]),
    title("tt0000005", "Untimed", None, popularity=1),
]  # fmt: skip
OFFERS = [
    offer("tt0468569", "netflix", "US"),
    offer("tt0468569", "apple_tv_store", "DE", OfferKind.RENT),
    offer("tt1160419", "hbo_max", "US"),
    offer("tt0133093", "netflix", "DE"),
]


@dataclass(frozen=True)
class World:
    """A catalogue and what searches it. `search` and `resolve` take the parameters as keywords."""

    folder: Path
    catalog: Catalog
    index: TitleIndex
    keeper: IndexKeeper
    searching: TitleSearch
    resolver: Resolver
    lookup: Lookup

    async def put(self, *records: SourceRecord) -> None:
        """Import titles and let the index have them."""
        await self.catalog.import_records(records)
        assert await self.keeper.catch_up()

    async def build(self) -> None:
        """What the keeper has another process do, done here."""
        assert await build(self.catalog, self.index.folder.root)
        self.index.refresh()

    async def search(self, query: str = "", filters: dict[str, Any] | None = None, **params: Any) -> SearchResult:
        """Ask `search_titles`."""
        conditions = None if filters is None else Filters.model_validate(filters)
        return await self.searching.search(SearchParams(query=query, filters=conditions, **params), Call())

    async def ids(self, query: str = "", filters: dict[str, Any] | None = None, **params: Any) -> list[str]:
        """The ids that `search_titles` gives."""
        return [item.id for item in (await self.search(query, filters, **params)).items]

    async def resolve(self, name: str, **params: Any) -> Candidates:
        """Ask `resolve_title`."""
        return await self.resolver.resolve(ResolveParams(name=name, **params), Call())


@asynccontextmanager
async def open_catalogue(folder: Path) -> AsyncIterator[Catalog]:
    """The catalogue of a data folder, made if need be."""
    async with open_database(f"sqlite:///{folder / 'catalogue.sqlite3'}") as db:
        await migrate(db, dict([CORE_BRANCH]))
        yield Catalog(db, SystemClock())


async def world_of(catalog: Catalog, folder: Path) -> World:
    """The search parts over a catalogue, as the plugin puts them together; the index is not opened yet."""
    version = await catalog.version()
    index = TitleIndex(IndexFolder(folder / "index", version.id))
    cursors = Cursors([b"0123456789abcdef" * 2], SystemClock())
    searching = TitleSearch(index, catalog, cursors, QueryReader(index, Lexicon.read()))
    keeper = IndexKeeper(catalog, index, SystemClock(), poll_seconds=0.05)
    return World(folder, catalog, index, keeper, searching, Resolver(index), Lookup(catalog, index))


@asynccontextmanager
async def open_world(folder: Path, records: Iterable[SourceRecord] = ()) -> AsyncIterator[World]:
    """A world with these titles, indexed."""
    async with open_catalogue(folder) as catalog:
        world = await world_of(catalog, folder)
        await world.put(*records)
        yield world
