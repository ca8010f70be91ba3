"""Peacock. Its plan Premium shows advertisements, Premium Plus does not."""

from __future__ import annotations

import re

from mcp_gateway.catalog.models import OfferKind

from .genres import Vocabulary
from .normalizer import Normalizer
from .rules import Package, Rules

_PREMIUM = Package(OfferKind.ADS, "Premium")
_PREMIUM_PLUS = Package(None, "Premium Plus")

PEACOCK = Normalizer(
    Rules(
        key="peacock",
        name="Peacock",
        link_hosts=frozenset({"www.peacocktv.com", "peacocktv.com"}),
        vocabulary=Vocabulary(
            {"wwe": ("Sport", "wrestling"), "true crime": ("Crime", "true crime"), "hispanic": ("latino",)},
            badges=dict.fromkeys(("peacock original", "peacock originals"), "Peacock Original"),
        ),
        services=frozenset({"peacock"}),
        packages={
            "peacocktv": _PREMIUM, 386: _PREMIUM,
            "peacocktvpremium": _PREMIUM_PLUS, 387: _PREMIUM_PLUS,
        },
        locations={"Peacock": OfferKind.FLATRATE},
        column="Peacock",
        id_in_path=re.compile(r"/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/|$)"),
    )
)  # fmt: skip
