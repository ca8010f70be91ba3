"""Parameters and results of the plugin's tools."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """Frozen, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Account(Strict):
    """Who asks, as the gateway knows them."""

    id: str = Field(description="`local`: nobody signs in here, and all may be done.")
    name: str | None = None
    scopes: list[str] = Field(description="What you may do for them.")
    sign_in_id: str | None = None


class SignInEntry(Strict):
    """One client that may act for the caller."""

    id: str = Field(description="For revoke_sign_in.")
    client: str = Field(description="The client's name, or its id where it has none.")
    device: str = Field(description="The device in words, as far as it said.")
    place: str = Field(description="Where from, in words.")
    scopes: list[str] = Field(description="What the client may do.")
    begun_at: str = Field(description="ISO 8601, UTC.")
    last_used_at: str = Field(description="ISO 8601, UTC.")
    ends_at: str = Field(description="When it ends unless it is used again, ISO 8601, UTC.")
    is_this_one: bool = Field(description="Whether it is the one that asks.")


class SignIns(Strict):
    """All of the caller's, last used first."""

    items: list[SignInEntry]


class RevokeSignInParams(Strict):
    """Which sign-in to end."""

    id: str = Field(min_length=1, max_length=100, description="Its id in list_sign_ins.")
    dry_run: bool = Field(False, description="Only say what would happen.")


class RevokedSignIn(Strict):
    """The sign-in that was ended: its client has to ask again."""

    id: str
    client: str
    dry_run: bool
