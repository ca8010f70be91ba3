"""Catalogues of others: every format becomes titles, is the same however often, and says what is wrong with it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.api import InvalidParams
from mcp_gateway.catalog.models import AlternativeTitle, Credit, Rating
from mcp_gateway.tests.catalogues import events_of, rows_of
from mcp_gateway_ingestion.importers import tsv
from mcp_gateway_ingestion.tests.conftest import Ingestion

pytestmark = pytest.mark.anyio

DATA = Path(__file__).resolve().parents[3] / "../shared/data"

IMDB: Mapping[str, Sequence[str]] = {
    "title.basics": [
        "tconst titleType primaryTitle originalTitle isAdult startYear endYear runtimeMinutes genres",
        "tt0000010 movie The_Harbour Der_Hafen 0 1931 \\N 81 Drama,Sci-Fi",
        "tt0000011 tvEpisode Storm Storm 0 1964 \\N 25 \\N",
        "tt0000012 movie Never_Shown Never_Shown 1 1970 \\N \\N \\N",
        "tt0000013 videoGame Chess Chess 0 1990 \\N \\N \\N",
        "tt0000020 tvSeries The_Tide The_Tide 0 1963 1965 25 Reality-TV",
        "tt0000021 tvEpisode Lost Lost 0 1964 \\N 25 \\N",
        "tt0000022 short Ebb Ebb 0 soon \\N 5 Short",
        "tt0000023 short too_few",
    ],
    "title.ratings": ["tconst averageRating numVotes", "tt0000010 7.9 1731"],
    "title.crew": ["tconst directors writers", "tt0000010 nm0000003,nm0000009 \\N"],
    "title.principals": [
        "tconst ordering nconst category job characters",
        "tt0000020 1 nm0000001 actress \\N [\"Host\"]",
        "tt0000010 1 nm0000001 actress \\N [\"Eva\",\"Her_sister\"]",
        "tt0000010 2 nm0000002 self \\N \\N",
        "tt0000010 3 nm0000002 writer \\N \\N",
        "tt0000010 4 nm0000003 producer \\N \\N",
    ],
    "title.akas": [
        "titleId ordering title region language types attributes isOriginalTitle",
        "tt0000010 1 Le_Port FR fr \\N \\N 0",
        "tt0000010 2 The_Harbour US \\N \\N \\N 0",
    ],
    "title.episode": [
        "tconst parentTconst seasonNumber episodeNumber",
        "tt0000011 tt0000020 1 3",
        "tt0000021 tt0000099 1 1",
    ],
    "name.basics": [
        "nconst primaryName birthYear deathYear primaryProfession knownForTitles",
        "nm0000001 Ann_Öh \\N \\N \\N \\N",
        "nm0000002 Bo_Ek \\N \\N \\N \\N",
        "nm0000003 Cy_Ro \\N \\N \\N \\N",
    ],
}  # fmt: skip


def imdb_folder(folder: Path, *, without: Sequence[str] = (), end: str = ".tsv.gz") -> Path:
    """The official files, made of words: a space is a tab, an underscore a space."""
    folder.mkdir(exist_ok=True)
    for name, rows in IMDB.items():
        if name not in without:
            content = "".join(row.replace(" ", "\t").replace("_", " ") + "\n" for row in rows).encode()
            (folder / f"{name}{end}").write_bytes(gzip.compress(content) if end.endswith(".gz") else content)
    return folder


async def test_the_imdb_files_become_titles_with_all_that_the_tables_say(ingestion: Ingestion, tmp_path: Path) -> None:
    report = await ingestion.take_in("imdb", imdb_folder(tmp_path / "imdb"))

    titles = await ingestion.titles()
    harbour, storm, tide = titles["The Harbour"], titles["Storm"], titles["The Tide"]
    assert (report["read"], report["created"], report["rejected"]) == (6, 3, 3)
    assert report["left_out"] == {"titles for adults only": 1, "video games": 1}
    assert (harbour.kind, harbour.year, harbour.runtime_minutes) == ("movie", 1931, 81)
    assert harbour.genres == ("Drama", "Science Fiction")
    assert harbour.alternative_titles == (AlternativeTitle("Der Hafen"), AlternativeTitle("Le Port", "fr"))
    assert harbour.credits == (
        Credit("Ann Öh", "actor", "Eva / Her sister"),
        Credit("Bo Ek", "actor"),
        Credit("Cy Ro", "director"),
        Credit("Bo Ek", "writer"),
    )
    assert harbour.ratings == {"imdb": Rating(7.9, 1731)}
    assert (harbour.popularity, harbour.external_ids) == (50.0, {"imdb": "tt0000010"})
    assert (storm.kind, storm.parent_id, storm.season_number, storm.episode_number) == ("episode", tide.id, 1, 3)
    assert (tide.kind, tide.credits) == ("series", (Credit("Ann Öh", "actor", "Host"),))
    assert await ingestion.reasons() == [
        (7, "episode tt0000021: its series, tt0000099, is not in the catalogue"),
        (8, "startYear: 'soon' is no number from 1870 to 2200"),
        (9, "has another number of columns than the header, 9"),
    ]


async def test_imdb_with_basics_alone_is_enough_and_more_files_add_to_it(ingestion: Ingestion, tmp_path: Path) -> None:
    some = imdb_folder(tmp_path / "imdb", without=[name for name in IMDB if name != "title.basics"], end=".tsv")

    first = await ingestion.take_in("imdb", some)
    second = await ingestion.take_in("imdb", imdb_folder(tmp_path / "imdb", end=".tsv"))

    titles = await ingestion.titles()
    assert (first["created"], second["updated"], second["unchanged"]) == (4, 3, 0)
    assert titles["The Harbour"].ratings == {"imdb": Rating(7.9, 1731)}


async def test_an_import_that_ended_early_goes_on_and_ends_like_one_that_did_not(
    ingestion: Ingestion, tmp_path: Path
) -> None:
    folder = imdb_folder(tmp_path / "imdb")
    for limit in (1, 3, 5):
        await ingestion.take_in("imdb", folder, limit=limit)
    await ingestion.take_in("imdb", folder)
    interrupted = await rows_of(ingestion.db, revisions=False), await ingestion.reasons()
    events = await events_of(ingestion.db)

    again = await ingestion.take_in("imdb", folder)

    assert (again["created"], again["updated"], again["unchanged"], again["rejected"]) == (0, 0, 3, 3)
    assert (await rows_of(ingestion.db, revisions=False), await ingestion.reasons()) == interrupted
    assert await events_of(ingestion.db) == events
    assert len(await ingestion.titles()) == 3


def test_rows_in_any_order_are_sorted_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tsv, "SORTED_AT_ONCE_BYTES", 500)
    keys = [f"tt{number * 7919 % 1000:07d}" for number in range(1000)]
    path = tmp_path / "title.ratings.tsv"
    path.write_text("tconst\taverageRating\tnumVotes\n" + "".join(f"{key}\t5.0\t{i}\n" for i, key in enumerate(keys)))

    table = tsv.Table(path, ("tconst", "numVotes"), readings=3)
    table.put_in_order(tmp_path)
    found = [table.cells(row) for _, row in table.rows()]

    assert found == sorted([key.encode(), str(i).encode()] for i, key in enumerate(keys))


async def test_a_folder_that_is_not_imdbs_is_one_clear_error(ingestion: Ingestion, tmp_path: Path) -> None:
    with pytest.raises(InvalidParams, match=r"has no title\.basics"):
        await ingestion.take_in("imdb", tmp_path)
    (tmp_path / "title.basics.tsv").write_text("a\tb\n")
    with pytest.raises(InvalidParams, match="has no column tconst; is it the official file"):
        await ingestion.take_in("imdb", tmp_path)
    with pytest.raises(InvalidParams, match="is no folder"):
        await ingestion.take_in("imdb", tmp_path / "title.basics.tsv")


async def test_a_movielens_folder_becomes_films_with_links_ratings_and_tags(
    ingestion: Ingestion, tmp_path: Path
) -> None:
    (tmp_path / "movies.csv").write_text(
        "movieId,title,genres\n"
        '1,"Harbour, The (a.k.a. Port) (Hafen, Der) (1931)",Children|Sci-Fi\n'
        "2,Ebb,(no genres listed)\n"
        "x,Tide (1963),Drama\n"
    )
    (tmp_path / "links.csv").write_text("movieId,imdbId,tmdbId\n1,00000010,77\n2,,\n")
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4.0,0\n2,1,5.0,0\n3,1,oops,0\n")
    (tmp_path / "tags.csv").write_text("userId,movieId,tag,timestamp\n1,1,sea,0\n2,1,night,0\n3,1,night,0\n")

    report = await ingestion.take_in("movielens", tmp_path)
    again = await ingestion.take_in("movielens", tmp_path)

    titles = await ingestion.titles()
    film = titles["The Harbour"]
    assert (report["created"], report["rejected"], again["unchanged"]) == (2, 1, 2)
    assert (film.year, film.genres, film.keywords) == (1931, ("Family", "Science Fiction"), ("night", "sea"))
    assert film.alternative_titles == (AlternativeTitle("Der Hafen"), AlternativeTitle("Port"))
    assert film.external_ids == {"movielens": "1", "imdb": "tt0000010", "tmdb": "77"}
    assert film.ratings == {"movielens": Rating(4.5, 2)}
    assert (titles["Ebb"].year, titles["Ebb"].genres) == (None, ())
    assert await ingestion.reasons() == [(4, "movieId: 'x' is no number")]


async def test_the_old_movielens_format_is_read_too(ingestion: Ingestion, tmp_path: Path) -> None:
    films = "1|Caf\xe9, Le (1995)|01-Feb-1995||http://x|0|1|1\n2|unknown||||1|0|0\nbroken\n"
    (tmp_path / "u.item").write_bytes(films.encode("latin-1"))
    (tmp_path / "u.genre").write_text("unknown|0\nAction|1\nDrama|2\n\n")
    (tmp_path / "u.data").write_text("1\t1\t4\t0\n2\t1\t3\t0\n")

    report = await ingestion.take_in("movielens", tmp_path)

    film = (await ingestion.titles())["Le Café"]
    assert (report["source"], report["created"], report["rejected"]) == ("movielens-100k", 2, 1)
    assert (film.year, film.genres, film.external_ids) == (1995, ("Action", "Drama"), {})


FILM: dict[str, Any] = {
    "id": 77,
    "title": "The Harbour",
    "original_title": "Der Hafen",
    "original_language": "de",
    "release_date": "1931-05-01",
    "runtime": 81,
    "overview": "A harbour.",
    "tagline": "Come in.",
    "imdb_id": "tt0000010",
    "genres": [{"id": 18, "name": "Drama"}, {"id": 878, "name": "Science Fiction"}],
    "production_countries": [{"iso_3166_1": "DE", "name": "Germany"}],
    "vote_average": 7.5,
    "vote_count": 300,
    "credits": {
        "cast": [{"name": "Bo Ek", "order": 1}, {"name": "Ann Öh", "character": "Eva", "order": 0}],
        "crew": [{"name": "Cy Ro", "job": "Director"}, {"name": "Di Su", "job": "Screenplay"}],
    },
    "keywords": {"keywords": [{"id": 1, "name": "sea"}]},
    "release_dates": {"results": [{"iso_3166_1": "US", "release_dates": [{"certification": "PG"}]}]},
    "alternative_titles": {"titles": [{"iso_3166_1": "FR", "title": "Le Port"}]},
    "external_ids": {"wikidata_id": "Q1", "imdb_id": "tt0000010"},
}
SERIES: dict[str, Any] = {
    "id": 5,
    "name": "The Tide",
    "first_air_date": "1963-01-02",
    "number_of_seasons": 1,
    "episode_run_time": [25],
    "created_by": [{"name": "Di Su"}],
    "external_ids": {"tvdb_id": 9},
    "content_ratings": {"results": [{"iso_3166_1": "US", "rating": "TV-G"}]},
    "seasons": [{"id": 50, "season_number": 1, "name": "Season 1", "air_date": "1963-01-02"}],
    "season/1": {
        "id": 50,
        "season_number": 1,
        "name": "Season 1",
        "episodes": [{"id": 500, "episode_number": 3, "season_number": 1, "name": "Storm", "air_date": "1964-01-01"}],
    },
}


async def test_tmdbs_answers_become_titles_whatever_call_they_answer(ingestion: Ingestion, tmp_path: Path) -> None:
    (tmp_path / "details.json").write_text(json.dumps(FILM, indent=2))
    (tmp_path / "found.jsonl").write_text(
        json.dumps(
            {
                "_requested_imdb_id": "tt0000012",
                "movie_results": [{"id": 78, "title": "Ebb", "genre_ids": [35, 10751], "release_date": ""}],
                "person_results": [{"id": 3, "name": "Ann Öh"}],
                "tv_results": [],
            }
        )
    )
    page = {"page": 1, "results": [{"id": 77, "title": "The Harbour", "genre_ids": [18], "vote_average": 1}, FILM]}
    (tmp_path / "page.json").write_text(json.dumps(page))
    (tmp_path / "series.json").write_text(json.dumps(SERIES))
    (tmp_path / "wrong.json").write_text(
        json.dumps(
            [
                {"status_code": 34},
                {"id": 1, "biography": "x"},
                {"id": 9, "season_number": 1},
                {"id": 0, "title": "x"},
                7,
            ]
        )
    )

    report = await ingestion.take_in("tmdb", tmp_path)
    again = await ingestion.take_in("tmdb", tmp_path)

    titles = await ingestion.titles()
    harbour, tide, season, storm = (titles[name] for name in ("The Harbour", "The Tide", "Season 1", "Storm"))
    assert (report["read"], report["created"], report["rejected"]) == (10, 5, 5)
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 6)
    assert (harbour.tagline, harbour.certification, harbour.countries) == ("Come in.", "PG", ("DE",))
    assert harbour.credits == (
        Credit("Ann Öh", "actor", "Eva"),
        Credit("Bo Ek", "actor"),
        Credit("Cy Ro", "director"),
        Credit("Di Su", "writer"),
    )
    assert harbour.alternative_titles == (AlternativeTitle("Der Hafen", "de"), AlternativeTitle("Le Port"))
    assert harbour.external_ids == {"tmdb": "77", "imdb": "tt0000010", "wikidata": "Q1"}
    assert (titles["Ebb"].genres, titles["Ebb"].external_ids["imdb"]) == (("Comedy", "Family"), "tt0000012")
    assert (tide.kind, tide.season_count, tide.certification) == ("series", 1, "TV-G")
    assert (season.kind, season.parent_id, season.season_number) == ("season", tide.id, 1)
    assert (storm.kind, storm.parent_id, storm.episode_number, storm.year) == ("episode", season.id, 3, 1964)
    assert [reason for _, reason in await ingestion.reasons()] == [
        "is an error message of the API",
        "is a person",
        "show_id: season 1 does not say of which series it is; take it in with its series",
        "id: must be a number above 0",
        "must be a JSON object",
    ]


async def test_films_of_wikipedias_lists_are_taken_in_and_corrected_ones_leave_the_rejected_records(
    ingestion: Ingestion, tmp_path: Path
) -> None:
    path = tmp_path / "movies-1930s.json"
    film = {
        "title": "The Harbour", "year": 1931, "cast": ["Ann Öh", "Ann Öh", ""], "genres": ["Drama", "Silent"],
        "href": "The_Harbour", "extract": "A film.", "thumbnail": "https://x", "thumbnail_width": 1, "colour": 1,
    }  # fmt: skip
    path.write_text(json.dumps([film, {"title": "Ebb", "year": "1932"}, {"title": "", "year": 1933}, {"year": 1}]))
    await ingestion.take_in("wikipedia", path)
    before = await ingestion.reasons()

    path.write_text(json.dumps([film, {"title": "Ebb", "year": 1932}, {"title": "Flow", "year": 1933}]))
    report = await ingestion.take_in("wikipedia", tmp_path)

    harbour = (await ingestion.titles())["The Harbour"]
    assert [line for line, _ in before] == [3, 4]
    assert await ingestion.reasons() == []
    assert (report["created"], report["unchanged"]) == (1, 2)
    assert (harbour.overview, harbour.overview_source, harbour.genres) == ("A film.", "wikipedia", ("Drama",))
    assert harbour.credits == (Credit("Ann Öh", "actor"),)


async def test_one_work_of_several_sources_is_one_title(ingestion: Ingestion, tmp_path: Path) -> None:
    (tmp_path / "film.json").write_text(json.dumps(FILM))
    (tmp_path / "list.json").write_text(json.dumps([{"title": "Harbour", "year": 1932, "cast": ["Ann Öh", "Bo Ek"]}]))
    await ingestion.take_in("imdb", imdb_folder(tmp_path / "imdb"))

    by_id = await ingestion.take_in("tmdb", tmp_path / "film.json")
    by_people = await ingestion.take_in("wikipedia", tmp_path / "list.json")

    assert (by_id["created"], by_id["updated"], by_people["created"], by_people["updated"]) == (0, 1, 0, 1)
    assert len(await ingestion.titles()) == 3


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(("name", "target"), [("films.json", "films.jsonl"), ("films.jsonl", "films-lines.jsonl")])
async def test_a_json_file_that_is_not_in_lines_is_told_how_to_become_one(
    ingestion: Ingestion, tmp_path: Path, number: int, name: str, target: str
) -> None:
    path = tmp_path / name
    path.write_text(json.dumps([FILM] if number == 1 else FILM, indent=1))

    with pytest.raises(InvalidParams, match=rf"write one with: jq -c .* {name} > {target}"):
        await ingestion.take_in("jsonl", path)


@pytest.mark.data
@pytest.mark.parametrize(
    ("source", "path", "least"),
    [
        ("imdb", "imdb", 1994), ("movielens", "movielens/ml-100k", 1682),
        ("tmdb", "tmdb/find_by_imdb_responses.jsonl.gz", 999), ("tmdb", "tmdb/movie_list_objects.jsonl.gz", 995),
    ],
)  # fmt: skip
async def test_real_files_go_in_whole_and_twice_without_change(
    ingestion: Ingestion, source: str, path: str, least: int
) -> None:
    if not (DATA / path).exists():
        pytest.skip("the real files are not here")

    first = await ingestion.take_in(source, DATA / path)
    second = await ingestion.take_in(source, DATA / path)

    assert first["created"] >= least - 10
    assert first["rejected"] <= first["read"] / 100
    assert (second["created"], second["updated"]) == (0, 0)
