"""The `[plugins.search]` table of gateway.toml."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class SearchSettings(BaseModel):
    """How the search index is kept, and how queries are understood."""

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
    ask_model: bool = Field(
        True,
        description="Ask the client's own model about long descriptions that rules do not understand, if it lends one.",
    )
    ask_model_seconds: float = Field(
        10.0, gt=0, le=60, description="How long to wait for the client's model before searching without its answer."
    )
    synonyms_files: tuple[Path, ...] = Field(
        (),
        description="TOML files that add to the words queries may use, in the form of the built-in synonyms.toml.",
    )
