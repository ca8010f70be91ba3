"""Reads the payloads of streaming platforms: a module a platform, and the shapes and rules that they share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from typing import Any, cast

from mcp_gateway.catalog.platforms import PlatformNormalizer, PlatformRecord, Rejected, Sighting

_NAMES: Mapping[str, str] = {
    "netflix": "Netflix",
    "prime_video": "Prime Video",
    "disney_plus": "Disney+",
    "hulu": "Hulu",
    "hbo_max": "HBO Max",
    "apple_tv": "Apple TV",
    "paramount": "Paramount+",
    "peacock": "Peacock",
    "generic": "Other platforms",
}


class OnFirstUse:
    """A normalizer whose module is imported with its first payload: a gateway that takes none in never needs it."""

    def __init__(self, key: str, name: str) -> None:
        self.key = key
        self.name = name

    @cached_property
    def normalizer(self) -> PlatformNormalizer:
        """The one that reads; its module is named for the key."""
        module = import_module(f"{__name__}.{self.key}")
        return cast(PlatformNormalizer, getattr(module, self.key.upper()))

    @property
    def link_hosts(self) -> frozenset[str]:
        """As `PlatformNormalizer`."""
        return self.normalizer.link_hosts

    def normalize(self, payload: Any, seen: Sighting) -> PlatformRecord | Rejected:
        """As `PlatformNormalizer`."""
        return self.normalizer.normalize(payload, seen)


BUILT_IN: tuple[PlatformNormalizer, ...] = tuple(OnFirstUse(key, name) for key, name in _NAMES.items())
"""The normalizers that come with the gateway, `generic` last."""
