"""The `[plugins.ingestion]` table of gateway.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from .pollers.settings import StreamingAvailabilitySettings, TmdbSettings
from .sync.settings import SyncSettings


class IngestionSettings(BaseModel):
    """What is taken in without being asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    starter: bool = Field(True, description="Fill an empty catalogue with the bundled starter catalogue.")
    keep_starter: bool = Field(
        False, description="Keep the starter catalogue when a file is taken in; else it gives way to the first one."
    )
    imdb_adult: bool = Field(False, description="Take in what IMDb marks as for adults only, too.")
    imdb_url: str = Field("https://datasets.imdbws.com", description="Where `ingest imdb --download` fetches from.")
    tmdb: TmdbSettings = Field(default_factory=TmdbSettings, description="The API of TMDB, asked regularly.")
    streaming_availability: StreamingAvailabilitySettings = Field(
        default_factory=StreamingAvailabilitySettings, description="The Streaming Availability API, asked regularly."
    )
    sync: SyncSettings = Field(default_factory=SyncSettings, description="How availability is kept up to date.")
