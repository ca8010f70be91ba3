"""The keys of streaming platforms: what each is called, and other keys that mean the same platform."""

from __future__ import annotations

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "apple_tv": "Apple TV+",
    "disney_plus": "Disney+",
    "disney_plus_hotstar": "Disney+ Hotstar",
    "hbo_max": "HBO Max",
    "paramount": "Paramount+",
}
"""Names that are not the key's words with capitals."""

_ALIASES: Mapping[str, str] = {
    "apple_tv_plus": "apple_tv",
    "paramount_plus": "paramount",
    "amazon_prime": "prime_video",
    "amazon_prime_video": "prime_video",
    "hbomax": "hbo_max",
    "max": "hbo_max",
}


def platform_key(key: str) -> str:
    """The key under which the offers of a platform stand: `apple_tv` for `apple_tv_plus`; others as they are."""
    return _ALIASES.get(key, key)


def platform_name(key: str) -> str:
    """What people call a platform."""
    return NAMES.get(key) or key.replace("_", " ").title()
