"""Which links of a payload are a platform's own, and what is dropped from them."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import SplitResult, parse_qsl, unquote_plus, urlencode, urlsplit

_MAX_LINK = 2000
# They tell who sent the viewer. Without them a link stays the same from one day to the next.
_TRACKING = frozenset(
    {"tag", "at", "ct", "itscg", "itsct", "uo", "ref", "ref_", "linkcode", "camp", "creative", "ascsubtag"}
)
_FORWARDED_IN = ("u", "url", "murl", "dest")


def own_link(value: object, hosts: frozenset[str]) -> str | None:
    """The link when it leads to one of the hosts, by https and without what tracks viewers; else None.

    A link of somebody who counts clicks, and forwards to one of the hosts, counts as the link that it forwards to.
    """
    return _own_link(value, hosts) if isinstance(value, str) and len(value) <= _MAX_LINK else None


@lru_cache(maxsize=256)  # most offers of a title have the same one
def _own_link(value: str, hosts: frozenset[str]) -> str | None:
    parts = _split(value)
    if parts is None:
        return None
    if parts.hostname in hosts:
        return _tidied(parts)
    for name, target in parse_qsl(parts.query, max_num_fields=50):
        inner = _split(target) if name in _FORWARDED_IN else None
        if inner is not None and inner.hostname in hosts:
            return _tidied(inner)
    return None


def _split(value: str) -> SplitResult | None:
    """The parts of an ordinary web address, None for anything that could be meant to deceive."""
    if not value.startswith(("https://", "http://")):
        return None
    if not value.isascii() or not value.isprintable() or " " in value or "\\" in value:
        return None
    try:
        parts = urlsplit(value)
        unusual = parts.username is not None or parts.password is not None or parts.port not in {None, 80, 443}
        if parts.query:
            parse_qsl(parts.query, max_num_fields=50)
    except ValueError:
        return None
    return None if unusual or not parts.hostname else parts


def _tidied(parts: SplitResult) -> str:
    query = parts.query
    if query:
        kept = [(n, v) for n, v in parse_qsl(query, keep_blank_values=True) if not _tracks(n)]
        if len(kept) != query.count("&") + 1:
            query = urlencode(kept)
    host = parts.hostname or ""
    return parts._replace(scheme="https", netloc=host, query=query, fragment="").geturl()


def _tracks(name: str) -> bool:
    lowered = name.lower()
    return lowered in _TRACKING or lowered.startswith(("utm_", "subid"))


def path_of(link: str) -> str:
    """The path of a link, unescaped."""
    return unquote_plus(urlsplit(link).path)
