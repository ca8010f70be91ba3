"""The `[plugins.ingestion]` table of gateway.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class IngestionSettings(BaseModel):
    """What is taken in without being asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    starter: bool = Field(True, description="Fill an empty catalogue with the bundled starter catalogue.")
    keep_starter: bool = Field(
        False, description="Keep the starter catalogue when a file is taken in; else it gives way to the first one."
    )
