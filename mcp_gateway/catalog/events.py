"""Facts about the catalogue that other plugins and other systems hear of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b
from operator import attrgetter
from typing import Any, ClassVar, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from mcp_gateway.catalog.models import Kind, Offer, OfferKind, TitleId


class Event(BaseModel):
    """A fact that happened. Subclasses set `event_type`, the CloudEvents type, `subject` and `event_id`.

    Unknown fields are ignored on reading, so that an older instance understands a newer one's events.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)
    event_type: ClassVar[str]

    @property
    def subject(self) -> str:
        """What the fact is about; events of one subject keep their order."""
        raise NotImplementedError(f"{type(self).__name__} says no subject")

    def event_id(self) -> str:
        """Identifies the fact, by its fields alone: whoever sees it twice sees the same id."""
        raise NotImplementedError(f"{type(self).__name__} says no id")


class TitleChanged(Event):
    """A title came into the catalogue, or what it says of itself changed."""

    event_type: ClassVar[str] = "media.title.changed"

    title_id: TitleId = Field(description="The title.")
    kind: Kind = Field(description="Its kind.")
    change: Literal["created", "updated"] = Field(description="What happened.")
    revision: int = Field(description="The catalogue's revision that holds the change.")

    @property
    def subject(self) -> str:
        """The title's id."""
        return self.title_id

    def event_id(self) -> str:
        """One per title and revision."""
        return f"{self.title_id}:{self.revision}"


class OfferTerms(BaseModel):
    """What an offer says, without what tells it from others."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    audio: tuple[str, ...] = Field((), description="BCP 47 tags, sorted.")
    subtitles: tuple[str, ...] = Field((), description="BCP 47 tags, sorted.")
    price_minor: int | None = Field(None, description="In the currency's minor units; absent when not priced apiece.")
    currency: str | None = Field(None, description="ISO 4217.")
    valid_from: datetime | None = Field(None, description="From then on, UTC.")
    valid_until: datetime | None = Field(None, description="Until just before then, UTC.")
    link: str | None = Field(None, description="Where to watch it.")
    confidence: float = Field(1.0, description="0 to 1, how sure the source makes us.")

    @staticmethod
    def of(offer: Offer) -> OfferTerms:
        """What an offer of the catalogue says."""
        return OfferTerms(**terms_of(offer))


TERMS = tuple(OfferTerms.model_fields)
"""The fields that make an offer another one when they change."""


GONE = b"gone"
_terms = attrgetter(*TERMS)


def terms_of(offer: Offer | OfferTerms) -> dict[str, Any]:
    """What an offer says, by field."""
    return dict(zip(TERMS, _terms(offer), strict=True))


def offer_event_id(slot: Iterable[str], outcome: bytes, revision: int) -> str:
    """The id of an event on an offer: one per offer, what became of it, and revision."""
    told = "\x1f".join([*slot, str(revision)]).encode() + b"\x1f" + outcome
    return blake2b(told, digest_size=16).hexdigest()


class OfferEvent(Event):
    """Something about one offer: what title, platform, region, kind, tier, quality and source are the same of."""

    title_id: TitleId = Field(description="The title.")
    platform: str = Field(description="The platform's key.")
    region: str | None = Field(None, description="ISO 3166-1 alpha-2; absent when the source does not say.")
    kind: OfferKind = Field(description="How it is paid for.")
    tier: str | None = Field(None, description="The plan's name where the platform has several.")
    quality: str | None = Field(None, description="sd, hd, qhd or uhd; absent when not known.")
    source: str = Field(description="Who says so.")
    revision: int = Field(description="The catalogue's revision that holds the change.")

    @property
    def subject(self) -> str:
        """The title's id."""
        return self.title_id

    @property
    def slot(self) -> tuple[str, ...]:
        """What tells the offer from all others."""
        told = (self.title_id, self.platform, self.region, self.kind, self.tier, self.quality, self.source)
        return tuple(part or "" for part in told)

    def event_id(self) -> str:
        """One per offer, its new terms and the revision."""
        return offer_event_id(self.slot, self._outcome(), self.revision)

    def _outcome(self) -> bytes:
        raise NotImplementedError


class AvailabilityChanged(OfferEvent):
    """An offer came, went, or says something else than before. Without `after` it is no more."""

    event_type: ClassVar[str] = "media.availability.changed"

    before: OfferTerms | None = Field(None, description="What stood; absent when the offer is new.")
    after: OfferTerms | None = Field(None, description="What stands now; absent when it is gone.")
    changed: tuple[str, ...] = Field((), description="Which terms differ; all of them when it came or went.")
    observed_at: datetime = Field(description="When the source said so, UTC.")

    def _outcome(self) -> bytes:
        return GONE if self.after is None else orjson.dumps(terms_of(self.after))


class AvailabilityExpired(OfferEvent):
    """An offer's time is over. It is no more."""

    event_type: ClassVar[str] = "media.availability.expired"

    before: OfferTerms = Field(description="What it was.")
    expired_at: datetime = Field(description="When its time was over, UTC.")

    def _outcome(self) -> bytes:
        return b"expired " + self.expired_at.isoformat().encode()


class SignInRevoked(Event):
    """A sign-in ended before its time, and all its tokens with it. Whoever holds anything open for it closes that."""

    event_type: ClassVar[str] = "media.signin.revoked"

    family_id: str = Field(description="The token family: `token_family_id` in the claims of its tokens.")
    client_id: str = Field(description="The client that was signed in.")
    reason: str = Field(
        description="`reuse` of a refresh token, `revoked`, `erased`, or another word of whoever did it."
    )
    revoked_at: datetime = Field(description="When, UTC.")

    @property
    def subject(self) -> str:
        """The family's id."""
        return self.family_id

    def event_id(self) -> str:
        """One per family: it ends once."""
        return f"{self.family_id}:revoked"
