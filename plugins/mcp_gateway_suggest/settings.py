"""The `[plugins.suggest]` table of gateway.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class SuggestSettings(BaseModel):
    """How suggestions are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_seconds: float = Field(
        0.5, ge=0, le=60, description="How long the start waits for the index; what remains is built in the background."
    )
    poll_seconds: float = Field(
        0.5,
        gt=0,
        le=60,
        description="Longest pause between looks at the catalogue for titles that another process changed.",
    )
    cache_seconds: float = Field(3600, gt=0, le=86_400, description="How long an answer stays in the cache.")
