"""How the payloads of streaming platforms are read: what a normalizer is given, and what it makes of it.

A normalizer is total: whatever JSON it is given becomes a record or a rejection with its reason, never an exception.
It invents nothing: what a payload does not say stays unknown, and a value it does not understand is kept as it came.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from mcp_gateway.catalog.models import Badge, OfferFacts, TitleFacts

__all__ = [
    "Badge",
    "OfferFacts",
    "PlatformNormalizer",
    "PlatformRecord",
    "PlatformTitle",
    "Rejected",
    "Sighting",
    "Unknown",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Where and when a payload was seen.

    Attributes:
        observed_at: When the source said so; aware, UTC.
        region: ISO 3166-1 alpha-2, for payloads that do not say it themselves; None when nobody knows.
    """

    observed_at: datetime
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformTitle:
    """A title as a platform lists it.

    Attributes:
        key: The platform's id of it.
        facts: What the payload says; `external_ids` holds only ids that it states.
        parent_key: For a season its series, for an episode its season (or series), by the platform's id.
    """

    key: str
    facts: TitleFacts
    offers: tuple[OfferFacts, ...] = ()
    parent_key: str | None = None
    badges: tuple[Badge, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Unknown:
    """A value that was not understood: the field, and the value as it came, cut to 200 characters."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class PlatformRecord:
    """What one payload says: titles, a parent before its children, and what was not understood."""

    titles: tuple[PlatformTitle, ...]
    unknown: tuple[Unknown, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A payload that cannot be used, and why: names the field and what is wrong with it."""

    reason: str


class PlatformNormalizer(Protocol):
    """Reads the payloads of one platform. Registered with `register_platforms`."""

    @property
    def key(self) -> str:
        """The platform's key in offers, e.g. `hbo_max`."""
        ...

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def link_hosts(self) -> frozenset[str]:
        """The hosts that its links may have; a link to another host is not kept."""
        ...

    def normalize(self, payload: Any, seen: Sighting) -> PlatformRecord | Rejected:
        """Read one payload: any JSON value, in any of the shapes that the platform's sources use.

        The same payload gives the same record, whatever the order of the lists in it; it is not changed.
        """
        ...
