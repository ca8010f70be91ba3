"""The `[plugins.auth]` table of gateway.toml."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator


class AuthSettings(BaseModel):
    """Who may use the gateway, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(False, description="Sign people in, and ask every caller for a token.")
    issuer: str = Field(
        "",
        description="The gateway's public address, as `https://media.example`; it stands in every token. Empty: the "
        "address that it listens on.",
    )
    external_issuer: str = Field(
        "",
        description="Another OpenID provider that signs people in, by the address in its tokens. Empty: the gateway "
        "does so itself.",
    )
    external_audience: str = Field(
        "", description="What that provider's tokens for the gateway are for (`aud`). Empty: the issuer with `/mcp`."
    )
    families_url: str = Field(
        "",
        description="Where the state of sign-ins is kept: `redis://host:6379/0` (`rediss://` with TLS), a server that "
        "evicts nothing. Empty: in the database.",
    )
    access_token_seconds: int = Field(300, ge=30, le=3600, description="How long an access token is good for.")
    idle_days: float = Field(30, gt=0, le=366, description="A sign-in that is not refreshed for so long ends.")
    absolute_days: float = Field(
        180, gt=0, le=3660, description="A sign-in ends so long after it began, at the latest."
    )
    key_days: float = Field(30, gt=0, le=366, description="How long a key signs tokens until the next one takes over.")
    key_lead_seconds: int = Field(
        600, ge=120, le=86_400, description="How long a new key is published before it signs anything."
    )
    never_saves_refresh_token: list[str] = Field(
        default=[],
        description="Clients, by client id, that are known to keep their first refresh token for ever. Theirs is not "
        "rotated, and its theft cannot be noticed.",
    )

    registration: bool = Field(
        True, description="Let clients register themselves (RFC 7591). Without it only those with a document get in."
    )
    client_documents: bool = Field(
        True,
        description="Accept clients whose id is the https address of a document about them, which is fetched from the "
        "internet.",
    )
    client_authentication: list[Literal["none", "client_secret_basic", "client_secret_post"]] = Field(
        default=["none", "client_secret_basic", "client_secret_post"],
        min_length=1,
        description="How clients that register may prove who they are; most are programs on people's own computers, "
        "which keep no secret: `none`. Clients with a document have none either.",
    )
    client_address_header: str = Field(
        "",
        description="Header in which the proxy in front says where a request comes from, e.g. `X-Forwarded-For`; its "
        "last entry counts. Empty: there is no proxy.",
    )

    @field_validator("issuer", "external_issuer")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return checked_issuer(value) if value else value

    @field_validator("families_url")
    @classmethod
    def _is_redis(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in {"redis", "rediss"}:
            raise ValueError("must be as redis://user:password@host:6379/0, or empty")
        return value

    @field_validator("never_saves_refresh_token", "client_authentication", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value


def checked_issuer(address: str) -> str:
    """A public address, without a slash at its end.

    Raises:
        ValueError: It is none, or not encrypted although others than this machine use it.
    """
    parts = urlsplit(address)
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if not parts.hostname or (parts.scheme != "https" and not (local and parts.scheme == "http")):
        raise ValueError("must begin with https://, or http:// on this machine alone")
    if parts.query or parts.fragment or "@" in parts.netloc or parts.port == 0:
        raise ValueError("may have no user, query or fragment, and must name its port")
    if parts.netloc != parts.netloc.lower() or parts.netloc.endswith({"https": ":443", "http": ":80"}[parts.scheme]):
        raise ValueError("must be in small letters and without the usual port, as browsers write it")
    return address.rstrip("/")
