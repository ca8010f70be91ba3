"""What the tools take and answer: the same models in every Python server that is measured."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

HERE = Path(__file__).parent


class Echo(BaseModel):
    """What was said."""

    result: str


class Offer(BaseModel):
    """One way to watch a title."""

    platform: str
    region: str
    monetization: str
    price: float | None = None


class Item(BaseModel):
    """A title that was found."""

    id: str
    name: str
    kind: str
    year: int
    genres: list[str]
    score: float
    people: list[str]
    overview: str
    offers: list[Offer]


class FacetValue(BaseModel):
    """How many of the titles have a value."""

    value: str
    count: int


class Answer(BaseModel):
    """A page of titles, as a search answers it."""

    total: int
    items: list[Item]
    facets: dict[str, list[FacetValue]]
    has_more: bool
    next_cursor: str | None = None


class EchoParams(BaseModel):
    """What to say."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    text: str = Field(description="Comes back.")


class SearchParams(BaseModel):
    """What to look for."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    query: str = Field(description="Words of the name, the plot or the people.")
    genres: list[str] = Field(default=[], description="Any of these.")
    region: str = Field("US", description="Two letters.")
    limit: int = Field(20, ge=1, le=100, description="Titles on a page.")


ANSWER = Answer.model_validate_json((HERE / "answer.json").read_bytes())
# Tools that are listed and never called: names and descriptions.
OTHERS: dict[str, str] = json.loads((HERE / "others.json").read_bytes())
