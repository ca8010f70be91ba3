"""`POST /revoke` (RFC 7009) and `POST /introspect` (RFC 7662): what clients may do with their own tokens."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ..families.service import Access, SignIns
from .addresses import Addresses
from .clients import Clients, unauthenticated
from .oauth import NO_STORE, json_response, secret_form_of


class Inspection:
    """Ends tokens and tells of them, to the client that has them."""

    def __init__(self, addresses: Addresses, clients: Clients, sign_ins: SignIns) -> None:
        self._addresses = addresses
        self._clients = clients
        self._sign_ins = sign_ins

    async def revoke(self, request: Request) -> Response:
        """End the sign-in that a token belongs to. What is no token of this client's is left alone, without a word."""
        form = await secret_form_of(request)
        client = await self._clients.authenticate(request, form)
        await self._sign_ins.revoke_token(form.required("token"), client_id=client.client_id)
        return Response(status_code=200, headers=NO_STORE)

    async def introspect(self, request: Request) -> Response:
        """Whether a token is good, and for what. Only clients that prove who they are may ask."""
        form = await secret_form_of(request)
        client = await self._clients.authenticate(request, form)
        if client.secret_digest is None:
            raise unauthenticated("Only a client with a secret may ask.")
        access = await self._sign_ins.inspect(form.required("token"))
        if access is None or access.client_id != client.client_id:
            return json_response({"active": False})
        return json_response(self._told(access))

    def _told(self, access: Access) -> dict[str, object]:
        bound = {} if access.dpop_key is None else {"cnf": {"jkt": access.dpop_key}}
        return {
            "active": True,
            "scope": " ".join(sorted(access.scopes)),
            "client_id": access.client_id,
            "sub": access.user_id,
            "aud": access.resource,
            "iss": self._addresses.issuer,
            "exp": int(access.expires_at.timestamp()),
            "iat": int(access.issued_at.timestamp()),
            "jti": access.jti,
            "token_type": "Bearer" if access.dpop_key is None else "DPoP",
            **bound,
        }
