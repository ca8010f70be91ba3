"""The `[plugins.ingestion.sync]` table of gateway.toml."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from .state import Timing


class SyncSettings(BaseModel):
    """When sources of availability are asked, and what of their answers is believed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(True, description="Ask them regularly; else only when sync_availability is called.")
    interval_minutes: float = Field(60, ge=1, le=10_080, description="Between two runs of a platform in a region.")
    overlap_minutes: float = Field(
        120, ge=0, le=10_080, description="So much of what was asked for already is asked for again."
    )
    page_seconds: float = Field(60, gt=0, le=600, description="How long a source may take for a page.")
    hold_removals_above: float = Field(
        0.2, ge=0, le=1, description="A run that would end more than this share of the offers waits to be confirmed."
    )

    def timing(self) -> Timing:
        """As the sync uses it."""
        return Timing(
            interval=timedelta(minutes=self.interval_minutes),
            overlap=timedelta(minutes=self.overlap_minutes),
            page_seconds=self.page_seconds,
            lease=timedelta(seconds=120 + self.page_seconds),
            hold_above=self.hold_removals_above,
        )
