"""What a client asks a person for, at `/authorize`: read and checked before anybody sees it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .addresses import Addresses
from .clients import Client, Clients
from .dpop import checked_thumbprint
from .oauth import Fields, OAuthError, fields_of
from .redirects import matches, with_parameters
from .scopes import known

MAX_QUERY_CHARS = 8000
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Return:
    """The way back to the client.

    Attributes:
        was_named: The client said where; else it is the only place it has.
    """

    issuer: str
    redirect_uri: str
    was_named: bool
    state: str | None

    def with_answer(self, answer: Mapping[str, str]) -> str:
        """Where the browser goes. By `iss` the client knows who answers, and takes nobody else for us (RFC 9207)."""
        state = {} if self.state is None else {"state": self.state}
        return with_parameters(self.redirect_uri, {**answer, **state, "iss": self.issuer})

    def with_error(self, error: OAuthError) -> str:
        """The same, where it failed."""
        return self.with_answer({"error": error.error, "error_description": error.description})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks a person for."""

    client: Client
    back: Return
    scopes: frozenset[str]
    code_challenge: str
    dpop_key: str | None


class Misasked(Exception):
    """The client asked wrongly, and there is a way to tell it."""

    def __init__(self, client: Client, back: Return, error: OAuthError) -> None:
        super().__init__(error.description)
        self.client = client
        self.back = back
        self.error = error


async def read(query: str, clients: Clients, addresses: Addresses) -> Asked:
    """What is asked for.

    Raises:
        OAuthError: The client or its redirect URI is not known: only the person can be told.
        Misasked: Anything else is wrong.
    """
    if len(query) > MAX_QUERY_CHARS:
        raise OAuthError("invalid_request", "The address is too long.")
    fields = fields_of(query)
    client = await clients.get(fields.required("client_id"))
    if client is None:
        raise OAuthError(
            "invalid_client", "The app that sent you here is not known. Have it forget this server and connect anew."
        )
    redirect_uri = _redirect_uri(fields.one("redirect_uri"), client)
    states = fields.all("state")
    back = Return(addresses.issuer, redirect_uri, bool(fields.one("redirect_uri")), states[0] if states else None)
    try:
        return _checked(fields, client, back, addresses)
    except OAuthError as error:
        raise Misasked(client, back, error) from None


def _redirect_uri(given: str | None, client: Client) -> str:
    if given is None and len(client.redirect_uris) == 1:
        return client.redirect_uris[0]
    if given is None or not matches(given, client.redirect_uris):
        raise OAuthError("invalid_request", "The app wants you sent back to an address that is not one of its own.")
    return given


def _checked(fields: Fields, client: Client, back: Return, addresses: Addresses) -> Asked:
    if fields.one("request") or fields.one("request_uri"):
        raise OAuthError("request_not_supported", "Put the parameters into the address themselves.")
    if fields.required("response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type must be code.")
    if fields.one("response_mode") not in {None, "query"}:
        raise OAuthError("invalid_request", "response_mode must be query.")
    fields.one("state")
    if fields.one("prompt") == "none":
        raise OAuthError("interaction_required", "The person must be asked.")
    addresses.check_resources(fields.all("resource"))
    scopes = known(fields.one("scope"))
    if not scopes:
        raise OAuthError("invalid_scope", "None of these scopes exists here.")
    return Asked(client, back, scopes, _challenge(fields), checked_thumbprint(fields.one("dpop_jkt")))


def _challenge(fields: Fields) -> str:
    challenge = fields.one("code_challenge")
    # Left out, the method would be `plain`, which protects nothing.
    if challenge is None or fields.one("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise OAuthError("invalid_request", "PKCE is required: code_challenge, with code_challenge_method S256.")
    return challenge
