"""HBO Max (2020 to 2023 HBO Max, then Max, since 2025 HBO Max again)."""

from __future__ import annotations

from typing import Any

from mcp_gateway.catalog.models import OfferKind
from mcp_gateway.catalog.platforms import PlatformTitle, Sighting

from .fields import Notes
from .genres import Vocabulary
from .hbo_max_links import HOSTS, ID_IN_PATH
from .hbo_max_shapes import Entity, described, entities, is_own
from .hbo_max_titles import family_order, title_of
from .normalizer import Normalizer
from .rules import Package, Rules, Unusable

GENRES = {
    "adult swim": ("adult swim",),
    "comedy specials": ("Comedy", "stand-up"),
    "crime & mystery": ("Crime", "Mystery"),
    "dc": ("superhero", "dc"),
    "dc universe": ("superhero", "dc"),
    "documentary series": ("Documentary", "docuseries"),
    "drama series": ("Drama",),
    "fantasy & sci-fi": ("Fantasy", "Science Fiction"),
    "hbo documentaries": ("Documentary",),
    "hbo documentary": ("Documentary",),
    "home & food": ("lifestyle", "food"),
    "horror & suspense": ("Horror", "Thriller"),
    "late night": ("Talk Show", "late night"),
    "latino": ("latino",),
    "limited series": ("limited series",),
    "looney tunes": ("Animation", "Family"),
    "miniseries": ("limited series",),
    "mystery & thriller": ("Mystery", "Thriller"),
    "news & talk": ("News", "Talk Show"),
    "prestige drama": ("Drama", "prestige"),
    "romantic": ("Romance",),
    "science & technology": ("science", "technology"),
    "sketch": ("Comedy", "sketch comedy"),
    "stand-up": ("Comedy", "stand-up"),
    "studio ghibli": ("Animation", "studio ghibli"),
    "true crime": ("Crime", "Documentary", "true crime"),
}
BADGES = {
    "hbo original": "HBO Original",
    "hbo originals": "HBO Original",
    "hbo max original": "HBO Max Original",
    "hbo max originals": "HBO Max Original",
    "max original": "Max Original",
    "max originals": "Max Original",
}


class HboMax(Normalizer):
    """Reads also the platform's own catalogue: see `hbo_max_shapes`."""

    def titles_of(self, payload: Any, seen: Sighting, notes: Notes) -> tuple[PlatformTitle, ...]:
        """The titles of a payload, a series before its seasons and these before their episodes."""
        if not is_own(payload):
            return super().titles_of(payload, seen, notes)
        return self._own_titles(entities(payload, notes), payload, seen, notes)

    def _own_titles(
        self, listed: list[Entity], payload: Any, seen: Sighting, notes: Notes
    ) -> tuple[PlatformTitle, ...]:
        found: dict[str, list[PlatformTitle]] = {}
        reasons = []
        for entity in listed:
            try:
                title = title_of(entity, self.rules, seen, notes)
                found.setdefault(title.key, []).append(title)
            except Unusable as unusable:
                notes.add(entity.kind, entity.id)
                reasons.append(f"{entity.kind} {entity.id}: {unusable}")
        if not found:
            raise Unusable(min(reasons) if reasons else described(payload))
        # A film stands twice in JSON:API, as show and as video: the one with more to watch says more.
        titles = (max(group, key=_fullness) for group in found.values())
        return tuple(sorted(titles, key=family_order))


def _fullness(title: PlatformTitle) -> tuple[float, str]:
    return sum(offer.confidence for offer in title.offers), repr(title)


HBO_MAX = HboMax(
    Rules(
        key="hbo_max",
        name="HBO Max",
        link_hosts=HOSTS,
        vocabulary=Vocabulary(GENRES, badges=BADGES),
        services=frozenset({"hbo", "hbomax", "max", "hbo_max"}),
        packages={
            "hbomax": Package(), 384: Package(),
            "max": Package(), 1899: Package(),
        },
        locations={"HBO Max": OfferKind.FLATRATE, "Max": OfferKind.FLATRATE},
        column="HBO Max",
        plans="hbo_max_plans.json",
        id_in_path=ID_IN_PATH,
    )
)  # fmt: skip
