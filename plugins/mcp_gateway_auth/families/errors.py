"""What can be wrong with a token. `reason` is the code that OAuth names: RFC 6749 (5.2), RFC 6750 (3.1), RFC 8707.

Unauthenticated
├── InvalidGrant       a refresh token that gives nothing (any more)
└── InvalidToken       an access token that opens nothing (any more)
Forbidden
└── InvalidScope       more was asked for than was granted
InvalidParams
└── InvalidTarget      a resource that the grant is not for
Unavailable
└── StoreUnavailable   nobody can tell at the moment; 503, never a verdict on the token
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mcp_gateway.api import Forbidden, InvalidParams, Unauthenticated, Unavailable

RETRY_AFTER_SECONDS = 1


class InvalidGrant(Unauthenticated):
    """The refresh token is unknown, used, expired, or somebody else's. Which of these, the caller is not told."""

    reason = "invalid_grant"

    def __init__(self) -> None:
        super().__init__("The refresh token is not valid. Sign in again.")


class InvalidToken(Unauthenticated):
    """The access token is unknown, expired, revoked, or not for this."""

    reason = "invalid_token"

    def __init__(self) -> None:
        super().__init__("The access token is not valid. Refresh it, or sign in again.")


class InvalidScope(Forbidden):
    """More scopes are asked for than were granted."""

    reason = "invalid_scope"

    def __init__(self) -> None:
        super().__init__("A scope is asked for that was not granted. Leave it out, or sign in again with it.")


class InvalidTarget(InvalidParams):
    """The token is asked for a resource that the grant is not for (RFC 8707)."""

    reason = "invalid_target"

    def __init__(self) -> None:
        super().__init__("resource", "must be the one that was signed in for")


class StoreUnavailable(Unavailable):
    """Where sign-ins are kept does not answer. The token may be good: try again."""

    def __init__(self) -> None:
        super().__init__(
            "Sign-ins cannot be checked at the moment; try again.", retry_after_seconds=RETRY_AFTER_SECONDS
        )


@contextmanager
def telling() -> Iterator[None]:
    """Around the use of a database: that it is away is no verdict on a token."""
    try:
        yield
    except Unavailable as error:
        raise StoreUnavailable from error
