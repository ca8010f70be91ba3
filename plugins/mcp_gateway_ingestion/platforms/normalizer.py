"""Reads a payload of any of the shapes that we know, by the rules of one platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mcp_gateway.catalog.platforms import PlatformRecord, PlatformTitle, Rejected, Sighting

from . import justwatch, rows, streaming_availability, tmdb_providers, utelly
from .fields import Notes, shown
from .rules import Rules, Unusable

_MAX_REASON = 500

Read = Callable[[Mapping[Any, Any], Rules, Sighting, Notes], PlatformTitle | tuple[PlatformTitle, ...] | None]

# The first field that a payload has decides. Those of rows come first: a catalogue has many. TMDB's details, too, have
# countries of production.
_SHAPES: tuple[tuple[str, Read], ...] = (
    ("listed_in", rows.read_listing),
    ("watch/providers", tmdb_providers.read),
    ("production_countries", rows.read_justwatch_row),
    ("hotstar_id", rows.read_hotstar),
    ("Rotten Tomatoes", rows.read_reelgood),
    ("streamingOptions", streaming_availability.read),
    ("streamingInfo", streaming_availability.read),
    ("offers", justwatch.read),
    ("results", tmdb_providers.read),
    ("collection", utelly.read),
)


def has_known_shape(values: Mapping[Any, Any]) -> bool:
    """Whether a payload has one of the shapes that all platforms share."""
    return any(field in values for field, _ in _SHAPES)


class Normalizer:
    """A platform's normalizer; a platform with a shape of its own extends `titles_of`."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.key = rules.key
        self.name = rules.name
        self.link_hosts = rules.link_hosts

    def normalize(self, payload: Any, seen: Sighting) -> PlatformRecord | Rejected:
        """Read one payload, as `PlatformNormalizer` says.

        A payload that speaks of a title but not of this platform gives a record without titles. Lists are read as
        sets, but for people: their order is the billing.
        """
        notes = Notes()
        try:
            titles = self.titles_of(payload, seen, notes)
        except Unusable as unusable:
            return Rejected(str(unusable)[:_MAX_REASON])
        return PlatformRecord(titles, notes.listed())

    def titles_of(self, payload: Any, seen: Sighting, notes: Notes) -> tuple[PlatformTitle, ...]:
        """The titles of a payload.

        Raises:
            Unusable: It cannot be used.
        """
        if not isinstance(payload, dict):
            raise Unusable(f"payload: must be an object, is {shown(payload)[:100]}")
        inner = payload.get("result")
        values = inner if isinstance(inner, dict) else payload  # some clients wrap what they got
        for field, read in _SHAPES:
            if field in values:
                found = read(values, self.rules, seen, notes)
                if found is None:
                    return ()
                return found if isinstance(found, tuple) else (found,)
        raise Unusable(f"payload: is none of the shapes that {self.name} can be read from; {_fields(values)}")


def _fields(values: Mapping[Any, Any]) -> str:
    names = sorted(shown(name)[:40] for name in values if isinstance(name, str))[:8]
    return f"it has {', '.join(names)}" if names else "it has no fields"
