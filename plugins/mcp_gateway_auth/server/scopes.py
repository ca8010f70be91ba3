"""What may be granted, in the words of the consent page, and to whom."""

from __future__ import annotations

from collections.abc import Mapping

# For everybody.
VIEWER_SCOPES: Mapping[str, str] = {
    "catalog:read": "Search films and series, and see where they can be watched",
    "playback:read": "See what you have watched and where you stopped",
    "playback:write": "Record what you watch, and erase it when you ask for that",
    "sync:read": "Fetch changes that your other devices made",
    "sync:write": "Send changes you made while offline",
    "experiments:read": "See experiments and their results",
    "account:read": "See your name and where you are signed in",
    "account:write": "End your sign-ins",
}

# For those who run the gateway.
OPERATOR_SCOPES: Mapping[str, str] = {
    "catalog:write": "Change the catalogue: take titles in and fetch offers",
    "experiments:write": "Record the outcomes of experiments",
    "experiments:admin": "Create experiments and change them",
    "gateway:read": "See how the gateway fares and which plugins it runs",
}

SCOPES: Mapping[str, str] = {**VIEWER_SCOPES, **OPERATOR_SCOPES}


def known(asked: str | None) -> frozenset[str]:
    """The scopes asked for; those that mean nothing here are left out. None asked for: all for everybody."""
    if asked is None:
        return frozenset(VIEWER_SCOPES)
    return frozenset(asked.split()) & SCOPES.keys()


def grantable(scopes: frozenset[str], *, is_operator: bool) -> frozenset[str]:
    """Those that this person can grant."""
    return scopes if is_operator else scopes & VIEWER_SCOPES.keys()
