"""Parameters and results of the plugin's tools."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mcp_gateway.api import Page


class Strict(BaseModel):
    """Frozen, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class IngestTitlesParams(Strict):
    """What to take in."""

    titles: list[dict[str, Any]] = Field(min_length=1, max_length=200, description="One object a title, as above.")
    dry_run: bool = Field(False, description="Only say what would happen.")


class IngestedTitle(Strict):
    """What became of a title."""

    id: str = Field(description="The title's id in the catalogue.")
    change: Literal["created", "updated", "unchanged"]
    evidence: str | None = Field(None, description="What tied it to that title.")


class RejectedTitle(Strict):
    """A title that was not taken in."""

    position: int = Field(description="Its place in titles, from 0.")
    reason: str


class IngestTitlesResult(Strict):
    """What became of the titles."""

    created: int
    updated: int
    unchanged: int
    items: list[IngestedTitle] = Field(description="Those taken in, in their order.")
    rejected: list[RejectedTitle]
    unknown_fields: list[str] = Field(description="Names that were left out.")
    dry_run: bool


class ListRejectedParams(Strict):
    """Which rejected records to list."""

    source: str | None = Field(None, max_length=100, description="Only of this source, e.g. jsonl.")
    limit: int = Field(20, ge=1, le=100, description="Records a page.")
    cursor: str | None = Field(None, description="next_cursor of the page before.")


class RejectedItem(Strict):
    """A record that could not be used."""

    source: str
    file: str
    line: int
    reason: str = Field(description="Which fields are wrong, and how.")
    raw: str = Field(description="The beginning of the record.")
    seen_at: str = Field(description="When it was rejected, ISO 8601, UTC.")


class RejectedPage(Page):
    """A page of rejected records."""

    items: list[RejectedItem]


class ForgetRejectedParams(Strict):
    """Which rejected records to forget."""

    source: str = Field(min_length=1, max_length=100, description="Those of this source, e.g. jsonl.")
    file: str | None = Field(None, max_length=1000, description="Only those of this file, as the list shows it.")


class Forgotten(Strict):
    """What was forgotten."""

    forgotten: int = Field(description="How many records left the list.")
