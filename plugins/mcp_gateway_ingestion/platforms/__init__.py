"""Reads the payloads of streaming platforms: a module a platform, and the shapes and rules that they share."""

from mcp_gateway.catalog.platforms import PlatformNormalizer

from .apple_tv import APPLE_TV
from .disney_plus import DISNEY_PLUS
from .generic import GENERIC
from .hbo_max import HBO_MAX
from .hulu import HULU
from .netflix import NETFLIX
from .paramount import PARAMOUNT
from .peacock import PEACOCK
from .prime_video import PRIME_VIDEO

BUILT_IN: tuple[PlatformNormalizer, ...] = (
    NETFLIX, PRIME_VIDEO, DISNEY_PLUS, HULU, HBO_MAX, APPLE_TV, PARAMOUNT, PEACOCK, GENERIC,
)  # fmt: skip
"""The normalizers that come with the gateway, `generic` last."""
