"""Hulu."""

from __future__ import annotations

import re

from mcp_gateway.catalog.models import OfferKind

from .genres import Vocabulary
from .normalizer import Normalizer
from .rules import Package, Rules

GENRES = {
    "black stories": ("black stories",),
    "cooking & food": ("food",),
    "health & wellness": ("health",),
    "late night": ("Talk Show", "late night"),
    "latino": ("latino",),
    "lifestyle & culture": ("lifestyle",),
    "science & technology": ("science", "technology"),
}

HULU = Normalizer(
    Rules(
        key="hulu",
        name="Hulu",
        link_hosts=frozenset({"www.hulu.com", "hulu.com"}),
        vocabulary=Vocabulary(GENRES, badges={"hulu original": "Hulu Original", "hulu originals": "Hulu Original"}),
        services=frozenset({"hulu"}),
        packages={"hulu": Package(), 15: Package()},
        locations={"Hulu": OfferKind.FLATRATE},
        column="Hulu",
        id_in_path=re.compile(
            r"/(?:movie|series)/(?:[a-z0-9-]+-)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/|$)"
        ),
    )
)
