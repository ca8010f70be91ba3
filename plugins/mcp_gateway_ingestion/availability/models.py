"""Parameters and results of the tools on availability.

Models read the schemas and pay for each byte: a result's schema lists the members that matter, and what is sent has
the others too (`...Ref` and its subclass).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SerializeAsAny

Status = Literal["available", "upcoming", "not_offered", "not_known"]
ALL_REGIONS = "all"
DAYS = 90


class Params(BaseModel):
    """What a caller sends: unknown members are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Result(BaseModel):
    """What is sent: what is not known is left out."""

    model_config = ConfigDict(frozen=True, defer_build=True)


def _at_most(bound: int) -> AfterValidator:
    """A bound that only whoever exceeds it needs to hear of: it is not in the schema."""

    def check(value: Any) -> Any:
        if (len(value) if isinstance(value, str) else value) > bound:
            raise ValueError(f"must not be more than {bound}")
        return value

    return AfterValidator(check)


def _positive(value: int) -> int:
    if value < 1:
        raise ValueError("must be at least 1")
    return value


class AvailabilityParams(Params):
    """Which title, and where."""

    id: Annotated[str, _at_most(200)] = Field(description="Title id")
    region: str | None = Field(None, description="e.g. US")


class OfferRef(Result):
    """One way to watch a title."""

    platform: str = ""


class OfferItem(OfferRef):
    """One way to watch a title, with all that is known of it.

    Attributes:
        price: Like `3.99 USD`; `price_minor` is the same in the currency's minor units.
        available_from: Not before then.
        available_until: Until just before then.
        observed_at: When the source first said so.
        confidence: 0 to 1; left out when it is 1.
    """

    kind: str = ""
    region: str | None = None
    tier: str | None = None
    quality: str | None = None
    price: str | None = None
    price_minor: int | None = None
    currency: str | None = None
    audio: list[str] | None = None
    subtitles: list[str] | None = None
    available_from: str | None = None
    available_until: str | None = None
    link: str | None = None
    source: str = ""
    observed_at: str = ""
    confidence: float | None = None


class SourceItem(Result):
    """How up to date a source is on a platform in a region.

    Attributes:
        checked_at: When its listing was last taken in whole; left out when it never was.
        age_seconds: Since then.
        is_stale: Whether that is too long ago to rely on, or never was.
        error: Why it is not up to date.
    """

    source: str
    platform: str
    region: str
    checked_at: str | None = None
    age_seconds: int | None = None
    is_stale: bool
    error: str | None = None


class AvailabilityRef(Result):
    """Where a title can be watched."""

    region: str
    status: str
    offers: list[SerializeAsAny[OfferRef]]


class Availability(AvailabilityRef):
    """Where a title can be watched, in the region asked for or in all.

    Attributes:
        regions: Where else it is offered, too.
        checked: Platforms whose listings of the region are complete and up to date.
        note: What the status rests on.
    """

    status: Status
    id: str
    title: str
    regions: list[str]
    subscription_required: bool | None = None
    prices: list[str] | None = None
    available_until: str | None = None
    checked: list[str]
    sources: list[SourceItem]
    note: str | None = None


class ExpiringParams(Params):
    """What leaves where, and how soon."""

    platform: Annotated[str, _at_most(40)] | None = Field(None, description="Key")
    region: str | None = Field(None, description="e.g. US")
    days: Annotated[int, AfterValidator(_positive), _at_most(DAYS)] = Field(30, description="Days")
    limit: Annotated[int, AfterValidator(_positive), _at_most(100)] = Field(20, description="Page size")
    cursor: str | None = Field(None, description="next_cursor")


class LeavingRef(Result):
    """A title that leaves."""

    id: str = ""
    available_until: str = ""


class LeavingItem(LeavingRef):
    """A title that leaves a platform in a region; without a region, it is not known where."""

    title: str = ""
    kind: str = ""
    year: int | None = None
    platform: str = ""
    region: str | None = None


class ExpiringRef(Result):
    """Titles that leave, the next first."""

    items: list[SerializeAsAny[LeavingRef]]


class Expiring(ExpiringRef):
    """Titles that leave, the next first.

    Attributes:
        note: How complete that is.
    """

    region: str
    until: str
    total: int
    has_more: bool
    next_cursor: str | None = None
    sources: list[SourceItem]
    note: str | None = None


class PlatformItem(Result):
    """A streaming platform.

    Attributes:
        regions: How many offers are known, by region; `unknown` where the source does not say.
        can_be_read: Whether its payloads can be taken in.
        sources: What keeps it up to date.
    """

    key: str
    name: str
    regions: dict[str, int] = Field(description="Offers by region")
    can_be_read: bool = Field(description="Whether its payloads can be taken in")
    sources: list[SourceItem]


class PlatformList(Result):
    """The platforms, by key."""

    items: list[PlatformItem]
