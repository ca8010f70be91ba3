"""Disney+, Disney+ Hotstar's genres included."""

from __future__ import annotations

import re

from mcp_gateway.catalog.models import OfferKind

from .genres import Vocabulary
from .normalizer import Normalizer
from .rules import Package, Rules

GENRES = {
    "awards": ("awards",),
    "buddy": ("buddy",),
    "dance": ("dance",),
    "disaster": ("disaster",),
    "football": ("Sport", "football"),
    "game show / competition": ("Reality", "game show"),
    "kabaddi": ("Sport", "kabaddi"),
    "medical": ("medical",),
    "mythology": ("mythology",),
    "police/cop": ("Crime", "police"),
    "science": ("science",),
    "soap opera / melodrama": ("Drama", "soap opera"),
    "spy/espionage": ("spy",),
    "survival": ("survival",),
}

DISNEY_PLUS = Normalizer(
    Rules(
        key="disney_plus",
        name="Disney+",
        link_hosts=frozenset({"www.disneyplus.com", "disneyplus.com"}),
        vocabulary=Vocabulary(
            GENRES,
            badges=dict.fromkeys(("disney+ original", "disney+ originals", "disney plus original"), "Disney+ Original"),
        ),
        services=frozenset({"disney"}),
        packages={"disneyplus": Package(), 337: Package(), 390: Package()},
        locations={"Disney+": OfferKind.FLATRATE},
        column="Disney+",
        id_in_path=re.compile(r"/(?:(?:movies|series)/[^/]+/|browse/entity-)([A-Za-z0-9-]{10,36})(?:/|$)"),
    )
)
