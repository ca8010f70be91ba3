"""Codes and names of the world's regions and languages, and when a day ends in a region.

The tables `regions.csv` and `languages.csv` follow ISO 3166-1, UN M49, ISO 639 and the English names of CLDR.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class Regions(NamedTuple):
    """What `regions.csv` says.

    Attributes:
        codes: Alpha-2 by every code: alpha-2, alpha-3, M49; upper case. States that are gone included.
        names: Alpha-2 by English name; lower case.
        zones: The IANA time zone in which a region's days end, by alpha-2; only of regions that exist.
    """

    codes: dict[str, str]
    names: dict[str, str]
    zones: dict[str, str]


def region_of(value: object) -> str | None:
    """The alpha-2 code of a region that exists, given as alpha-2 (`us`, `UK`), alpha-3 or M49; None for others."""
    return _region_of(value) if isinstance(value, str) and len(value) <= 3 else None


@lru_cache(maxsize=1024)
def _region_of(value: str) -> str | None:
    code = _code(value)
    return code if code in _regions().zones else None


def country_of(value: object) -> str | None:
    """The alpha-2 code of a country, states that are gone included, given as code or as English name."""
    if not isinstance(value, str) or len(value) > 100:
        return None
    return _code(value) or _regions().names.get(value.strip().lower())


def _code(value: object) -> str | None:
    if not isinstance(value, str) or not 2 <= len(value) <= 3:
        return None
    return _regions().codes.get(value.upper())


@lru_cache(maxsize=4096)
def midnight(day: date, region: str | None) -> datetime:
    """When a day begins in a region, UTC.

    Of a country with several time zones the westernmost of its mainland counts, so that nothing is said to have
    ended where it can still be watched. Where the region is unknown, UTC.
    """
    zone = _zone(_regions().zones.get(region or "", ""))
    try:
        return datetime.combine(day, time(), zone).astimezone(UTC)
    except OverflowError:
        return datetime.combine(day, time(), UTC)


def end_of(day: date, region: str | None) -> datetime:
    """When a day ends in a region, UTC; see `midnight`."""
    return midnight(day + timedelta(days=1), region) if day < date.max else midnight(day, region)


def language_of(value: object) -> str | None:
    """The BCP 47 tag of a language, given as ISO 639 code, tag (`pt-BR`, `pt_br`) or English name."""
    if not isinstance(value, str) or not 2 <= len(value) <= 40:
        return None
    return _language_of(value)


def base_language_of(value: object) -> str | None:
    """The language alone, as `language_of` without region."""
    tag = language_of(value)
    return tag.partition("-")[0] if tag else None


def locale_of(language: object, region: object) -> str | None:
    """The BCP 47 tag of a language as spoken in a region (alpha-2, alpha-3 or M49); unknown regions are left out."""
    if not isinstance(language, str) or not 2 <= len(language) <= 40:
        return None
    return _locale_of(language, region if isinstance(region, str) and len(region) <= 3 else "")


@lru_cache(maxsize=4096)
def _locale_of(language: str, region: str) -> str | None:
    tag = _language_of(language)
    if not region or tag is None or "-" in tag:
        return tag
    # M49 also numbers continents: those have no letters, and stay numbers in BCP 47, as in es-419.
    subtag = _code(region) or (region if len(region) == 3 and region.isdecimal() and region.isascii() else None)
    return f"{tag}-{subtag}" if subtag else tag


@lru_cache(maxsize=1024)
def _language_of(value: str) -> str | None:
    codes, names = _languages()
    written = value.strip().lower()
    if written in codes:
        return codes[written]
    language, _, rest = written.replace("_", "-").partition("-")
    if not rest:
        return names.get(written)
    if language not in codes:
        return None
    region = rest.rpartition("-")[2]
    return locale_of(language, region) if rest == region else codes[language]


@cache
def _regions() -> Regions:
    made = Regions({"UK": "GB"}, {}, {})
    for row in _rows("regions.csv"):
        code = row["code"]
        made.codes.update({key: code for key in (code, *row["alpha3"].split("|"), row["m49"]) if key})
        made.names.update({name.lower(): code for name in row["names"].split("|")})
        if row["zone"]:
            made.zones[code] = row["zone"]
    return made


@cache
def _languages() -> tuple[dict[str, str], dict[str, str]]:
    codes: dict[str, str] = {}
    names: dict[str, str] = {}
    for row in _rows("languages.csv"):
        tag = row["tag"]
        codes.update({code: tag for code in (tag, *row["codes"].split("|")) if code})
        names.update({name.lower(): tag for name in row["names"].split("|")})
    return codes, names


@cache
def _zone(name: str) -> ZoneInfo | timezone:
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, OSError):  # no time zone database on this machine
        return UTC


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (Path(__file__).parent / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
