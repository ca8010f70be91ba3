"""The rules that the normalizers share: money, regions, languages, times, links, names and plans."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from mcp_gateway.catalog.models import OfferKind
from mcp_gateway.catalog.platforms import PlatformNormalizer, PlatformRecord, Rejected, Sighting, Unknown
from mcp_gateway_ingestion.platforms import BUILT_IN, OnFirstUse
from mcp_gateway_ingestion.platforms.fields import Notes, as_number, day, moment, names, number, shown, text
from mcp_gateway_ingestion.platforms.hbo_max import HBO_MAX
from mcp_gateway_ingestion.platforms.hbo_max_links import HboLink, deep_links, page_link, parse_link, watch_link
from mcp_gateway_ingestion.platforms.links import own_link
from mcp_gateway_ingestion.platforms.money import Price, money, price_of
from mcp_gateway_ingestion.platforms.names import parts_of
from mcp_gateway_ingestion.platforms.netflix import NETFLIX
from mcp_gateway_ingestion.platforms.plans import load_plans
from mcp_gateway_ingestion.platforms.regions import country_of, end_of, language_of, locale_of, midnight, region_of

SEEN = Sighting(observed_at=datetime(2026, 3, 1, tzinfo=UTC), region="US")
FIRST, SECOND = "1a2b3c4d-0000-4000-8000-000000000001", "1a2b3c4d-0000-4000-8000-000000000002"
OLD = "GXn0WpgjFvb8ungEA"
HOSTS = frozenset({"www.netflix.com"})


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("3.99", "EUR", 399),
        (3.99, "usd", 399),
        ("1,234.50", "USD", 123450),
        ("400", "JPY", 400),
        ("400.00", "KRW", 400),
        ("2.125", "KWD", 2125),
        (0, "GBP", 0),
        ("0.29", "USD", 29),
    ],
)
def test_a_price_is_whole_in_minor_units(amount: object, currency: str, minor: int) -> None:
    assert price_of(amount, currency) == Price(minor, currency.upper())


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("-3.99", "USD"), ("3.999", "USD"), ("400.5", "JPY"), ("3.99", "XBT"), ("3.99", None), ("free", "USD"),
     (True, "USD"), (float("nan"), "USD"), ("1e5", "USD"), ("9" * 15, "USD"), ("0" * 65, "USD")],
)  # fmt: skip
def test_a_price_that_cannot_be_is_none(amount: object, currency: object) -> None:
    assert price_of(amount, currency) is None


def test_a_price_is_written_with_as_many_digits_as_its_currency_has() -> None:
    prices = (Price(399, "USD"), Price(400, "JPY"), Price(2125, "KWD"), Price(5, "EUR"))
    assert [money(price) for price in prices] == ["3.99 USD", "400 JPY", "2.125 KWD", "0.05 EUR"]


def test_regions_are_known_by_every_code_and_countries_that_are_gone_are_no_regions() -> None:
    assert [region_of(code) for code in ("us", "USA", "840", "uk", "GBR")] == ["US", "US", "US", "GB", "GB"]
    assert [country_of(name) for name in ("Soviet Union", "South Korea", "XC", "west germany")] == [
        "SU",
        "KR",
        "CS",
        "DE",
    ]
    assert [region_of(code) for code in ("SU", "zz", "", None, 840, "x" * 999)] == [None] * 6
    assert country_of("Atlantis") is None
    assert country_of(7) is None


def test_languages_become_bcp_47() -> None:
    codes = ("eng", "ger", "deu", "tam", "iw", "pt_br", "zh-Hant-TW", "fil", "Japanese", "es-QQ")
    assert [language_of(code) for code in codes] == ["en", "de", "de", "ta", "he", "pt-BR", "zh", "fil", "ja", "es"]
    assert [language_of(code) for code in ("qqq", "", "x", 5, None, "xx-US")] == [None] * 6


def test_a_locale_takes_its_region_in_any_code_and_a_continent_by_number() -> None:
    assert locale_of("spa", "419") == "es-419"
    assert locale_of("spa", "724") == "es-ES"
    assert locale_of("por", "BRA") == "pt-BR"
    assert locale_of("eng", "") == locale_of("eng", None) == locale_of("eng", "Q1") == "en"
    assert locale_of(None, "USA") is None


def test_a_day_begins_and_ends_at_midnight_in_the_region() -> None:
    assert midnight(date(2026, 3, 1), "DE") == datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert end_of(date(2026, 3, 29), "DE") == datetime(2026, 3, 29, 22, tzinfo=UTC), "clocks went forward that night"
    assert end_of(date(2026, 6, 30), "US") == datetime(2026, 7, 1, 7, tzinfo=UTC), "the last of the mainland's zones"
    assert end_of(date(2026, 6, 30), "IN") == datetime(2026, 6, 30, 18, 30, tzinfo=UTC)
    assert end_of(date(2026, 6, 30), None) == datetime(2026, 7, 1, tzinfo=UTC), "unknown region: UTC"


def test_the_first_and_the_last_day_of_all_have_a_midnight() -> None:
    assert midnight(date.min, "JP").year == 1
    assert end_of(date.max, "US").year == 9999


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1672549200, datetime(2023, 1, 1, 5, tzinfo=UTC)),
        ("1672549200", datetime(2023, 1, 1, 5, tzinfo=UTC)),
        (1672549200000, datetime(2023, 1, 1, 5, tzinfo=UTC)),
        ("2023-01-01T05:00:00Z", datetime(2023, 1, 1, 5, tzinfo=UTC)),
        ("2023-01-01T06:00:00+01:00", datetime(2023, 1, 1, 5, tzinfo=UTC)),
        (0, None),
        (-5, None),
        ("2023-01-01T05:00:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday, about noon", None),
        (None, None),
        (1e300, None),
    ],
)
def test_a_moment_needs_a_zone_and_0_is_none(value: object, expected: datetime | None) -> None:
    assert moment(value) == expected


def test_days_are_read_in_the_ways_that_lists_write_them() -> None:
    assert day("2021-09-25") == day(" September 25, 2021") == day("Sep 25, 2021") == date(2021, 9, 25)
    assert [day(value) for value in ("February 30, 2021", "2021-13-01", "Juneuary 1, 2021", "25/09/2021")] == [None] * 4


def test_numbers_are_finite_and_bounded() -> None:
    notes = Notes()
    assert as_number(" 1,234.5 ") == 1234.5
    others: list[object] = ["1e5", "nan", float("inf"), 10**400, True, [], "9" * 99]
    assert [as_number(value) for value in others] == [None] * 7
    assert number({"a": "7"}, "a", notes, 0, 10) == 7
    assert number({"a": 11}, "a", notes, 0, 10) is None
    assert notes.listed() == (Unknown("a", "11"),)


def test_text_of_another_sort_or_length_is_noted_and_unknown() -> None:
    notes = Notes()
    assert text({"a": 7}, "a", notes) is None
    assert text({"a": "x" * 1001}, "a", notes) is None
    assert text({"a": " \u200b "}, "a", notes) is None
    assert names({"a": ["Ada", 7, "", None, "x" * 301]}, "a", notes) == ["Ada"]
    assert {note.value[:3] for note in notes.listed()} == {"7", "xxx"}


def test_notes_are_bounded_and_can_be_kept_anywhere() -> None:
    notes = Notes()
    for count in range(500):
        notes.add("field", count)
    assert len(notes.listed()) == 50
    assert shown("a\0b\ud800c") == "a\ufffdb\ufffdc"
    assert len(shown("x" * 10**6)) == 200
    assert shown({"a": [1]}) == "an object with 1 fields"
    assert shown(10**400) == "a number of more than 30 digits"


@pytest.mark.parametrize(
    "link",
    [
        "https://www.netflix.com.evil.example/title/1", "https://www.netflix.com@evil.example/title/1",
        "https://evil.example/?x=https://www.netflix.com/title/1", "https://www.netflix.com:8443/title/1",
        "ftp://www.netflix.com/title/1", "javascript:alert(1)", "//www.netflix.com/title/1", "https://[::1/", "https:///",
        "https://www.netflix.com\\@evil.example/", "https://www.netflix.com/a b", "https://www.netflix.com/\n", 7, None,
        "https://www.netflix.com/" + "a" * 2000, "https://www.netflix.com/?" + "&".join("a=1" for _ in range(100)),
        "https://www.netflix.com:99999/", "https://www.n\u0435tflix.com/title/1",
    ],
)  # fmt: skip
def test_a_link_to_anywhere_else_is_not_kept(link: object) -> None:
    assert own_link(link, HOSTS) is None


def test_an_own_link_is_https_and_tells_nothing_of_who_sent_the_viewer() -> None:
    assert own_link("http://www.netflix.com/title/1?utm_source=x&lang=de&tag=y#top", HOSTS) == (
        "https://www.netflix.com/title/1?lang=de"
    )
    assert own_link("https://WWW.Netflix.com:443/title/1", HOSTS) == "https://www.netflix.com/title/1"
    assert own_link("https://clicks.example/c?u=https%3A%2F%2Fwww.netflix.com%2Ftitle%2F1%3Ftag%3Dz", HOSTS) == (
        "https://www.netflix.com/title/1"
    )


@pytest.mark.parametrize(
    ("url", "link"),
    [
        (f"https://play.hbomax.com/video/watch/{FIRST}/{SECOND}", HboLink(None, None, FIRST, SECOND)),
        (f"https://play.max.com/video/watch/{FIRST}?utm_source=x", HboLink(None, None, FIRST, None)),
        (f"https://play.max.com/movie/{FIRST}", HboLink("movie", FIRST)),
        (f"https://www.hbomax.com/us/en/movies/a-film/{FIRST}", HboLink("movie", FIRST)),
        (f"https://www.max.com/shows/a-show/{FIRST}", HboLink("series", FIRST)),
        (
            "https://play.hbomax.com/page/urn:hbo:page:GXn0WpgjFvb8ungEA:type:feature",
            HboLink("movie", "GXn0WpgjFvb8ungEA"),
        ),
        (f"https://play.hbomax.com/series/urn:hbo:series:{OLD}", HboLink("series", OLD)),
        (f"https://play.hbomax.com/episode/urn:hbo:episode:{OLD}", HboLink("episode", OLD)),
        ("https://play.hbomax.com/settings", None),
        (f"https://www.netflix.com/video/watch/{FIRST}", None),
        (None, None),
    ],
)
def test_links_of_all_years_of_hbo_max_are_understood(url: object, link: HboLink | None) -> None:
    assert parse_link(url) == link


def test_roku_gets_the_first_id_of_the_player_and_never_that_of_a_page() -> None:
    watch = f"https://play.hbomax.com/video/watch/{FIRST}/{SECOND}"

    links = deep_links(watch, "movie")

    assert links is not None
    assert links.web == watch
    assert links.mobile == f"hbomax://video/watch/{FIRST}/{SECOND}"
    assert links.roku == f"launch/61322?contentId={FIRST}&mediaType=movie"
    assert deep_links(watch).roku is None, "Roku wants to be told whether it is a film"  # type: ignore[union-attr]
    assert deep_links(f"https://play.max.com/movie/{FIRST}", "movie").roku is None  # type: ignore[union-attr]
    assert deep_links("https://www.netflix.com/title/1") is None


def test_no_link_is_made_of_an_id_that_is_not_hbo_maxs() -> None:
    assert watch_link("tm10", None) is watch_link("81240831", SECOND) is watch_link(None, SECOND) is None
    assert page_link("movie", "tt0133093") is page_link("episode", FIRST) is None
    assert watch_link(FIRST, "tm10") == f"https://play.hbomax.com/video/watch/{FIRST}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Wayne (4K UHD)", ("Wayne", "uhd", (), ())),
        ("Seven (Hindi) [4K]", ("Seven", "uhd", ("hi",), ())),
        ("Coco (in Spanish)", ("Coco", None, ("es",), ())),
        ("Shrek (en Español)", ("Shrek", None, ("es",), ())),
        ("Akira [dubbed]", ("Akira", None, (), ())),
        ("(Sub) Afro Samurai", ("Afro Samurai", None, (), ())),
        ("Trapped [English Subtitled]", ("Trapped", None, (), ("en",))),
        ("Love Island (UK)", ("Love Island (UK)", None, (), ())),
        ("How to Sell Drugs Online (Fast)", ("How to Sell Drugs Online (Fast)", None, (), ())),
        ("REA(L)OVE", ("REA(L)OVE", None, (), ())),
        ("Peace (War)", ("Peace (War)", None, (), ())),
        ("(4K)", ("(4K)", None, (), ())),
        ("A (Mumbled Dub)", ("A (Mumbled Dub)", None, (), ())),
        ("A (Mumbled Subtitles)", ("A (Mumbled Subtitles)", None, (), ())),
    ],
)
def test_only_what_is_no_part_of_a_name_is_taken_off(name: str, expected: tuple[object, ...]) -> None:
    assert tuple(parts_of(name)) == expected


def test_a_plan_has_the_name_of_its_day() -> None:
    plans = load_plans("hbo_max_plans.json")

    def named(day: str) -> str | None:
        plan = plans.named("with ads", "US", datetime.fromisoformat(f"{day}T12:00:00+00:00"))
        return plan and plan.name

    assert named("2021-06-01") is None
    assert named("2021-06-02") == "HBO Max With Ads"
    assert named("2023-05-23") == "Max With Ads"
    assert named("2026-03-01") == "Basic With Ads"
    assert plans.named("with ads", "BR", SEEN.observed_at) is None
    with_ads = plans.with_ads("US", SEEN.observed_at)
    assert with_ads is not None
    assert with_ads.kind is OfferKind.ADS
    assert plans.with_ads(None, SEEN.observed_at) is None


@pytest.mark.parametrize("normalizer", BUILT_IN, ids=lambda normalizer: normalizer.key)
def test_a_row_with_cells_of_every_wrong_sort_keeps_what_can_be_read(normalizer: PlatformNormalizer) -> None:
    row = {
        "show_id": 7, "type": "movie", "title": "Kestrel", "director": ["Ada"], "cast": "Robert Downey, Jr., Bo, , X",
        "country": 5, "date_added": "someday", "release_year": "0", "rating": "PG", "duration": "0 min",
        "listed_in": None, "description": "x" * 20_001, None: ["surplus"],
    }  # fmt: skip

    result = normalizer.normalize(row, SEEN)

    assert isinstance(result, PlatformRecord)
    facts = result.titles[0].facts
    assert (facts.name, facts.certification, facts.year, facts.runtime_minutes) == ("Kestrel", "PG", None, None)
    assert [credit.name for credit in facts.credits] == ["Robert Downey, Jr.", "Bo", "X"]
    assert {note.field for note in result.unknown} == {"country", "date_added", "director", "description"}


def test_a_row_from_justwatch_reads_lists_and_notes_what_is_no_list() -> None:
    row = {"id": "tm1", "type": "MOVIE", "title": "Kestrel", "production_countries": ["US"], "genres": "drama",
           "credits": [7, {"name": "", "role": "ACTOR"}]}  # fmt: skip

    result = NETFLIX.normalize(row, SEEN)

    assert isinstance(result, PlatformRecord)
    assert result.titles[0].facts.countries == ("US",)
    assert result.unknown == (Unknown("credits", "7"), Unknown("credits", "ACTOR"), Unknown("genres", "drama"))


@pytest.mark.parametrize(
    ("mark", "offers"), [("1", 1), (1, 1), ("0", 0), ("", 0), (None, 0), ("perhaps", 0), ([], 0)], ids=repr
)
def test_only_a_1_in_reelgoods_column_is_an_offer(mark: object, offers: int) -> None:
    row = {"ID": "1", "Title": "Kestrel", "Type": "0", "Rotten Tomatoes": "", "Netflix": mark}

    result = NETFLIX.normalize(row, SEEN)

    assert isinstance(result, PlatformRecord)
    assert len(result.titles) == offers


def test_what_a_title_cannot_be_without_is_named_in_the_reason() -> None:
    reasons = [
        NETFLIX.normalize(payload, SEEN)
        for payload in (
            {"Rotten Tomatoes": "", "Netflix": "1", "Title": "Kestrel", "ID": "1", "Type": "film"},
            {"hotstar_id": "1", "type": "movie"},
            {"show_id": {}, "type": "movie", "title": "Kestrel", "listed_in": ""},
            {"streamingInfo": {"us": [{"service": "netflix"}]}, "title": "Kestrel", "imdbId": "tt0000001"},
        )
    ]

    assert reasons == [
        Rejected("Type: must be 0 for a film or 1 for a series"),
        Rejected("title: is missing"),
        Rejected("show_id: 'an object with 0 fields' cannot be used"),
        Rejected("type: is missing, and neither year nor firstAirYear tells film from series"),
    ]


def test_every_name_that_is_a_badge_has_its_evidence() -> None:
    badge = HBO_MAX.rules.vocabulary.badge("  hbo   ORIGINALS ", "brand")

    assert badge is not None
    assert (badge.name, badge.evidence) == ("HBO Original", "brand:   hbo   ORIGINALS ")
    assert HBO_MAX.rules.vocabulary.badge("Original soundtrack", "tags") is None


def test_the_built_in_platforms_are_those_of_the_contract_once_each() -> None:
    assert [normalizer.key for normalizer in BUILT_IN] == [
        "netflix", "prime_video", "disney_plus", "hulu", "hbo_max", "apple_tv", "paramount", "peacock", "generic",
    ]  # fmt: skip


def test_a_built_in_platform_is_the_one_that_its_module_has() -> None:
    for normalizer in BUILT_IN:
        assert isinstance(normalizer, OnFirstUse)
        behind = normalizer.normalizer

        assert (behind.key, behind.name, behind.link_hosts) == (normalizer.key, normalizer.name, normalizer.link_hosts)
