"""What the server says of itself, under `/.well-known/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from .addresses import FACES, Addresses
from .clients import GRANT_TYPES, Clients
from .dpop import ALGORITHMS
from .oauth import OAuthError, json_response
from .scopes import SCOPES, VIEWER_SCOPES

CACHED = {"Cache-Control": "public, max-age=300"}


class ResourceMetadata:
    """The protected resource's (RFC 9728): of each face by its path, of the whole gateway without one.

    Args:
        authorization_server: Who gives the tokens.
    """

    def __init__(self, addresses: Addresses, authorization_server: str) -> None:
        self._addresses = addresses
        self._authorization_server = authorization_server

    async def answer(self, request: Request) -> Response:
        """The document."""
        below = request.path_params.get("below", "").removeprefix(self._addresses.path.strip("/")).strip("/")
        face = f"/{below}" if below else ""
        if face not in FACES:
            raise OAuthError("not_found", "There is no such resource.", status=404)
        metadata = {
            "resource": f"{self._addresses.issuer}{face}",
            "authorization_servers": [self._authorization_server],
            # What a client asks for that does not know better; more is asked for when it is needed.
            "scopes_supported": list(VIEWER_SCOPES),
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": list(ALGORITHMS),
            "resource_name": "Media Gateway",
        }
        return json_response(metadata, headers=CACHED)


class Metadata:
    """Answers with the authorization server's metadata.

    Args:
        registers: Whether clients may register themselves.
        reads_documents: Whether a client's id may be the address of a document.
        keys: The public keys that tokens are signed with, as a JWK set.
    """

    def __init__(
        self,
        addresses: Addresses,
        clients: Clients,
        *,
        registers: bool,
        reads_documents: bool,
        keys: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._addresses = addresses
        self._clients = clients
        self._registers = registers
        self._reads_documents = reads_documents
        self._keys = keys

    async def server(self, request: Request) -> Response:
        """The authorization server's (RFC 8414)."""
        if request.path_params.get("below", "") != self._addresses.path.strip("/"):
            raise OAuthError("not_found", f"The issuer is {self._addresses.issuer}.", status=404)
        return json_response(self._server(), headers=CACHED)

    async def keys(self, request: Request) -> Response:
        """The public keys (RFC 7517)."""
        # Shorter than a key is published before it signs.
        return json_response(self._keys(), headers={"Cache-Control": "public, max-age=60"})

    def _server(self) -> dict[str, Any]:
        issuer, methods = self._addresses.issuer, self._clients.methods
        registration = {"registration_endpoint": f"{issuer}/register"} if self._registers else {}
        return {
            "issuer": issuer,
            "authorization_endpoint": self._addresses.authorize,
            "token_endpoint": self._addresses.token,
            **registration,
            "revocation_endpoint": f"{issuer}/revoke",
            "introspection_endpoint": f"{issuer}/introspect",
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": GRANT_TYPES,
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": list(methods),
            "revocation_endpoint_auth_methods_supported": list(methods),
            "introspection_endpoint_auth_methods_supported": [method for method in methods if method != "none"],
            "dpop_signing_alg_values_supported": list(ALGORITHMS),
            "authorization_response_iss_parameter_supported": True,
            "client_id_metadata_document_supported": self._reads_documents,
        }
