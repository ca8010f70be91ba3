"""Parameters and results of `sync_availability`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from .report import Outcome
from .shape import Drift


class Strict(BaseModel):
    """Frozen, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class SyncParams(Strict):
    """What to bring up to date."""

    platforms: list[str] | None = Field(None, max_length=50, description="Only these, by key.")
    regions: list[str] | None = Field(None, max_length=250, description="Only these, ISO 3166-1 alpha-2.")
    dry_run: bool = Field(False, description="Only say what would happen.")
    accept: list[Literal["removals", "shape"]] = Field(
        [],
        max_length=2,
        description="removals: end offers that went in masses. shape: take the fields that payloads have now as usual.",
    )


class ListingReport(Strict):
    """What became of a platform's listing in a region."""

    source: str
    platform: str
    region: str
    outcome: Outcome = Field(description="held: removals wait for accept. waiting: not before retry_at.")
    full: bool = Field(description="Whether all that is offered was listed, not only what changed.")
    pages: int
    payloads: int
    rejected: int = Field(description="Payloads that could not be used; see list_rejected_records.")
    not_understood: int = Field(description="Values in the others that were kept as they came.")
    created: int = Field(description="Titles that are new.")
    updated: int = Field(description="Titles that changed.")
    offers: int
    changed: int = Field(description="Offers that are new or different.")
    ended: int = Field(description="Offers that went; with held or dry_run, those that would.")
    error: str | None = None
    retry_at: str | None = None
    drift: list[Drift] | None = Field(None, description="Fields that came more or less often than usual, in percent.")


class SyncResult(Strict):
    """What was brought up to date."""

    items: list[ListingReport] = Field(description="One a platform and region.")
    in_trouble: int = Field(description="How many of them are not up to date now.")
    dry_run: bool
    note: str | None = None
