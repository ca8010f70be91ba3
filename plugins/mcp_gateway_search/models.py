"""Parameters and results of the search tools: the shapes on the wire.

The schemas are read by models that pay for every byte: descriptions are short, results list the members that
matter and allow the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SerializeAsAny

from mcp_gateway.catalog.models import Kind

MAX_QUERY_CHARS = 10_000
MAX_LIMIT = 100
MAX_VALUES = 20

Detail = Literal["concise", "detailed"]
Sort = Literal["relevance", "popularity", "year_desc", "year_asc", "rating", "name"]
FacetName = Literal[
    "genres", "platforms", "kinds", "release_year", "rating", "languages", "certification", "availability"
]
FACETS: tuple[FacetName, ...] = get_args(FacetName)
Monetization = Literal["flatrate", "ads", "free", "rent", "buy", "addon", "cinema"]


def _at_most(count: int) -> AfterValidator:
    """A bound that only whoever exceeds it needs to hear of: it is not in the schema."""

    def check(value: Any) -> Any:
        if len(value) > count:
            raise ValueError(f"must not be longer than {count}")
        return value

    return AfterValidator(check)


def _facet_names(names: list[str]) -> list[str]:
    for name in names:
        if name not in FACETS:
            raise ValueError(f"must be of {', '.join(FACETS)}")
    return names


# A list in the description is shorter than one in the schema.
FacetNames = Annotated[list[str], AfterValidator(_facet_names)]

Texts = Annotated[list[str], _at_most(MAX_VALUES)]


class Params(BaseModel):
    """What a caller sends: unknown members are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Filters(Params):
    """Conditions that every result meets."""

    genres: Texts | None = Field(None, description="All of")
    platforms: Texts | None = Field(None, description="Any of")
    kinds: list[Kind] | None = Field(None, description="Any of")
    year_from: int | None = Field(None, description="First")
    year_to: int | None = Field(None, description="Last")
    rating_from: float | None = Field(None, description="0-10")
    people: Texts | None = Field(None, description="All; actor:X")
    region: Annotated[str, _at_most(2)] | None = Field(None, description="e.g. US")
    monetization: list[Monetization] | None = Field(None, description="Any of")


class SearchParams(Params):
    """What to look for."""

    query: Annotated[str, _at_most(MAX_QUERY_CHARS)] = Field("", description="Plain words")
    filters: Filters | None = Field(None, description="Conditions")
    facets: FacetNames | None = Field(None, description=" ".join(FACETS))
    sort: Sort = Field("relevance", description="Order")
    limit: int = Field(20, ge=1, le=MAX_LIMIT, description="Page size")
    cursor: str | None = Field(None, description="next_cursor")
    detail: Detail = Field("concise", description="How much")


class GetTitlesParams(Params):
    """Which titles, and how much of each."""

    ids: list[str] = Field(max_length=MAX_LIMIT, description="Title ids")
    detail: Detail = Field("detailed", description="How much of each")
    fields: Texts | None = Field(None, description="Only these members")


class ResolveParams(Params):
    """A name, and what else is known of the title."""

    name: Annotated[str, _at_most(500)] = Field(description="Name")
    year: int | None = Field(None, description="Release year")
    kind: Kind | None = Field(None, description="Only this")


class TitleIdParams(Params):
    """A title."""

    id: str = Field(max_length=200, description="The title's id.")


class PersonIdParams(Params):
    """A person."""

    id: str = Field(max_length=200, description="The person's id, or full name.")


class Result(BaseModel):
    """What is sent."""

    model_config = ConfigDict(defer_build=True)


class Identified(Result):
    """Something with an id: all that the schemas of lists promise of a title. What they hold are its subclasses."""

    id: str
    title: str


class TitleRef(Identified):
    """Enough of a title to tell it from others."""

    year: int | None = None
    kind: str


class TitleItem(TitleRef):
    """A title in a list. `rating` is from 0 to 10."""

    genres: list[str] | None = None
    runtime_minutes: int | None = None
    directors: list[str] | None = None
    cast: list[str] | None = None
    rating: float | None = None
    overview: str | None = None


class TitleDetails(TitleItem):
    """A title with all that the catalogue knows. `cast` says the characters too.

    Attributes:
        ratings: As each source's own scale has it.
        popularity: From 0 to 100, comparable over the catalogue.
        platforms: Keys of the platforms that offer it somewhere.
        badges: What platforms call it their own by, e.g. Max Original.
        explanation: Why it matched the query.
    """

    overview_source: str | None = None
    tagline: str | None = None
    writers: list[str] | None = None
    alternative_titles: list[str] | None = None
    keywords: list[str] | None = None
    certification: str | None = None
    language: str | None = None
    countries: list[str] | None = None
    release_date: str | None = None
    popularity: float | None = None
    ratings: dict[str, float] | None = None
    external_ids: dict[str, str] | None = None
    seasons: int | None = None
    parent_id: str | None = None
    season_number: int | None = None
    episode_number: int | None = None
    platforms: list[str] | None = None
    badges: list[str] | None = None
    explanation: str | None = None


class Echoed(Result):
    """The query, and what it was taken for where that is not what was written. What results hold is its subclass.

    Attributes:
        did_you_mean: Another way to take it.
    """

    original: str
    corrected: str | None = None
    did_you_mean: str | None = None


class QueryEcho(Echoed):
    """How the query was understood.

    Attributes:
        why: The reason of the correction.
        expansions: Words tried beside those written.
        intent: Conditions found in the words, the words left over (`text`), who found them (`source`), and
            `confidence` from 0 to 1.
        relaxed: No title has all that was asked for, these have most of it.
    """

    why: str | None = None
    expansions: list[str] | None = None
    intent: dict[str, Any] | None = None
    relaxed: bool | None = None


@dataclass(slots=True)  # an answer has dozens
class FacetValue:
    """One value of a facet, how many titles of the result have it, and whether a filter selects it."""

    value: str
    count: int
    selected: bool


class SearchResult(Result):
    """A page of titles. `truncated`: fewer than `limit`, to keep the answer short; the next page goes on there.

    Attributes:
        total: Titles that match.
        facets: By name lists of `FacetValue`, counted over all of the result.
        next_cursor: Gives the next page; None on the last.
        hint: What to try, what was left out, or that the index is still being built.
    """

    query: SerializeAsAny[Echoed]
    total: int
    items: list[SerializeAsAny[Identified]]
    facets: dict[str, Any] | None = None
    has_more: bool = False
    next_cursor: str | None = None
    truncated: bool = False
    hint: str | None = None


class TitleList(Result):
    """Titles in the order asked for.

    Attributes:
        missing: Ids that the catalogue does not have.
        omitted: Ids left out to keep the answer short; ask for them again.
    """

    items: list[SerializeAsAny[Identified]]
    missing: list[str]
    omitted: list[str] | None = None


class Candidate(Result):
    """A title that the name may mean. `score` is from 0 to 1."""

    title: SerializeAsAny[Identified]
    score: float
    reason: str


class Candidates(Result):
    """What the name may mean, most likely first."""

    candidates: list[Candidate]
    hint: str | None = None


class PersonCredit(TitleRef):
    """A person's part in a title."""

    role: str
    character: str | None = None


class PersonDetails(Result):
    """A person and the titles they made, most popular first. `total` counts all their credits."""

    id: str
    name: str
    total: int
    credits: list[PersonCredit]
