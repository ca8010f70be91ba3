"""All real lists of platforms go through: what share becomes titles, and why the rest does not."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mcp_gateway.catalog.platforms import PlatformRecord, PlatformTitle, Rejected, Sighting
from mcp_gateway_ingestion.platforms import BUILT_IN

DATA = Path(__file__).resolve().parents[3] / "../shared/data"
LISTS = DATA / "platforms"
SAMPLES = DATA / "availability_samples"
NORMALIZERS = {normalizer.key: normalizer for normalizer in BUILT_IN}
READ_BY = {
    "netflix_2021_titles": "netflix", "netflix_2023_titles": "netflix", "prime_video_2021_titles": "prime_video",
    "disney_plus_2021_titles": "disney_plus", "disney_plus_2023_titles": "disney_plus", "hulu_2021_titles": "hulu",
    "hotstar_2022_titles": "generic", "hbo_max_2022_titles": "hbo_max", "hbo_max_2023_titles": "hbo_max",
    "apple_tv_plus_2023_titles": "apple_tv", "reelgood_2020_movies": "generic", "reelgood_2020_tv": "generic",
}  # fmt: skip
COLUMNS = {"netflix": "Netflix", "hulu": "Hulu", "prime_video": "Prime Video", "disney_plus": "Disney+"}
SEEN = Sighting(observed_at=datetime(2023, 6, 1, tzinfo=UTC), region="US")

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not LISTS.exists(), reason="the real lists are not beside the checkout"),
]


@pytest.mark.parametrize("name", READ_BY)
def test_nearly_every_row_of_a_list_becomes_a_title_and_the_rest_has_a_reason(name: str) -> None:
    normalizer, listed = NORMALIZERS[READ_BY[name]], list(rows(name))

    results = [normalizer.normalize(row, SEEN) for row in listed]

    reasons = Counter(result.reason for result in results if isinstance(result, Rejected))
    titles = list(titles_of(results))
    unknown = Counter(note.field for r in results if isinstance(r, PlatformRecord) for note in r.unknown)
    share = len(titles) / len(listed)
    print(f"\n{name}: {share:.2%} of {len(listed)} rows; {reasons}; not understood: {unknown}")  # noqa: T201
    assert len(titles) >= 0.99 * len(listed)
    assert all(reasons)
    if normalizer.key != "generic":
        assert all(title.offers for title in titles)
    assert sum(unknown.values()) < 0.01 * len(listed)


@pytest.mark.parametrize("key", COLUMNS)
@pytest.mark.parametrize("name", ["reelgood_2020_movies", "reelgood_2020_tv"])
def test_each_platform_reads_its_own_column(name: str, key: str) -> None:
    listed = list(rows(name))

    titles = list(titles_of([NORMALIZERS[key].normalize(row, SEEN) for row in listed]))

    assert len(titles) == sum(row[COLUMNS[key]] == "1" for row in listed) > 0
    assert all(len(title.offers) == 1 for title in titles)


@pytest.mark.parametrize("key", sorted(set(NORMALIZERS) - {"generic"}))
def test_every_option_of_the_platforms_own_service_becomes_an_offer(key: str) -> None:
    """Answers of Streaming Availability v2: what is the platform's own is known by the name of the service."""
    service = {"prime_video": "prime", "disney_plus": "disney", "hbo_max": "hbo", "apple_tv": "apple"}.get(key, key)
    with gzip.open(SAMPLES / "streaming_availability_v2.jsonl.gz", "rt", encoding="utf-8") as lines:
        shows = [json.loads(line) for line in lines]

    titles = list(titles_of([NORMALIZERS[key].normalize(show, SEEN) for show in shows]))

    offers = [offer for title in titles for offer in title.offers]
    assert len(offers) == sum(service in show["streamingInfo"] for show in shows) > 0
    assert all(offer.link and offer.region == "US" for offer in offers)
    assert all(offer.valid_until is None or offer.valid_until.year < 2100 for offer in offers)


def titles_of(results: list[PlatformRecord | Rejected]) -> Iterator[PlatformTitle]:
    for result in results:
        if isinstance(result, PlatformRecord):
            yield from result.titles


def rows(name: str) -> Iterator[dict[str, Any]]:
    """The rows of a list, with their credits where there are any."""
    credits_of = defaultdict(list)
    people = LISTS / f"{name.replace('titles', 'credits')}.csv.gz"
    if name.endswith("titles") and people.exists():
        for person in table(people):
            credits_of[person["id"]].append(person)
    for row in table(LISTS / f"{name}.csv.gz"):
        if row.get("id") in credits_of:
            row["credits"] = credits_of[row["id"]]
        yield row


def table(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
