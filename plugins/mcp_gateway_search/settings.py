"""The `[plugins.search]` table of gateway.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class SearchSettings(BaseModel):
    """How the search index is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_seconds: float = Field(
        0.5,
        ge=0,
        le=60,
        description="How long the start waits for the index to take in new titles; the rest follows in the background.",
    )
    poll_seconds: float = Field(
        0.5,
        gt=0,
        le=60,
        description="Longest pause between looks at the catalogue for titles that another process changed.",
    )
