"""Where the authorization server is, and what its tokens are for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..settings import checked_issuer
from .oauth import OAuthError

# The faces a client may name as the resource (RFC 8707); they are one, so a token for one is good for all.
FACES = ("", "/mcp", "/sse", "/messages", "/api/v1")


@dataclass(frozen=True, slots=True)
class Addresses:
    """The server's addresses.

    Attributes:
        issuer: The gateway's public address, without a slash at the end.
    """

    issuer: str

    @property
    def authorize(self) -> str:
        """Where people sign in."""
        return f"{self.issuer}/authorize"

    @property
    def token(self) -> str:
        """Where clients get tokens."""
        return f"{self.issuer}/token"

    @property
    def is_https(self) -> bool:
        """Whether browsers reach it over TLS."""
        return self.issuer.startswith("https://")

    @property
    def origin(self) -> str:
        """As browsers write it in the Origin header."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def path(self) -> str:
        """The path of the issuer: empty, unless a proxy serves the gateway below one."""
        return urlsplit(self.issuer).path

    def check_resources(self, resources: Sequence[str]) -> None:
        """Make sure that a token is asked for this gateway, by whichever face.

        Raises:
            OAuthError: It is asked for another resource (RFC 8707).
        """
        if any(not self.is_ours(resource) for resource in resources):
            raise OAuthError("invalid_target", f"This server gives tokens for {self.issuer}/mcp only.")

    def metadata_of(self, face: str) -> str:
        """Where a face says how to sign in (RFC 9728)."""
        return f"{self.origin}/.well-known/oauth-protected-resource{self.path}{face}"

    def is_ours(self, resource: str) -> bool:
        """Whether a token for this resource is for this gateway."""
        return resource.removesuffix("/") in {self.issuer + face for face in FACES}


def addresses_of(issuer: str) -> Addresses:
    """The addresses below the issuer's.

    Raises:
        ValueError: It is no address that people can sign in at.
    """
    try:
        return Addresses(checked_issuer(issuer))
    except ValueError as error:
        raise ValueError(f"plugins.auth.issuer {error}: it is {issuer!r}") from None
