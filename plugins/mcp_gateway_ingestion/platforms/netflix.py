"""Netflix."""

from __future__ import annotations

import re

from mcp_gateway.catalog.models import OfferKind

from .genres import Vocabulary
from .normalizer import Normalizer
from .rules import Package, Rules

GENRES = {
    "anime features": ("Animation", "anime"),
    "anime series": ("Animation", "anime"),
    "british tv shows": ("british",),
    "children & family movies": ("Family", "children"),
    "classic & cult tv": ("classic", "cult"),
    "classic movies": ("classic",),
    "crime tv shows": ("Crime",),
    "cult movies": ("cult",),
    "horror movies": ("Horror",),
    "independent movies": ("independent",),
    "international movies": ("international",),
    "international tv shows": ("international",),
    "kids' tv": ("Family", "children"),
    "korean tv shows": ("korean",),
    "lgbtq movies": ("lgbtq",),
    "romantic movies": ("Romance",),
    "romantic tv shows": ("Romance",),
    "science & nature tv": ("Documentary", "nature", "science"),
    "spanish-language tv shows": ("spanish-language",),
    "sports movies": ("Sport",),
    "stand-up comedy & talk shows": ("Comedy", "Talk Show", "stand-up"),
    "teen tv shows": ("teen",),
    "tv action & adventure": ("Action", "Adventure"),
    "tv comedies": ("Comedy",),
    "tv dramas": ("Drama",),
    "tv horror": ("Horror",),
    "tv mysteries": ("Mystery",),
    "tv sci-fi & fantasy": ("Science Fiction", "Fantasy"),
    "tv thrillers": ("Thriller",),
}
_WITH_ADS = Package(OfferKind.ADS, "Standard with Ads")

NETFLIX = Normalizer(
    Rules(
        key="netflix",
        name="Netflix",
        link_hosts=frozenset({"www.netflix.com", "netflix.com"}),
        vocabulary=Vocabulary(
            GENRES, badges=dict.fromkeys(("netflix original", "netflix originals"), "Netflix Original")
        ),
        services=frozenset({"netflix"}),
        packages={
            "netflix": Package(), 8: Package(),
            "netflixkids": Package(), 175: Package(),
            "netflixbasicwithads": _WITH_ADS, 1796: _WITH_ADS,
        },
        locations={"Netflix": OfferKind.FLATRATE},
        column="Netflix",
        id_in_path=re.compile(r"/title/(\d{4,12})(?:/|$)"),
        latest_season_year=True,
    )
)  # fmt: skip
