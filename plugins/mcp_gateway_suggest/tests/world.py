"""A real catalogue on SQLite with the suggest plugin's parts on top, and indexes made of plain drafts, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mcp_gateway.catalog.models import AlternativeTitle, Credit, TitleFacts, TitleId
from mcp_gateway.catalog.store import Catalog, SourceRecord
from mcp_gateway.clock import SystemClock
from mcp_gateway.storage.engine import open_database
from mcp_gateway.storage.migrations import CORE_BRANCH, migrate
from mcp_gateway_suggest.drafts import Draft
from mcp_gateway_suggest.index import SuggestIndex
from mcp_gateway_suggest.index_folder import IndexFolder, Manifest
from mcp_gateway_suggest.keeper import IndexKeeper
from mcp_gateway_suggest.segment_writer import SegmentWriter


def title(
    title_id: str,
    name: str,
    year: int | None = 2000,
    *,
    popularity: float = 50.0,
    genres: Iterable[str] = (),
    people: Iterable[str] = (),
    others: Iterable[str] = (),
    overview: str | None = None,
) -> SourceRecord:
    """What a source says of a title."""
    facts = TitleFacts(
        kind="movie", name=name, year=year, popularity=popularity, genres=tuple(genres), overview=overview,
        credits=tuple(Credit(person, "actor") for person in people), external_ids={"imdb": title_id},
        alternative_titles=tuple(AlternativeTitle(other) for other in others),
    )  # fmt: skip
    return SourceRecord("test", title_id, facts, own_id=TitleId(title_id))


FILMS = [
    title("tt01", "The Dark Knight", 2008, popularity=99.9, genres=["Action"], people=["Christopher Nolan"]),
    title("tt02", "Knight and Day", 2010, popularity=82, genres=["Comedy"], people=["Tom Cruise"]),
    title("tt03", "Amélie", 2001, popularity=88, others=["Le Fabuleux Destin d'Amélie Poulain"], genres=["Romance"]),
    title("tt04", "WALL·E", 2008, popularity=94, genres=["Animation", "Science Fiction"]),
    title("tt05", "Fast & Furious", 2009, popularity=80, genres=["Action"]),
    title("tt06", "七人の侍", 1954, popularity=75, others=["Seven Samurai"], people=["黒澤明"]),
    title("tt07", "שתיקת הארכיון", 2010, popularity=20),
    title("tt08", "Солярис", 1972, popularity=60, genres=["Science Fiction"]),
    title("tt09", "M", 1931, popularity=81),
    title("tt10", "...", 2010, popularity=5),
    title("tt11", "Dune", 1984, popularity=70, genres=["Science Fiction"], people=["Kyle MacLachlan"]),
    title("tt12", "Dune", 2021, popularity=95, genres=["Science Fiction"], people=["Timothée Chalamet"]),
    title("tt13", "Science of Sleep", 2006, popularity=75),
    title("tt14", "Scissor Seven", 2018, popularity=55),
    title("tt15", "Scialla!", 2011, popularity=47),
    title("tt16", "Scion", 2012, popularity=46),
    title("tt17", "The Lord of the Rings: The Two Towers", 2002, popularity=97, genres=["Fantasy"]),
]


def draft(title_id: str, name: str, popularity: float = 0.5, *, people: tuple[str, ...] = ()) -> Draft:
    """A title as the index takes it."""
    return Draft(title_id, name, 2000, popularity, (), (), people, len(people))


def index_of(folder: Path, *segments: Iterable[Draft]) -> SuggestIndex:
    """An index of these segments, the oldest first."""
    home = IndexFolder(folder / "index", "test")
    home.path.mkdir(parents=True, exist_ok=True)
    names = []
    for drafts in segments:
        writer = SegmentWriter(home.path)
        for one in drafts:
            writer.add(one)
        names.append(home.write_segment(writer))
    home.publish(Manifest(tuple(names), 1))
    index = SuggestIndex(home)
    index.refresh()
    return index


@dataclass(frozen=True)
class World:
    """A catalogue, its index, and what keeps the one equal to the other."""

    folder: Path
    catalog: Catalog
    index: SuggestIndex
    keeper: IndexKeeper

    async def put(self, *records: SourceRecord) -> None:
        """Import titles and let the index have them."""
        await self.catalog.import_records(records)
        assert await self.keeper.catch_up()

    def ids(self, typed: str, limit: int = 10) -> list[str]:
        """The ids suggested."""
        self.index.refresh()
        return [item.id for item in self.index.suggest(typed, limit)]


@asynccontextmanager
async def open_catalogue(folder: Path) -> AsyncIterator[Catalog]:
    """The catalogue of a data folder, made if need be."""
    async with open_database(f"sqlite:///{folder / 'media-gateway.sqlite3'}") as db:
        await migrate(db, dict([CORE_BRANCH]))
        yield Catalog(db, SystemClock())


@asynccontextmanager
async def open_world(folder: Path, records: Iterable[SourceRecord] = ()) -> AsyncIterator[World]:
    """A world with these titles, indexed."""
    async with open_catalogue(folder) as catalog:
        index = SuggestIndex(IndexFolder(folder / "index", (await catalog.version()).id))
        world = World(folder, catalog, index, IndexKeeper(catalog, index, SystemClock(), poll_seconds=0.05))
        await world.put(*records)
        yield world
