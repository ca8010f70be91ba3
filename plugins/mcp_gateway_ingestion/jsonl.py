"""Our own `jsonl` format: one JSON object a line, each a title."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal, Required

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from mcp_gateway.catalog.models import AlternativeTitle, Credit, Kind, Rating, TitleFacts, TitleId

from .parsed import BadRecord, ParsedTitle, loads, refuse_nul

FORMAT_VERSION = b"1"
"""Part of each line's fingerprint. Changes when the same line is read differently than before."""

_KINDS: Mapping[str, Kind] = {
    "movie": "movie", "tv": "series", "series": "series", "season": "season", "episode": "episode",
}  # fmt: skip
_IMDB_ID = re.compile(r"tt\d{7,10}")
_MAX_REASONS = 5


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date like 1994-09-23") from None


def _stripped(max_length: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=max_length)


_Id = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
_Name = Annotated[str, _stripped(300)]
_Title = Annotated[str, _stripped(1000)]
# Empty is the same as absent.
_Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]
_Overview = Annotated[str, StringConstraints(strip_whitespace=True, max_length=20_000)]
_Names = Annotated[list[_Name], Field(max_length=1000)]
_Titles = Annotated[list[_Title], Field(max_length=1000)]
_Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
_Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
_Scheme = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
_Number = Annotated[int, Field(ge=0, le=100_000)]
_STRICT = ConfigDict(strict=True)


@with_config(_STRICT)
class _CastMember(TypedDict, total=False):
    name: Required[_Name]
    character: _Text | None


@with_config(_STRICT)
class _Rating(TypedDict, total=False):
    score: Required[Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]]
    votes: Annotated[int, Field(ge=0, le=2**53)] | None


@with_config(_STRICT)
class _Line(TypedDict, total=False):
    id: Required[_Id]
    type: Required[Literal["movie", "tv", "series", "season", "episode"]]
    title: Required[_Title]
    year: Required[Annotated[int, Field(ge=1870, le=2200)]]
    alt_titles: _Titles | None
    release_date: Annotated[str, AfterValidator(_date)] | None
    runtime_min: _Number | None
    seasons: _Number | None
    genres: _Names | None
    tags: _Names | None
    cast: Annotated[list[_CastMember], Field(max_length=1000)] | None
    directors: _Names | None
    writers: _Names | None
    overview: _Overview | None
    overview_source: _Text | None
    tagline: _Text | None
    certification: _Text | None
    countries: Annotated[list[_Country], Field(max_length=300)] | None
    original_language: _Language | None
    ratings: dict[_Scheme, _Rating] | None
    popularity: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None
    external_ids: dict[_Scheme, Annotated[int, Field(ge=0)] | _Name | None] | None
    parent_id: _Id | None
    season_number: _Number | None
    episode_number: _Number | None
    # Part of the format, but nothing of ours: one catalogue-wide popularity is enough.
    tmdb_popularity: Any
    sources: Any


_LINE: TypeAdapter[Any] = TypeAdapter(_Line)
_FIELDS = frozenset(_Line.__annotations__)


def parse_line(raw: bytes) -> ParsedTitle:
    """Read a line of a file.

    Raises:
        BadRecord: It is not UTF-8, not JSON, not an object, or fields are missing or wrong.
    """
    return _parse(loads(raw), suspect_nul=rb"\u0000" in raw)


def parse(raw: bytes) -> Sequence[ParsedTitle]:
    """Read a line of a file, as `reading` wants it."""
    return (parse_line(raw),)


def parse_title(value: Any) -> ParsedTitle:
    """Read an object that came by another way than a file.

    Raises:
        BadRecord: It is not an object, or fields are missing or wrong.
    """
    return _parse(value, suspect_nul=True)


def _parse(value: Any, *, suspect_nul: bool) -> ParsedTitle:
    if not isinstance(value, dict):
        raise BadRecord("must be a JSON object")
    if suspect_nul:
        refuse_nul(value)
    try:
        line = _LINE.validate_python(value)
    except ValidationError as error:
        raise BadRecord("; ".join(_reasons(error))) from None
    if line["type"] in {"season", "episode"} and not line.get("parent_id"):
        raise BadRecord(f"parent_id: is required for a {line['type']}")
    unknown = value.keys() - _FIELDS
    title_id = TitleId(line["id"])
    return ParsedTitle(title_id, _facts(line), title_id, unknown_fields=tuple(sorted(unknown)))


def _facts(line: dict[str, Any]) -> TitleFacts:
    get = line.get
    return TitleFacts(
        kind=_KINDS[line["type"]],
        name=line["title"],
        year=line["year"],
        release_date=get("release_date"),
        runtime_minutes=get("runtime_min") or None,
        season_count=get("seasons") or None,
        overview=get("overview") or None,
        overview_source=get("overview_source") or None,
        tagline=get("tagline") or None,
        certification=get("certification") or None,
        original_language=get("original_language"),
        popularity=get("popularity") or 0.0,
        genres=tuple(get("genres") or ()),
        keywords=tuple(get("tags") or ()),
        countries=tuple(get("countries") or ()),
        alternative_titles=tuple([AlternativeTitle(name) for name in get("alt_titles") or ()]),
        credits=_credits(line),
        ratings={s: Rating(r["score"], r.get("votes")) for s, r in (get("ratings") or {}).items()},
        external_ids=_external_ids(line),
        parent_id=get("parent_id"),
        season_number=get("season_number"),
        episode_number=get("episode_number"),
    )


def _credits(line: dict[str, Any]) -> tuple[Credit, ...]:
    made = [Credit(member["name"], "actor", member.get("character") or None) for member in line.get("cast") or ()]
    made += [Credit(name, "director") for name in line.get("directors") or ()]
    made += [Credit(name, "writer") for name in line.get("writers") or ()]
    return tuple(made)


def _external_ids(line: dict[str, Any]) -> dict[str, str]:
    """The ids of the line; an id like `tt0468569` is IMDb's, also where the line does not repeat it."""
    ids = {scheme: str(value) for scheme, value in (line.get("external_ids") or {}).items() if value is not None}
    if "imdb" not in ids and _IMDB_ID.fullmatch(line["id"]):
        ids["imdb"] = line["id"]
    return ids


def _reasons(error: ValidationError) -> Iterator[str]:
    """Field by field what is wrong, e.g. `cast.3.name: should be a valid string`."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    for fault in faults[:_MAX_REASONS]:
        path = ".".join(str(part) for part in fault["loc"])[:100]
        message = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
        yield f"{path}: {message[0].lower()}{message[1:]}"
    if len(faults) > _MAX_REASONS:
        yield f"and {len(faults) - _MAX_REASONS} more"
