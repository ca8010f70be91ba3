"""What is particular to one platform, as data; the shapes of payloads are read alike for all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mcp_gateway.catalog.models import OfferKind

from .genres import Vocabulary


class Unusable(ValueError):
    """A payload cannot be used. The message names the field and says what is wrong with it."""


class Package(NamedTuple):
    """What aggregators sell under one name or number of theirs.

    Attributes:
        kind: Overrules what the aggregator says, e.g. for a plan with advertisements listed as flat rate.
        tier: The plan's name.
    """

    kind: OfferKind | None = None
    tier: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One platform.

    Attributes:
        key, name, link_hosts: As in `PlatformNormalizer`.
        vocabulary: Its genre names and badges.
        services: Its ids at Streaming Availability.
        packages: What it sells, by JustWatch's technical names and by the numbers that JustWatch and TMDB share.
        channel_suffix: Packages whose names end so are channels that it resells: add-ons.
        own_addons: Add-ons that are the platform's own subscription, lower case.
        locations: How its listings at Utelly are paid for, by display name; None where Utelly does not say.
        column: Its column in Reelgood's lists.
        plans: The file, beside this module, that says what its plans were called when.
        id_in_path: Finds its own id in the path of a link, as group 1; None where an id means different works.
        latest_season_year: Whether the year of a series in its catalogue is that of the latest season.
        has_offers: False for no platform in particular: then payloads are read for their facts alone.
    """

    key: str
    name: str
    link_hosts: frozenset[str] = frozenset()
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    services: frozenset[str] = frozenset()
    packages: Mapping[str | int, Package] = field(default_factory=dict)
    channel_suffix: str | None = None
    own_addons: frozenset[str] = frozenset()
    locations: Mapping[str, OfferKind | None] = field(default_factory=dict)
    column: str | None = None
    plans: str | None = None
    id_in_path: re.Pattern[str] | None = None
    latest_season_year: bool = False
    has_offers: bool = True
