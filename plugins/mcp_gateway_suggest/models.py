"""Parameters and result of `suggest_titles`: the shapes on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SerializeAsAny

from .segment import SuggestionType
from .segment_file import HOT_ENTRIES

# Of each match so many are at hand.
MAX_LIMIT = HOT_ENTRIES - 4
USUAL_LIMIT = 10
MAX_QUERY_CHARS = 10_000


def _between(least: int, most: int) -> AfterValidator:
    """Bounds of a length or number that only whoever exceeds them needs to hear of: they are not in the schema."""

    def check(value: Any) -> Any:
        if not least <= (value if isinstance(value, int) else len(value)) <= most:
            raise ValueError(f"must be between {least} and {most:,}{'' if isinstance(value, int) else ' long'}")
        return value

    return AfterValidator(check)


class SuggestParams(BaseModel):
    """What has been typed. Models pay for every byte of the schema, so it says little."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    q: Annotated[str, _between(0, MAX_QUERY_CHARS)] = Field(description="Typed")
    limit: Annotated[int, _between(1, MAX_LIMIT)] | None = Field(None, description="Max")
    types: list[SuggestionType] | None = Field(None, description="Of")


class Result(BaseModel):
    """What is sent."""

    model_config = ConfigDict(defer_build=True)


class Suggested(Result):
    """All that the tool's schema promises; what is sent are its subclass's members too."""

    text: str | None = None
    type: str | None = None
    id: str | None = None


class Suggestion(Suggested):
    """Something that may be meant. `popularity` is from 0 to 1; a genre's id is its name, as filters take it."""

    text: str
    type: SuggestionType
    id: str
    popularity: float
    year: int | None = None


class Suggestions(Result):
    """Best first."""

    suggestions: list[SerializeAsAny[Suggested]] = Field(default_factory=list)
