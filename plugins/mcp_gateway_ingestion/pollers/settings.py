"""The `[plugins.ingestion.tmdb]` and `[plugins.ingestion.streaming_availability]` tables of gateway.toml."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

Region = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class PollerSettings(BaseModel):
    """What every API needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    regions: tuple[Region, ...] = Field(("US",), max_length=60, description="Countries to ask about, ISO 3166-1.")
    request_seconds: float = Field(20, gt=0, le=300, description="How long one request may take.")


class TmdbSettings(PollerSettings):
    """The API of TMDB: who offers what, without prices and dates. Attribution to TMDB and JustWatch is owed."""

    token: SecretStr | None = Field(None, description="API read access token (v4 auth); without it TMDB is not asked.")
    base_url: str = Field("https://api.themoviedb.org/3", description="Where the API is.")


class StreamingAvailabilitySettings(PollerSettings):
    """The Streaming Availability API, version 4: offers with prices, qualities and dates."""

    key: SecretStr | None = Field(None, description="The API's key; without it the API is not asked.")
    base_url: str = Field("https://streaming-availability.p.rapidapi.com", description="Where the API is.")
