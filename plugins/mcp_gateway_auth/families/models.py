"""What goes through the door of the families: grants in, tokens out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person granted to a client, from the first authorization on.

    Attributes:
        scopes: All that were granted; a token may have fewer.
        resource: What the tokens are for (RFC 8707); None: the gateway's own address.
        device: The client's User-Agent in words.
        place: Where from, in words.
        dpop_key: The thumbprint (RFC 7638) of the key that the tokens are bound to; None: bearer tokens.
        never_saves_refresh_token: The client is known to keep the first refresh token for ever: it is not rotated.
    """

    user_id: str
    client_id: str
    scopes: frozenset[str]
    resource: str | None = None
    device: str = ""
    place: str = ""
    dpop_key: str | None = None
    never_saves_refresh_token: bool = False


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a client is given. `expires_in` is the seconds that the access token is good for."""

    access_token: str
    refresh_token: str
    expires_in: int
    scopes: frozenset[str]
    token_type: Literal["Bearer", "DPoP"]


@dataclass(frozen=True, slots=True)
class Access:
    """What a verified token says.

    Attributes:
        scopes: Of an access token, what it opens; of a refresh token, what was granted.
        resource: The audience.
        expires_at: Aware, UTC.
        issued_at: Aware, UTC.
        kind: `access`, or `refresh` as `SignIns.inspect` may be given one.
    """

    user_id: str
    client_id: str
    scopes: frozenset[str]
    resource: str
    family_id: str
    generation: int
    jti: str
    expires_at: datetime
    issued_at: datetime
    dpop_key: str | None = None
    kind: Literal["access", "refresh"] = "access"


@dataclass(frozen=True, slots=True)
class SignIn:
    """One sign-in that is alive, for the person to see. All times aware, UTC."""

    family_id: str
    client_id: str
    device: str
    place: str
    scopes: frozenset[str]
    begun_at: datetime
    last_used_at: datetime
    ends_at: datetime
