"""The `[plugins.search]` table of gateway.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator


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
        10.0, gt=0, le=60, description="How long to wait for a model before searching without its answer."
    )
    model_url: str | None = Field(
        None,
        max_length=500,
        description="Base address of an OpenAI-compatible server, e.g. `http://127.0.0.1:11434/v1`. It is asked where "
        "the client lends no model of its own.",
    )
    model_name: str | None = Field(
        None, min_length=1, max_length=200, description="The model to ask there; needed with `model_url`."
    )
    model_key: SecretStr | None = Field(
        None, min_length=1, max_length=4000, description="Key of that server, sent as a bearer token."
    )
    synonyms_files: tuple[Path, ...] = Field(
        (),
        description="TOML files that add to the words queries may use, in the form of the built-in synonyms.toml.",
    )
    semantic: bool | None = Field(
        None,
        description="Find descriptions by their meaning too, with the extra `semantic`. Unset: if it is installed.",
    )

    @field_validator("model_url")
    @classmethod
    def _is_a_base_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        if not known or parts.query or parts.fragment:
            raise ValueError("must be an address such as http://127.0.0.1:11434/v1")
        if "@" in parts.netloc:
            raise ValueError("must not carry a password; put the key into model_key")
        return value

    @field_validator("model_key")
    @classmethod
    def _fits_into_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value() if value else ""
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ValueError("must be one word of ASCII characters")
        return value

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if (self.model_url is None) != (self.model_name is None):
            raise ValueError("model_url and model_name are needed together")
        if self.model_key is not None and self.model_url is None:
            raise ValueError("model_key is of no use without model_url")
        return self
