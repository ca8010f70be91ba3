"""The `[plugins.ingestion]` table of gateway.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class IngestionSettings(BaseModel):
    """What is taken in without being asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    starter: bool = Field(True, description="Fill an empty catalogue with the bundled starter catalogue.")
