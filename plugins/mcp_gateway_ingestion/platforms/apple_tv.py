"""Apple TV: the subscription (Apple TV+, since 2025 Apple TV), the shop, and channels of others."""

from __future__ import annotations

import re

from mcp_gateway.catalog.models import OfferKind

from .genres import Vocabulary
from .normalizer import Normalizer
from .rules import Package, Rules

APPLE_TV = Normalizer(
    Rules(
        key="apple_tv",
        name="Apple TV",
        link_hosts=frozenset({"tv.apple.com", "itunes.apple.com"}),
        vocabulary=Vocabulary(
            badges=dict.fromkeys(("apple original", "apple originals", "apple tv+ original"), "Apple Original")
        ),
        services=frozenset({"apple"}),
        packages={
            "appletvplus": Package(None, "Apple TV+"), 350: Package(None, "Apple TV+"),
            "itunes": Package(), 2: Package(),
        },
        channel_suffix="apple tv channel",
        # Streaming Availability lists the subscription as an add-on of the shop.
        own_addons=frozenset({"apple tv+", "apple tv plus", "apple tv", "tvs.sbd.4000"}),
        locations={"AppleTV+": OfferKind.FLATRATE, "iTunes": None},
        id_in_path=re.compile(r"/(umc\.cmc\.[a-z0-9]{10,40})(?:/|$)"),
    )
)  # fmt: skip
