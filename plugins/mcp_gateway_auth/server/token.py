"""`POST /token`: codes and refresh tokens in, tokens out."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import Response

from ..families.service import Grant, InvalidGrant, SignIns, TokenPair
from .addresses import Addresses
from .clients import Client, Clients
from .codes import Code, Codes, Consent
from .dpop import DpopProofs
from .oauth import Fields, OAuthError, json_response, secret_form_of
from .store import ClientStore, CodeStore

log = logging.getLogger(__name__)


class TokenEndpoint:
    """Gives tokens.

    Args:
        never_saves: Clients that keep their first refresh token for ever.
    """

    def __init__(
        self,
        addresses: Addresses,
        clients: Clients,
        registered: ClientStore,
        codes: CodeStore,
        proofs: DpopProofs,
        sign_ins: SignIns,
        never_saves: frozenset[str] = frozenset(),
    ) -> None:
        self._addresses = addresses
        self._clients = clients
        self._registered = registered
        self._codes = codes
        self._proofs = proofs
        self._sign_ins = sign_ins
        self._never_saves = never_saves

    async def give(self, request: Request) -> Response:
        """Answer the request."""
        form = await secret_form_of(request)
        client = await self._clients.authenticate(request, form)
        match form.required("grant_type"):
            case "authorization_code":
                redeem = self._redeem
            case "refresh_token":
                redeem = self._refresh
            case _:
                raise OAuthError("unsupported_grant_type", "grant_type must be authorization_code or refresh_token.")
        self._addresses.check_resources(form.all("resource"))
        key = await self._proofs.key_of(request, self._addresses.token)
        pair = await redeem(form, client, key)
        headers = {} if key is None else {"DPoP-Nonce": self._proofs.nonce()}
        return json_response(_answer(pair), headers=headers)

    async def _refresh(self, form: Fields, client: Client, key: str | None) -> TokenPair:
        scope = form.one("scope")
        return await self._sign_ins.refresh(
            form.required("refresh_token"),
            client_id=client.client_id,
            scopes=None if scope is None else frozenset(scope.split()),
            resource=None,
            dpop_key=key,
        )

    async def _redeem(self, form: Fields, client: Client, key: str | None) -> TokenPair:
        code = await Codes(self._codes).find(form.required("code"))
        if code is None or code.consent.client_id != client.client_id:
            raise _unusable()
        if code.is_used:
            await self._replayed(code)
        _check(code.consent, form, key)
        if not await self._codes.redeem(code.digest):
            await self._replayed(code)
        pair = await self._begin(code.consent, key)
        family_id = await self._family_of(pair)
        # Replayed in this moment, nobody can tell which of the two is the thief. Where the code is gone, so is the
        # person, or the password it was given by.
        if not await self._codes.note_family(code.digest, family_id):
            await self._sign_ins.revoke(family_id, "code void")
            raise _unusable()
        await self._registered.used(client.client_id)
        return pair

    async def _begin(self, consent: Consent, key: str | None) -> TokenPair:
        return await self._sign_ins.begin(
            Grant(
                user_id=consent.user_id,
                client_id=consent.client_id,
                scopes=consent.scopes,
                resource=None,
                device=consent.device,
                place=consent.place,
                dpop_key=key,
                never_saves_refresh_token=consent.client_id in self._never_saves,
            )
        )

    async def _family_of(self, pair: TokenPair) -> str:
        access = await self._sign_ins.inspect(pair.access_token)
        if access is None:  # ended already
            raise InvalidGrant
        return access.family_id

    async def _replayed(self, code: Code) -> None:
        """End what came of the code: its second use shows that somebody else has it (RFC 6749, 4.1.2)."""
        family_id = await self._codes.note_replay(code.digest)
        log.warning("an authorization code was used twice", extra={"client": code.consent.client_id})
        if family_id is not None:
            await self._sign_ins.revoke(family_id, "code replayed")
        raise _unusable()


def _check(consent: Consent, form: Fields, key: str | None) -> None:
    # OAuth 2.1 no longer wants it here; given, it must be the one.
    redirect_uri = form.one("redirect_uri")
    if redirect_uri is not None and redirect_uri != consent.redirect_uri:
        raise _unusable()
    if not consent.verifies(form.required("code_verifier")):
        raise _unusable()
    if consent.dpop_key is not None and consent.dpop_key != key:
        raise _unusable()


def _unusable() -> OAuthError:
    return OAuthError("invalid_grant", "The code is not known, used, too old, or somebody else's.")


def _answer(pair: TokenPair) -> dict[str, object]:
    return {
        "access_token": pair.access_token,
        "token_type": pair.token_type,
        "expires_in": pair.expires_in,
        "refresh_token": pair.refresh_token,
        "scope": " ".join(sorted(pair.scopes)),
    }
