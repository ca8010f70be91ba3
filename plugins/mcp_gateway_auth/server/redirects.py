"""Redirect URIs: which may be registered, when a given one is a registered one, and what is appended to it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode, urlsplit

MAX_CHARS = 2000

# A browser would run these, read files by them, or ask other programs: none leads back to a client.
_FORBIDDEN_SCHEMES = frozenset(
    {"about", "blob", "chrome", "data", "facetime", "feed", "file", "filesystem", "ftp", "ftps", "help", "intent",
     "jar", "javascript", "ldap", "ldaps", "livescript", "mailto", "mhtml", "microsoft-edge", "mk", "mocha", "nfs",
     "res", "resource", "search", "search-ms", "sftp", "shell", "sip", "smb", "sms", "ssh", "tel", "telnet",
     "vbscript", "view-source", "ws", "wss"}
)  # fmt: skip
# Windows opens its settings, its installer and Office by these.
_FORBIDDEN_PREFIX = "ms-"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
# Printable ASCII without what has no place in a URI; a backslash is a slash to browsers.
_CHARACTERS = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]+")

# Without a user, and without what would end a directive of a content security policy.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+)(:[0-9]{1,5})?")

# A native app cannot choose its port beforehand, so for these any port does (RFC 8252, 7.3). The RFC says it of the
# addresses only; clients in use register `localhost` as well.
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::[0-9]{1,5})?(?=[/?]|$)(.*)")


def fault_of(uri: str) -> str | None:
    """What is wrong with a redirect URI, as a clause; None when it may be registered."""
    if len(uri) > MAX_CHARS or not _CHARACTERS.fullmatch(uri):
        return f"must be a URI of at most {MAX_CHARS} characters"
    try:
        host = urlsplit(uri).netloc
    except ValueError:
        return "must be a URI"
    if "#" in uri:
        return "may have no fragment"
    scheme = uri.partition(":")[0]
    if not _SCHEME.fullmatch(scheme) or scheme in _FORBIDDEN_SCHEMES or scheme.startswith(_FORBIDDEN_PREFIX):
        return "must begin with https:, or a scheme of the client's own"
    if scheme == "http" and not is_loopback(uri):
        return "must begin with https: unless it leads to this computer, as http://127.0.0.1/callback does"
    if scheme in {"http", "https"} and not _HOST.fullmatch(host):
        return "must name a host, and no user"
    return None


def matches(given: str, registered: Sequence[str]) -> bool:
    """Whether it is one of the registered ones, character for character; on this computer the port does not count."""
    return fault_of(given) is None and any(_comparable(given) == _comparable(uri) for uri in registered)


def with_parameters(uri: str, parameters: Mapping[str, str]) -> str:
    """The URI with more parameters in its query."""
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(parameters)}"


def in_words(uri: str) -> str:
    """Where it leads, for people."""
    if is_loopback(uri):
        return "a program on this computer"
    parts = urlsplit(uri)
    return parts.netloc if parts.scheme == "https" else f"the app on this device that opens {parts.scheme}: links"


def is_loopback(uri: str) -> bool:
    """Whether it leads to a program that listens on this computer."""
    return _LOOPBACK.fullmatch(uri) is not None


def csp_source(uri: str) -> str:
    """It, as a content security policy names it: browsers apply `form-action` to where a form's answer leads, too."""
    parts = urlsplit(uri)
    # A policy cannot name an IPv6 address, nor the host of a scheme that browsers do not know.
    if parts.scheme in {"http", "https"} and "[" not in parts.netloc:
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"


def _comparable(uri: str) -> str:
    local = _LOOPBACK.fullmatch(uri)
    return f"{local[1]}{local[2]}" if local else uri
