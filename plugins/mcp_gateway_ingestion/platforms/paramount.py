"""Paramount+."""

from __future__ import annotations

import re

from mcp_gateway.catalog.models import OfferKind

from .genres import Vocabulary
from .normalizer import Normalizer
from .rules import Package, Rules

_ESSENTIAL = Package(OfferKind.ADS, "Essential")
_PREMIUM = Package(None, "Premium")
_SHOWTIME = Package(None, "with Showtime")

PARAMOUNT = Normalizer(
    Rules(
        key="paramount",
        name="Paramount+",
        link_hosts=frozenset({"www.paramountplus.com", "paramountplus.com"}),
        vocabulary=Vocabulary(
            {"mtv": ("mtv",), "nick": ("Family", "nickelodeon"), "game show & competition": ("Reality", "game show")},
            badges=dict.fromkeys(("paramount+ original", "paramount+ originals"), "Paramount+ Original"),
        ),
        services=frozenset({"paramount"}),
        packages={
            "paramountplus": Package(), 531: Package(),
            "paramountplusessential": _ESSENTIAL, 2616: _ESSENTIAL,
            "paramountpluspremium": _PREMIUM, 2303: _PREMIUM,
            "paramountplusshowtime": _SHOWTIME, 1770: _SHOWTIME,
        },
        locations={"Paramount+": OfferKind.FLATRATE},
        column="Paramount+",
        id_in_path=re.compile(r"/movies/(?:[^/]+/)?(?:video/)?([A-Za-z0-9_-]{32})(?:/|$)"),
    )
)  # fmt: skip
