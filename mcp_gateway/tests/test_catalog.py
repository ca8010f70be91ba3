"""The catalogue keeps what sources say, tells of every change, and finds it again quickly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Select, select, text

from mcp_gateway.bus import outbox
from mcp_gateway.catalog.models import (
    AlternativeTitle,
    Credit,
    Offer,
    OfferKind,
    Person,
    Platform,
    Rating,
    TitleFacts,
    TitleId,
    person_id_of,
)
from mcp_gateway.catalog.statements import among
from mcp_gateway.catalog.store import Catalog, SourceRecord
from mcp_gateway.catalog.tables import external_ids, metadata, title_people, title_sources, titles
from mcp_gateway.storage.engine import Database
from mcp_gateway.tests.catalogues import NOW, cast, events_of, opened, record, rows_of

pytestmark = pytest.mark.anyio

FACTS = TitleFacts(
    kind="episode",
    name="Ozymandias “…” 🎬",
    year=2013,
    release_date=date(2013, 9, 15),
    runtime_minutes=47,
    season_count=1,
    overview="Everyone copes with radically changed circumstances.",
    overview_source="tmdb",
    tagline="Look on my works.",
    certification="TV-MA",
    original_language="en",
    popularity=99.5,
    genres=("Drama", "Crime"),
    keywords=("desert", "phone call"),
    countries=("US",),
    alternative_titles=(AlternativeTitle("Osymandias", "de"), AlternativeTitle("Озимандия")),
    credits=(Credit("Bryan Cranston", "actor", "Walter White"), Credit("Rian Johnson", "director")),
    ratings={"imdb": Rating(10.0, 250_000), "tvmaze": Rating(9.5)},
    external_ids={"imdb": "tt2301451", "tmdb": "62161"},
    parent_id=TitleId("tt0903747"),
    season_number=5,
    episode_number=14,
)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with opened(database_url) as (db, _):
        yield db


@pytest.fixture
async def catalog(db: Database) -> Catalog:
    from mcp_gateway.tests.catalogues import StandingClock

    return Catalog(db, StandingClock())


async def test_every_character_of_a_text_is_kept(catalog: Catalog) -> None:
    """Rows go to PostgreSQL as texts in which quotation marks, backslashes and control characters are escaped."""
    overview = 'a "b" \\ \\n {c,d} null \\u0041 \n\t\r\x01\x1f\x7f é\u2028 🎬 \\\n\\"'
    given = [record("1", overview=overview, tagline="null"), record("2", name="{}", overview="\\"), record("3")]

    outcomes = await catalog.import_records(given)

    kept = await catalog.get([outcome.title_id for outcome in outcomes])
    told = [(title.overview, title.tagline) for title in (kept[outcome.title_id] for outcome in outcomes)]
    assert told == [(one.facts.overview, one.facts.tagline) for one in given]


def facts_of(title: Any) -> dict[str, Any]:
    return {name: value for name, value in asdict(title).items() if name not in {"id", "revision"}}


async def test_a_title_comes_back_as_it_went_in(catalog: Catalog) -> None:
    await catalog.import_records([SourceRecord("jsonl", "tt2301451", FACTS, TitleId("tt2301451"))])

    title = (await catalog.get(["tt2301451"]))["tt2301451"]

    assert facts_of(title) == asdict(FACTS)
    assert (title.id, title.revision) == ("tt2301451", 1)


async def test_importing_the_same_again_writes_nothing(catalog: Catalog, db: Database) -> None:
    records = [SourceRecord("jsonl", "a", FACTS, TitleId("a")), record("b")]
    await catalog.import_records(records)
    before = await rows_of(db), await events_of(db)

    outcomes = await catalog.import_records(records)

    assert [outcome.change for outcome in outcomes] == ["unchanged", "unchanged"]
    assert (await rows_of(db), await events_of(db)) == before
    assert (await catalog.version()).revision == 1


async def test_a_record_that_says_the_same_in_other_words_changes_no_title(catalog: Catalog, db: Database) -> None:
    await catalog.import_records([replace(record("a"), fingerprint=1)])

    (outcome,) = await catalog.import_records([replace(record("a"), fingerprint=2)])

    assert outcome.change == "unchanged"
    assert (await catalog.version()).revision == 1
    assert await catalog.unchanged("jsonl", [("a", 1), ("a", 2), ("b", 2)]) == {("a", 2)}


async def test_a_second_source_adds_what_it_knows_and_removes_nothing(catalog: Catalog) -> None:
    await catalog.import_records([SourceRecord("jsonl", "a", FACTS, TitleId("a"))])
    other = TitleFacts(
        kind="episode",
        name="Ozymandias",
        year=2013,
        runtime_minutes=48,
        credits=cast("Anna Gunn"),
        ratings={"tmdb": Rating(9.1, 5)},
        external_ids={"imdb": "tt2301451", "tvdb": "4639461"},
        alternative_titles=(AlternativeTitle("Osymandias", "fr"),),
    )

    await catalog.import_records([SourceRecord("tmdb", "62161", other)])

    title = (await catalog.get(["a"]))["a"]
    assert facts_of(title) == asdict(
        replace(
            FACTS,
            name="Ozymandias",
            runtime_minutes=48,
            credits=(Credit("Anna Gunn", "actor"), Credit("Rian Johnson", "director")),
            ratings={**FACTS.ratings, "tmdb": Rating(9.1, 5)},
            external_ids={"imdb": "tt2301451", "tmdb": "62161", "tvdb": "4639461"},
            alternative_titles=(
                AlternativeTitle("Osymandias", "de"),
                AlternativeTitle("Osymandias", "fr"),
                AlternativeTitle(FACTS.name),
                AlternativeTitle("Озимандия"),
            ),
        )
    )


async def test_a_correction_by_the_same_source_keeps_no_trace_of_the_mistake(catalog: Catalog) -> None:
    await catalog.import_records([record("a", name="Teh Film", credits=cast("Ann Oh", "Bo Ek"))])

    await catalog.import_records([record("a", name="The Film", credits=cast("Bo Ek"))])

    title = (await catalog.get(["a"]))["a"]
    assert (title.name, title.alternative_titles, title.credits) == ("The Film", (), cast("Bo Ek"))
    assert await catalog.filmography(person_id_of("Ann Oh")) == []


async def test_every_change_is_announced_with_the_revision_that_the_title_carries(
    catalog: Catalog, db: Database
) -> None:
    await catalog.import_records([record("a"), record("b")])
    await catalog.import_records([record("a"), record("b", overview="New."), record("b", overview="Newer.")])

    assert await events_of(db) == ["a:1", "b:1", "b:2"]
    assert {title.id: title.revision for title in (await catalog.get(["a", "b"])).values()} == {"a": 1, "b": 2}


async def test_an_import_that_fails_leaves_nothing(
    catalog: Catalog, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(outbox, "append_facts", fail)
    before = await rows_of(db)

    with pytest.raises(RuntimeError, match="disk full"):
        await catalog.import_records([SourceRecord("jsonl", "a", FACTS, TitleId("a"))])

    assert await rows_of(db) == before


async def test_a_dry_run_tells_and_changes_nothing(catalog: Catalog, db: Database) -> None:
    before = await rows_of(db)

    (outcome,) = await catalog.import_records([record("a")], dry_run=True)

    assert outcome.change == "created"
    assert (await rows_of(db), await events_of(db)) == (before, [])


async def test_changes_are_listed_oldest_first_in_batches(catalog: Catalog) -> None:
    await catalog.import_records([record(f"a{n}") for n in range(5)])
    await catalog.import_records([record("b")])
    await catalog.import_records([record("a1", overview="New.")])

    everything = [[title.id for title in batch] async for batch in catalog.changed_since(0, batch_size=2)]
    recent = [title.id async for batch in catalog.changed_since(1) for title in batch]

    assert everything == [["a0", "a2"], ["a3", "a4"], ["b", "a1"]]
    assert recent == ["b", "a1"]


async def test_two_databases_are_two_catalogues(catalog: Catalog, tmp_path: Any) -> None:
    async with opened(f"sqlite:///{tmp_path / 'other.sqlite3'}") as (_, other):
        assert (await catalog.version()).id != (await other.version()).id
    assert (await catalog.version()).revision == 0


async def test_people_are_found_by_the_beginning_of_their_name_and_by_what_they_did(catalog: Catalog) -> None:
    both = (Credit("Penelope Cruz", "actor", "Ana"), Credit("Penélope Cruz", "director"))
    actors = cast("Pénélope Cruz", "Penn Badgley", "Zoë Kravitz")
    await catalog.import_records(
        [record("a", popularity=1.0, credits=both), record("b", popularity=2.0, credits=actors)]
    )
    cruz = person_id_of("penelope cruz")

    assert [person.name for person in await catalog.people_like("PEN", 10)] == ["Pénélope Cruz", "Penn Badgley"]
    assert await catalog.people_like("zoe k", 1) == [Person(person_id_of("Zoë Kravitz"), "Zoë Kravitz")]
    assert await catalog.people_like("nobody", 10) == []
    assert await catalog.filmography(cruz) == [
        ("b", Credit("Pénélope Cruz", "actor")),
        ("a", Credit("Penelope Cruz", "actor", "Ana")),
        ("a", Credit("Penélope Cruz", "director")),
    ]
    assert await catalog.person(cruz) == Person(cruz, "Pénélope Cruz")
    assert await catalog.person("pn000000000000") is None


def offer(title_id: str = "a", **values: Any) -> Offer:
    given = {"platform": "hbo_max", "kind": OfferKind.FLATRATE, "source": "test", "observed_at": NOW, **values}
    return Offer(title_id=TitleId(title_id), **given)


async def test_offers_come_back_and_only_new_or_different_ones_count(catalog: Catalog, db: Database) -> None:
    await catalog.import_records([record("a"), record("b")])
    plain = offer()
    priced = offer(
        region="US", kind=OfferKind.RENT, platform="apple_tv", quality="uhd", price_minor=399, currency="USD",
        confidence=0.5, valid_from=NOW, valid_until=datetime(2026, 12, 31, tzinfo=UTC),
        link="https://example.com/x", tier="Standard",
    )  # fmt: skip

    assert await catalog.put_offers([plain, priced, plain]) == 2
    assert await catalog.put_offers([replace(plain, observed_at=datetime(2027, 1, 1, tzinfo=UTC)), priced]) == 0
    assert await catalog.put_offers([replace(priced, price_minor=499)]) == 1
    assert await catalog.put_offers([replace(plain, link="https://example.com/late")]) == 0
    assert await catalog.put_offers([]) == 0

    assert await catalog.offers(["a", "b"]) == {"a": [replace(priced, price_minor=499), plain]}
    assert await catalog.platforms() == [Platform("apple_tv", "Apple TV+"), Platform("hbo_max", "HBO Max")]
    assert await catalog.counts() == {"movie": 2, "people": 0, "offers": 2}
    assert await events_of(db, "media.title.changed") == ["a:1", "b:1", "a:2", "a:3"]
    assert [title.id async for batch in catalog.changed_since(1) for title in batch] == ["a"]


async def test_hot_statements_use_their_indexes(catalog: Catalog, db: Database) -> None:
    """Keys from the caller are looked up one by one, however large the tables are."""
    await catalog.import_records([record(f"t{n}", credits=cast("Ann Oh")) for n in range(50)])
    statements: dict[str, tuple[Any, str]] = {}
    async with db.reading() as conn:
        dialect = conn.dialect
        keys = ["t1", "t2"]
        statements = {
            "titles": (select(titles).where(among(titles.c.id, keys, dialect)), "titles"),
            "names": (select(titles.c.id).where(among(titles.c.name_key, keys, dialect)), "titles_by_name"),
            "people": (select(title_people.c.title_id).where(title_people.c.person_id == "pn1"), "title_people"),
            "seen": (
                select(title_sources.c.fingerprint).where(
                    title_sources.c.source == "jsonl", among(title_sources.c.key, keys, dialect)
                ),
                "title_sources",
            ),
            "owners": (
                select(external_ids.c.title_id).where(
                    external_ids.c.scheme == "imdb",
                    external_ids.c.namespace == "",
                    among(external_ids.c.value, keys, dialect),
                ),
                "external_ids",
            ),
        }
        if db.dialect == "postgresql":
            await conn.execute(text("SET LOCAL enable_seqscan = off"))
        for name, (statement, index) in statements.items():
            plan = await _plan(conn, statement, db.dialect)
            assert index in plan, (name, plan)
            assert "SCAN titles" not in plan, (name, plan)
            assert "Seq Scan" not in plan, (name, plan)


async def _plan(conn: Any, statement: Select[Any], dialect: str) -> str:
    compiled = statement.compile(dialect=conn.dialect)
    explain = "EXPLAIN QUERY PLAN " if dialect == "sqlite" else "EXPLAIN "
    values = tuple(compiled.params[name] for name in compiled.positiontup or ())
    rows = await conn.exec_driver_sql(explain + str(compiled), values)
    return "\n".join(" ".join(map(str, row)) for row in rows)


async def test_the_migration_makes_the_tables_that_the_code_describes(db: Database) -> None:
    """Columns and indexes; a difference would show only in the statement that needs them."""
    from sqlalchemy import inspect

    def shape(connection: Any) -> dict[str, Any]:
        inspector = inspect(connection)
        return {
            table.name: (
                {column["name"]: column["nullable"] for column in inspector.get_columns(table.name)},
                sorted((index["name"], tuple(index["column_names"])) for index in inspector.get_indexes(table.name)),
                inspector.get_pk_constraint(table.name)["constrained_columns"],
            )
            for table in metadata.sorted_tables
        }

    async with db.reading() as conn:
        found = await conn.run_sync(shape)

    assert found == {
        table.name: (
            {column.name: bool(column.nullable) for column in table.columns},
            sorted((index.name, tuple(column.name for column in index.columns)) for index in table.indexes),
            [column.name for column in table.primary_key.columns],
        )
        for table in metadata.sorted_tables
    }
