"""One title per real work: what ties a record to a title, and what keeps them apart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_gateway.catalog.models import AlternativeTitle, Rating, TitleId
from mcp_gateway.catalog.store import Catalog, SourceRecord
from mcp_gateway.storage.engine import Database
from mcp_gateway.tests.catalogues import cast, empty, events_of, opened, record, rows_of

asynchronous = pytest.mark.anyio


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with opened(database_url) as (_, catalog):
        yield catalog


async def ids_of(catalog: Catalog, *records: SourceRecord) -> list[str]:
    return [outcome.title_id for outcome in await catalog.import_records(records)]


def year_after(*people: str, minutes: int) -> dict[str, Any]:
    return {"year": 2009, "credits": cast(*people), "runtime_minutes": minutes}


TELLING = "The Slow Harbour"
STORY = "and nobody knows how a lighthouse keeper and a piano tuner will ever come home."


@asynchronous
async def test_a_title_first_seen_in_our_own_format_keeps_that_id(catalog: Catalog) -> None:
    assert await ids_of(catalog, record("tt0468569")) == ["tt0468569"]


@asynchronous
async def test_a_title_first_seen_elsewhere_gets_a_stable_id_of_ours(catalog: Catalog) -> None:
    (first,) = await ids_of(catalog, record("s1", source="netflix", own=False))

    assert first.startswith("mg")
    assert await ids_of(catalog, record("s1", source="netflix", own=False, overview="new")) == [first]


@asynchronous
async def test_another_source_is_joined_by_an_external_id_and_its_own_id_resolves(catalog: Catalog) -> None:
    await catalog.import_records([record("tt1", external_ids={"imdb": "tt0000001"})])

    (outcome,) = await catalog.import_records(
        [record("x9", source="other", name="Another name", year=1999, external_ids={"imdb": "tt0000001"})]
    )

    assert outcome.title_id == "tt1"
    assert outcome.evidence == "external id imdb:tt0000001"
    assert {asked: title.id for asked, title in (await catalog.get(["x9", "tt1", "no"])).items()} == {
        "x9": "tt1",
        "tt1": "tt1",
    }


@asynchronous
async def test_an_id_that_was_joined_joins_later_records_of_other_sources(catalog: Catalog) -> None:
    await catalog.import_records([record("tt1", external_ids={"imdb": "tt0000001"})])
    await catalog.import_records([record("x9", source="other", external_ids={"imdb": "tt0000001"})])

    assert await ids_of(catalog, record("x9", source="third", name="Different", year=1950)) == ["tt1"]


@asynchronous
async def test_a_stronger_id_that_differs_outweighs_a_weaker_one_that_agrees(catalog: Catalog) -> None:
    await catalog.import_records([record("a", external_ids={"imdb": "tt0000001", "tmdb": "5"})])

    (outcome,) = await catalog.import_records(
        [record("b", source="other", external_ids={"imdb": "tt0000002", "tmdb": "5"})]
    )

    assert outcome.title_id == "b"
    assert "tmdb:movie:5 belongs to a" in outcome.evidence


@asynchronous
async def test_tmdb_numbers_films_and_series_apart(catalog: Catalog) -> None:
    await catalog.import_records([record("film", external_ids={"tmdb": "278"})])

    assert await ids_of(catalog, record("show", source="other", kind="series", external_ids={"tmdb": "278"})) == [
        "show"
    ]
    assert await catalog.by_external_id("tmdb", "278", "movie") == "film"
    assert await catalog.by_external_id("tmdb", "278", "series") == "show"
    assert await catalog.by_external_id("tmdb", "278") == "film"
    assert await catalog.by_external_id("tmdb", "279") is None


@asynchronous
async def test_a_source_never_lists_one_work_twice(catalog: Catalog) -> None:
    """Real catalogues give one JustWatch id to two works; neither the id nor the name may join them."""
    first, second = await catalog.import_records(
        [
            record("a", name="Twice", external_ids={"justwatch": "tm1"}, credits=cast("Ann Oh")),
            record("b", name="Twice", external_ids={"justwatch": "tm1"}, credits=cast("Ann Oh")),
        ]
    )

    assert (first.title_id, second.title_id) == ("a", "b")
    assert second.evidence == "first seen here; justwatch:tm1 belongs to a"
    assert await catalog.by_external_id("justwatch", "tm1") == "a"
    assert (await catalog.get(["b"]))["b"].external_ids == {}


@asynchronous
@pytest.mark.parametrize(
    ("what", "given", "is_joined"),
    [
        ("a person in common", {"name": "the FILM  é!", "credits": cast("Bo Ek", "Ann Oh")}, True),
        ("other people", {"credits": cast("Somebody Else"), "runtime_minutes": 90}, False),
        ("nobody named, same running time", {"runtime_minutes": 92}, True),
        ("nobody named, other running time", {"runtime_minutes": 97}, False),
        ("nobody named, no running time", {}, True),
        ("nobody named, another year", {"year": 2009}, False),
        ("the year after, one person in common", {"year": 2009, "credits": cast("Ann Oh")}, False),
        ("the year after, one of two people, as long", year_after("Ann Oh", "Di Su", minutes=91), False),
        ("the year after, the only person, as long", year_after("Ann Oh", minutes=91), True),
        ("the year after, the only person, longer", year_after("Ann Oh", minutes=99), False),
        ("the year after, two people in common", {"year": 2009, "credits": cast("Ann Oh", "Cy Ro", "Di Su")}, True),
        ("two years later, one of two people", {"year": 2010, "credits": cast("Ann Oh", "Di Su")}, False),
        ("two years later, all people in common", {"year": 2010, "credits": cast("Ann Oh", "Cy Ro")}, True),
        ("three years later", {"year": 2011, "credits": cast("Ann Oh", "Cy Ro")}, False),
        ("no year, all people in common", {"year": None, "credits": cast("Ann Oh", "Cy Ro")}, False),
        ("the same description", {"credits": cast("Di Su"), "overview": f"It BEGINS: {STORY}"}, True),
        ("a short description", {"credits": cast("Di Su"), "overview": "It begins."}, False),
        (
            "another name of it",
            {"name": "Film Z", "alternative_titles": (AlternativeTitle("Film E"),), "credits": cast("Ann Oh")},
            True,
        ),
        ("no year", {"year": None, "credits": cast("Ann Oh")}, False),
        ("another kind", {"kind": "series", "credits": cast("Ann Oh")}, False),
        ("another name", {"name": "Film F", "credits": cast("Ann Oh")}, False),
        ("another imdb id", {"credits": cast("Ann Oh"), "external_ids": {"imdb": "tt0000009"}}, False),
        ("ids that do not contradict", {"credits": cast("Ann Oh"), "external_ids": {"tmdb": "9"}}, True),
    ],
)  # fmt: skip
async def test_without_an_id_in_common_the_facts_decide(
    catalog: Catalog, what: str, given: dict[str, Any], is_joined: bool
) -> None:
    standing = record(
        "a",
        name="Film E",
        credits=cast("Ann Oh", "Cy Ro"),
        runtime_minutes=90,
        overview=f"It begins, {STORY}",
        external_ids={"imdb": "tt0000001"},
    )
    await catalog.import_records([standing])

    (outcome,) = await catalog.import_records([record("b", source="other", **{"name": "Film E", **given})])

    assert outcome.title_id == ("a" if is_joined else "b"), what
    assert outcome.evidence.startswith("name, ") == is_joined


@asynchronous
@pytest.mark.parametrize(
    ("what", "given", "is_joined"),
    [
        ("the latest season's year", {"year": 2015, "credits": cast("Ann Oh", "Cy Ro", "Di Su")}, True),
        ("no year", {"year": None, "credits": cast("Ann Oh", "Cy Ro", "Di Su")}, True),
        ("no year, one of many people", {"year": None, "credits": cast("Ann Oh", "Di Su")}, False),
        ("made again later", {"year": 2015, "credits": cast("Ann Oh", "Di Su", "Ed Ti", "Flo Um")}, False),
        ("the one that was made again", {"year": 1998, "credits": cast("Ann Oh", "Cy Ro", "Di Su")}, False),
    ],
)
async def test_the_years_of_a_series_differ_more_than_those_of_a_film(
    catalog: Catalog, what: str, given: dict[str, Any], is_joined: bool
) -> None:
    people = cast("Ann Oh", "Cy Ro", "Gus Va", "Hu Wo")
    await catalog.import_records([record("a", kind="series", name="Show E", credits=people)])

    shown = record("b", source="other", **{"kind": "series", "name": "Show E", **given})
    (outcome,) = await catalog.import_records([shown])
    title = (await catalog.get(["a"]))["a"]

    assert outcome.title_id == ("a" if is_joined else "b"), what
    assert title.year == 2008  # which is the first season's


@asynchronous
@pytest.mark.parametrize(
    ("what", "standing", "given", "joined"),
    [
        ("one of the year", [("Film E", 2008), ("Film E", 2010)], ("Film E", 2008), 0),
        ("two of the year", [("Film E", 2008), ("Film E", 2008)], ("Film E", 2008), None),
        ("two of other years", [(TELLING, 2007), (TELLING, 2009)], (TELLING, 2008), None),
        ("one a year off, of a telling name", [(TELLING, 2007)], (TELLING, 2008), 0),
        ("one two years off", [(TELLING, 2006)], (TELLING, 2008), None),
        ("one a year off, another far off", [(TELLING, 2007), ("Slow Harbour", 1958)], (TELLING, 2008), None),
        ("no year", [(TELLING, 2007)], (TELLING, None), None),
    ],
)  # fmt: skip
async def test_a_record_that_names_nobody_is_joined_by_name_and_year_where_only_one_title_fits(
    catalog: Catalog,
    what: str,
    standing: list[tuple[str, int]],
    given: tuple[str, int | None],
    joined: int | None,
) -> None:
    films = [record(f"k{n}", name=name, year=year) for n, (name, year) in enumerate(standing)]
    await catalog.import_records(films)

    name, year = given
    (outcome,) = await catalog.import_records([record("new", source="other", name=name, year=year)])

    assert outcome.title_id == ("new" if joined is None else f"k{joined}"), what


@asynchronous
async def test_seasons_and_episodes_are_never_joined_by_their_names(catalog: Catalog) -> None:
    def season(key: str, source: str) -> SourceRecord:
        return record(key, source=source, kind="season", name="Season 1", credits=cast("Ann Oh"), runtime_minutes=50)

    await catalog.import_records([season("a", "one")])

    (outcome,) = await catalog.import_records([season("b", "other")])

    assert outcome.title_id == "b"


@asynchronous
async def test_a_list_of_films_does_not_turn_a_series_into_one(catalog: Catalog) -> None:
    ids = {"imdb": "tt0000001"}
    await catalog.import_records([record("a", kind="series", external_ids=ids)])

    listed = record("b", source="other", kind="movie", external_ids=ids, ratings={"imdb": Rating(7.0, 3_000_000)})
    await catalog.import_records([listed])
    title = (await catalog.get(["a"]))["a"]

    assert (title.kind, title.popularity) == ("series", 100.0)


@asynchronous
async def test_votes_make_a_title_popular_where_no_source_says_how_popular_it_is(catalog: Catalog) -> None:
    voted = {"imdb": Rating(7.0, 1731)}
    records = [record("a", ratings=voted), record("b", popularity=12.5, ratings=voted), record("c")]
    await catalog.import_records(records)
    titles = await catalog.get(["a", "b", "c"])

    assert [titles[key].popularity for key in "abc"] == [50.0, 12.5, 0.0]


@asynchronous
async def test_of_two_works_of_one_name_the_one_with_more_people_in_common_is_taken(catalog: Catalog) -> None:
    await catalog.import_records(
        [record("a", name="Same", credits=cast("Ann Oh")), record("b", name="Same", credits=cast("Ann Oh", "Bo Ek"))]
    )

    assert await ids_of(catalog, record("x", source="other", name="Same", credits=cast("Bo Ek", "Ann Oh"))) == ["b"]


@asynchronous
async def test_of_two_works_that_fit_equally_none_is_taken(catalog: Catalog) -> None:
    await catalog.import_records(
        [record(k, name="Same", credits=cast("Ann Oh"), overview=f"{k}: {STORY}") for k in "ab"]
    )

    assert await ids_of(catalog, record("x", source="other", name="Same", credits=cast("Ann Oh"))) == ["x"]


@asynchronous
@pytest.mark.parametrize("given", [{"credits": cast("Ann Oh")}, {"overview": f"It begins, {STORY}"}])
async def test_of_a_work_that_stands_twice_the_title_of_that_length_is_taken_then_the_first(
    catalog: Catalog, given: dict[str, Any]
) -> None:
    """Some works have two IMDb ids; a third title of the same work would help nobody."""
    twice = [
        record(f"tt{n}", name="Same", external_ids={"imdb": f"tt{n}"}, runtime_minutes=minutes, **given)
        for n, minutes in ((1, 96), (2, 90), (3, 90))
    ]
    await catalog.import_records(twice)

    shown = [record("x", source=f"s{m}", name="Same", runtime_minutes=m, own=False, **given) for m in (96, 90, None)]

    assert await ids_of(catalog, *shown) == ["tt1", "tt2", "tt1"]


@asynchronous
async def test_what_tied_a_record_is_kept_when_the_record_changes(catalog: Catalog) -> None:
    await catalog.import_records([record("a", external_ids={"imdb": "tt0000001"})])
    await catalog.import_records([record("b", source="other", external_ids={"imdb": "tt0000001"})])

    (outcome,) = await catalog.import_records([record("b", source="other", overview="New.")])

    assert (outcome.title_id, outcome.change, outcome.evidence) == ("a", "updated", "external id imdb:tt0000001")


@asynchronous
async def test_simultaneous_imports_make_each_title_once(database_url: str) -> None:
    """Eight writers bring the same works under their own ids; the transaction that comes second sees the first."""
    async with opened(database_url) as (_, catalog), anyio.create_task_group() as writers:
        for writer in range(8):
            batch = [
                record(f"{writer}-{n}", source=f"source-{writer}", external_ids={"imdb": f"tt{n:07}"})
                for n in range(20)
            ]
            writers.start_soon(catalog.import_records, batch)

    async with opened(database_url) as (_, catalog):
        assert (await catalog.counts())["movie"] == 20
        assert (await catalog.version()).revision == 8


NAMES = st.sampled_from(["Dune", "Heat", "Alien"])
PEOPLE = st.lists(st.sampled_from(["Ann Oh", "Bo Ek", "Cy Ba", "ÁNN oh"]), max_size=2, unique=True)
KEYS = st.sampled_from([f"k{n}" for n in range(6)])


@st.composite
def facts(draw: st.DrawFn, *, external: st.SearchStrategy[dict[str, str]]) -> dict[str, Any]:
    return {
        "name": draw(NAMES),
        "year": draw(st.sampled_from([1984, 2021])),
        "credits": cast(*draw(PEOPLE)),
        "runtime_minutes": draw(st.sampled_from([None, 90, 120])),
        "external_ids": draw(external),
    }


EXTERNAL = st.dictionaries(st.sampled_from(["imdb", "tmdb", "justwatch"]), st.sampled_from(["1", "2", "3"]), max_size=3)


@pytest.fixture(scope="module")
def shared_sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('laws') / 'gateway.sqlite3'}"


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_and_repetition_of_a_sources_records_do_not_matter(shared_sqlite_url: str, data: st.DataObject) -> None:
    contents = data.draw(st.dictionaries(KEYS, facts(external=st.just({})), max_size=6))
    records = [record(key, **content) for key, content in contents.items()]
    shuffled = data.draw(
        st.permutations(records + data.draw(st.lists(st.sampled_from(records)) if records else st.just([])))
    )
    cut = data.draw(st.integers(0, len(shuffled)))

    plain = anyio.run(_imported, shared_sqlite_url, [records])
    other = anyio.run(_imported, shared_sqlite_url, [shuffled[:cut], shuffled[cut:]])

    assert plain == other


async def _imported(url: str, batches: Sequence[Sequence[SourceRecord]]) -> dict[str, list[tuple[Any, ...]]]:
    async with opened(url) as (db, catalog):
        await empty(db)
        for batch in batches:
            await catalog.import_records(batch)
        return await rows_of(db, revisions=False)


SOURCES = st.sampled_from(["jsonl", "netflix", "imdb"])


@st.composite
def imports(draw: st.DrawFn) -> list[list[SourceRecord]]:
    """Batches of several sources, with records that contradict, repeat and change."""
    one = st.builds(
        lambda source, key, own, content: record(f"{source}-{key}", source=source, own=own, **content),
        SOURCES, KEYS, st.booleans(), facts(external=EXTERNAL),
    )  # fmt: skip
    return draw(st.lists(st.lists(one, max_size=5), max_size=4))


@given(imports())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_imported_the_laws_of_identity_hold(
    shared_sqlite_url: str, batches: list[list[SourceRecord]]
) -> None:
    anyio.run(_check_laws, shared_sqlite_url, batches)


@given(imports())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_laws_of_identity_hold_on_postgresql(postgres_url: str, batches: list[list[SourceRecord]]) -> None:
    anyio.run(_check_laws, postgres_url, batches)


async def _check_laws(url: str, batches: list[list[SourceRecord]]) -> None:
    async with opened(url) as (db, catalog):
        await empty(db)
        for batch in batches:
            outcomes = await catalog.import_records(batch)
            await _check_outcomes(db, catalog, batch, [outcome.title_id for outcome in outcomes])
        before, events = await rows_of(db), await events_of(db)
        last = {(r.source, r.key): r for batch in batches for r in batch}
        again = await catalog.import_records(list(last.values()))

        assert {outcome.change for outcome in again} <= {"unchanged"}
        assert (await rows_of(db), await events_of(db)) == (before, events)


async def _check_outcomes(
    db: Database, catalog: Catalog, batch: Sequence[SourceRecord], ids: Sequence[TitleId]
) -> None:
    rows = await rows_of(db)
    by_source: dict[tuple[str, str], set[str]] = {}
    for source, key, title_id, *_ in rows["title_sources"]:
        by_source.setdefault((source, title_id), set()).add(key)
    titles = await catalog.get(ids)
    shown = [
        (scheme, value)
        async for page in catalog.changed_since(0)
        for title in page
        for scheme, value in title.external_ids.items()
    ]

    assert len(shown) == len(set(shown)), "no two titles share an external id"
    assert all(len(keys) == 1 for keys in by_source.values()), "a source speaks of one title under one key"
    assert set(titles) == set(ids), "every outcome names a title that is there"
    for given_record, title_id in zip(batch, ids, strict=True):
        assert titles[title_id].kind == given_record.facts.kind
