"""What platforms list: rows and payloads become titles with offers, and what cannot be used is kept with its reason."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.api import InvalidParams
from mcp_gateway.catalog.models import Credit, Offer, OfferKind
from mcp_gateway.tests.catalogues import events_of, rows_of
from mcp_gateway_ingestion.tests.conftest import Ingestion

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "../shared/data"
SERIES = ROOT / "fixtures/platforms/netflix/v4-series-with-episodes.json"
JUSTWATCH = [
    "id", "title", "type", "description", "release_year", "age_certification", "runtime", "genres",
    "production_countries", "seasons", "imdb_id", "imdb_score", "imdb_votes", "tmdb_popularity", "tmdb_score",
]  # fmt: skip
LISTING = [
    "show_id", "type", "title", "director", "cast", "country", "date_added", "release_year", "rating", "duration",
    "listed_in", "description",
]  # fmt: skip


def write_table(path: Path, header: Sequence[str], *rows: Sequence[str]) -> Path:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return path


def justwatch_row(key: str, name: str, kind: str = "MOVIE") -> list[str]:
    return [
        key,
        name,
        kind,
        "A film.",
        "1931",
        "PG",
        "81",
        "['drama']",
        "['DE']",
        "",
        "",
        "7.9",
        "1731.0",
        "1.0",
        "7.5",
    ]


def listing_row(key: str, name: str, **given: str) -> list[str]:
    row = dict.fromkeys(LISTING, "") | {"show_id": key, "type": "Movie", "title": name, "release_year": "1931"}
    return list((row | {"duration": "81 min", "rating": "PG", "listed_in": "Dramas"} | given).values())


async def offers_of(ingestion: Ingestion, name: str) -> list[Offer]:
    title = (await ingestion.titles())[name]
    return (await ingestion.catalog.offers([title.id])).get(title.id, [])


async def test_a_table_of_titles_is_joined_with_the_table_of_credits_beside_it(
    ingestion: Ingestion, tmp_path: Path
) -> None:
    path = write_table(tmp_path / "hbo_max_titles.csv.gz", JUSTWATCH, justwatch_row("tm1", "The Harbour"))
    write_table(
        tmp_path / "hbo_max_credits.csv.gz", ["person_id", "id", "name", "character", "role"],
        ["1", "tm1", "Ann Öh", "Eva", "ACTOR"], ["2", "tm2", "Nobody Here", "", "ACTOR"],
        ["3", "tm1", "Cy Ro", "", "DIRECTOR"],
    )  # fmt: skip

    report = await ingestion.take_in("platform:hbo_max", path, region="US")
    again = await ingestion.take_in("platform:hbo_max", tmp_path, region="US")

    (offer,) = await offers_of(ingestion, "The Harbour")
    film = (await ingestion.titles())["The Harbour"]
    assert (report["read"], report["created"], report["offers"], again["unchanged"], again["offers"]) == (1, 1, 1, 1, 0)
    assert film.credits == (Credit("Ann Öh", "actor", "Eva"), Credit("Cy Ro", "director"))
    assert (offer.platform, offer.region, offer.kind, offer.source) == (
        "hbo_max", "US", OfferKind.FLATRATE, "platform:hbo_max",
    )  # fmt: skip


async def test_lists_of_one_platform_with_different_numbers_speak_of_the_same_titles(
    ingestion: Ingestion, tmp_path: Path
) -> None:
    older = write_table(tmp_path / "older.csv", LISTING, listing_row("s1", "The Harbour", director="Cy Ro"))
    newer = write_table(tmp_path / "newer.csv", JUSTWATCH, justwatch_row("tm1", "The Harbour"))
    await ingestion.take_in("platform:netflix", older, region="US")

    report = await ingestion.take_in("platform:netflix", newer, region="US")

    assert (report["created"], report["updated"]) == (0, 1)
    assert len(await offers_of(ingestion, "The Harbour")) == 1


async def test_a_streaming_availability_page_brings_titles_and_the_offers_of_all_services(
    ingestion: Ingestion, tmp_path: Path
) -> None:
    def option(service: str, kind: str, **more: Any) -> dict[str, Any]:
        return {"service": {"id": service}, "type": kind, "availableSince": 1648576087, **more}

    price = {"amount": "3.99", "currency": "EUR"}
    show = {
        "itemType": "show", "showType": "movie", "id": "1", "imdbId": "tt0000010", "tmdbId": "movie/77",
        "title": "The Harbour", "releaseYear": 1931, "cast": ["Ann Öh"], "directors": ["Cy Ro"],
        "streamingOptions": {"de": [option("netflix", "subscription", link="https://www.netflix.com/title/1/"),
                                    option("prime", "rent", price=price)]},
    }  # fmt: skip
    elsewhere = show | {"id": "2", "imdbId": "tt0000011", "tmdbId": "movie/78", "title": "Ebb", "streamingOptions": {}}
    path = tmp_path / "page.json"
    path.write_text(json.dumps({"shows": [show, elsewhere, {"title": "?"}], "hasMore": False}, indent=1))

    report = await ingestion.take_in("streaming-availability", path)
    before = await rows_of(ingestion.db), await events_of(ingestion.db)
    again = await ingestion.take_in("streaming-availability", path)

    netflix, prime = await offers_of(ingestion, "The Harbour")
    assert (report["read"], report["created"], report["offers"], report["rejected"]) == (3, 2, 2, 1)
    assert (netflix.platform, netflix.region, netflix.link) == ("netflix", "DE", "https://www.netflix.com/title/1/")
    assert (prime.kind, prime.price_minor, prime.currency) == (OfferKind.RENT, 399, "EUR")
    assert await offers_of(ingestion, "Ebb") == []
    assert (again["created"], again["updated"], again["offers"]) == (0, 0, 0)
    assert (await rows_of(ingestion.db), await events_of(ingestion.db)) == before


async def test_bad_rows_are_kept_with_their_reason_and_a_corrected_file_heals_them(
    ingestion: Ingestion, tmp_path: Path
) -> None:
    path = tmp_path / "titles.csv"
    good = listing_row("s1", "The Harbour")
    twice = listing_row("s1", "Another Harbour")
    write_table(path, LISTING, good, listing_row("s2", "Ebb", type="Podcast"), listing_row("", "Flow"), good[:5], twice)
    with path.open("ab") as file:
        file.write(b'"never closed\n' + ",".join(listing_row("s6", "Caf")).encode() + b"\xe9\n")
    report = await ingestion.take_in("platform:netflix", path)
    before = await ingestion.reasons()

    write_table(path, LISTING, good, listing_row("s2", "Ebb"))
    healed = await ingestion.take_in("platform:netflix", path)

    assert (report["created"], report["rejected"], healed["created"]) == (1, 6, 1)
    assert [line for line, _ in before] == [3, 4, 5, 6, 7, 8]
    assert "Podcast is neither film nor series" in before[0][1]
    assert [reason for _, reason in before[2:]] == [
        "has 5 columns, the header has 12",
        "id: stands in an earlier record already, which says something else",
        "a quote in it is never closed",
        "not UTF-8: byte 40 of the row",
    ]
    assert await ingestion.reasons() == []


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"title": "\\u0000", "offers": []}',
        b'{"a": ' * 5000,
        b"\xff\xfe{\x00",
        b"7",
        b'{"listed_in": {"price": -1}, "title": 3}',
        b'"' + b"x" * 20_000_000 + b'"',
    ],
)
async def test_whatever_a_file_holds_it_ends_in_a_reason(ingestion: Ingestion, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "payload.json"
    path.write_bytes(content)

    try:
        report = await ingestion.take_in("platform:netflix", path)
    except InvalidParams as error:
        assert "UTF-16" in str(error)
        return

    assert report["created"] == 0
    assert report["rejected"] == 1 or report["problem"]


async def test_a_table_with_other_columns_is_refused_as_a_whole(ingestion: Ingestion, tmp_path: Path) -> None:
    path = write_table(tmp_path / "other.csv", ["a", "b"], *([str(n), "x"] for n in range(200)))

    with pytest.raises(InvalidParams, match="is not in a format that the platform's normalizer knows; line 2: payload"):
        await ingestion.take_in("platform:netflix", path)

    assert await ingestion.reasons() == []


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("platform", "name", "rows"),
    [
        ("netflix", "netflix_2021", 8807), ("prime_video", "prime_video_2021", 9668),
        ("disney_plus", "disney_plus_2021", 1450), ("hulu", "hulu_2021", 3073), ("generic", "hotstar_2022", 6652),
        ("hbo_max", "hbo_max_2022", 3294), ("hbo_max", "hbo_max_2023", 3113), ("netflix", "netflix_2023", 6165),
        ("disney_plus", "disney_plus_2023", 1867), ("apple_tv", "apple_tv_plus_2023", 170),
    ],
)  # fmt: skip
async def test_real_rows_of_platforms_become_titles(
    sqlite_ingestion: Ingestion, platform: str, name: str, rows: int
) -> None:
    path = DATA / f"platforms/{name}_titles.csv.gz"
    if not path.exists():
        pytest.skip("the real files are not here")

    report = await sqlite_ingestion.take_in(f"platform:{platform}", path, region="US")

    assert report["read"] == rows
    assert report["rejected"] <= rows / 100
    counts = await sqlite_ingestion.catalog.counts()
    assert counts["movie"] + counts["series"] >= rows * 0.98
    assert counts["offers"] == (0 if platform == "generic" else report["offers"])


def shown_film(number: int, **option: Any) -> dict[str, Any]:
    rent = {"service": {"id": "netflix"}, "type": "rent", "price": {"amount": "3.99", "currency": "USD"}, **option}
    fine = {"service": {"id": "netflix"}, "type": "subscription"}
    return {
        "imdbId": f"tt000000{number}", "showType": "movie", "title": f"Film {number}", "releaseYear": 2001,
        "streamingOptions": {"us": [rent, fine]},
    }  # fmt: skip


FAULTS: dict[str, dict[str, Any]] = {
    "offer: amount '-3.99' cannot be used": {"price": {"amount": "-3.99", "currency": "USD"}},
    "offer: currency 'ZZZ' cannot be used": {"price": {"amount": "3.99", "currency": "ZZZ"}},
    "offer: window '2030-03-17T17:46:40+00:00 to 2027-01-15T08:00:00+00:00' cannot be used": {
        "availableSince": 1_900_000_000, "expiresOn": 1_800_000_000,
    },
}  # fmt: skip


async def test_an_offer_that_cannot_be_is_listed_with_its_reason_and_a_corrected_file_heals_it(
    ingestion: Ingestion, tmp_path: Path
) -> None:
    path = tmp_path / "shows.json"
    path.write_text(json.dumps([shown_film(n, **wrong) for n, wrong in enumerate(FAULTS.values(), 1)]))

    report = await ingestion.take_in("streaming-availability", path)
    reasons = await ingestion.reasons()
    again = await ingestion.take_in("streaming-availability", path)
    path.write_text(json.dumps([shown_film(n) for n in (1, 2, 3)]))
    healed = await ingestion.take_in("streaming-availability", path)

    assert (report["created"], report["rejected"], report["faulty"]) == (3, 0, 3)
    assert reasons == [*enumerate(FAULTS, 1)]
    assert (again["offers"], again["faulty"]) == (0, 3)
    assert (healed["faulty"], await ingestion.reasons()) == (0, [])
    offers = await ingestion.catalog.offers([title.id for title in (await ingestion.titles()).values()])
    rented = [offer for found in offers.values() for offer in found if offer.kind is OfferKind.RENT]
    assert [offer.price_minor for offer in rented] == [399, 399, 399]


@pytest.mark.parametrize("name", ["nothing.json", "nothing.jsonl.gz"])
async def test_a_file_with_nothing_in_it_is_no_success(ingestion: Ingestion, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")

    report = await ingestion.take_in("jsonl", path)

    assert (report["complete"], report["problem"]) == (False, "there is nothing in it to take in")


async def test_a_gzip_file_of_which_only_the_first_bytes_came_is_cut_off(ingestion: Ingestion, tmp_path: Path) -> None:
    path = tmp_path / "films.jsonl.gz"
    path.write_bytes(gzip.compress(b"{}")[:5])

    report = await ingestion.take_in("jsonl", path)

    assert report["problem"] == "the gzip file is cut off: fetch it again, then run this again"


async def test_the_seasons_and_episodes_of_a_series_are_one_title_each_whoever_offers_them(
    ingestion: Ingestion, tmp_path: Path
) -> None:
    path = tmp_path / "shows.json"
    path.write_text(json.dumps([json.loads(SERIES.read_text("utf-8"))["payload"]]))

    first = await ingestion.take_in("streaming-availability", path)
    again = await ingestion.take_in("streaming-availability", path)
    titles = await ingestion.titles()
    offers = await ingestion.catalog.offers([title.id for title in titles.values()])

    assert (first["created"], again["created"], again["updated"], again["offers"]) == (9, 0, 0, 0)
    episode, season, series = (titles[name] for name in ("Low Water", "Season 1", "Tide Tables"))
    assert (episode.parent_id, season.parent_id, series.parent_id) == (season.id, series.id, None)
    assert (episode.season_number, episode.episode_number, season.season_number) == (1, 1, 1)
    assert {offer.platform for offer in offers[episode.id]} == {"netflix", "hulu"}
    assert {offer.platform for offer in offers[titles["Slack"].id]} == {"hulu"}
