"""Prime Video: a subscription, a shop, and channels of others."""

from __future__ import annotations

import re

from mcp_gateway.catalog.models import OfferKind

from .genres import Vocabulary
from .normalizer import Normalizer
from .rules import Package, Rules

_SHOPS = (
    "com", "de", "co.uk", "fr", "it", "es", "nl", "se", "pl", "co.jp", "ca", "com.au", "com.br", "com.mx", "in",
    "com.tr", "com.be", "sg", "ae", "sa", "eg",
)  # fmt: skip
GENRES = {
    "arthouse": ("arthouse",),
    "arts, entertainment, and culture": ("arts",),
    "fitness": ("fitness",),
    "military and war": ("War", "military"),
    "music videos and concerts": ("Music", "concert"),
    "special interest": ("special interest",),
    "talk show and variety": ("Talk Show", "variety"),
    "unscripted": ("Reality",),
    "young adult audience": ("young adult",),
}
_WITH_ADS = Package(OfferKind.ADS, "Prime Video with Ads")
_FREE = Package(OfferKind.FREE, "Free with Ads")

PRIME_VIDEO = Normalizer(
    Rules(
        key="prime_video",
        name="Prime Video",
        link_hosts=frozenset(
            {"www.primevideo.com", "app.primevideo.com", "primevideo.com", "watch.amazon.com"}
            | {f"www.amazon.{shop}" for shop in _SHOPS}
        ),
        vocabulary=Vocabulary(
            GENRES,
            badges=dict.fromkeys(("amazon original", "amazon originals", "prime original"), "Amazon Original"),
        ),
        services=frozenset({"prime"}),
        packages={
            "amazonprime": Package(), 9: Package(), 119: Package(),
            "amazon": Package(), 10: Package(),
            "amazonprimevideowithads": _WITH_ADS, 2100: _WITH_ADS,
            "amazonimdbtv": _FREE, 613: _FREE,
        },
        channel_suffix="amazon channel",
        locations={"Amazon Prime Video": OfferKind.FLATRATE, "Amazon Instant Video": None},
        column="Prime Video",
        id_in_path=re.compile(r"/detail/([0-9A-Z]{10,26})(?:/|$)"),
        latest_season_year=True,
    )
)  # fmt: skip
