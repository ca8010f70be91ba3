"""`/authorize`: a person signs in, decides, and is sent back to the client with a code, or without."""

from __future__ import annotations

import logging
from functools import partial
from math import ceil

from starlette.requests import Request
from starlette.responses import Response

from mcp_gateway.api import GatewayError, RateLimited, Unavailable

from .addresses import Addresses
from .authorization_request import Asked, Misasked, read
from .client_address import ClientAddress, device_of, place_of
from .clients import Clients
from .codes import Codes, Consent
from .guesses import Guesses
from .oauth import NO_STORE, Fields, OAuthError, form_of
from .pages import Pages
from .redirects import in_words, is_loopback
from .scopes import grantable
from .store import User
from .visits import Visit, Visits

log = logging.getLogger(__name__)

_WRONG = "The name or the password is wrong."


class Authorization:
    """Leads a person through it. What the client asked for stands in the address of every page, and is read there."""

    def __init__(
        self,
        addresses: Addresses,
        clients: Clients,
        codes: Codes,
        guesses: Guesses,
        visits: Visits,
        pages: Pages,
        address: ClientAddress,
    ) -> None:
        self._addresses = addresses
        self._clients = clients
        self._codes = codes
        self._guesses = guesses
        self._visits = visits
        self._pages = pages
        self._address = address

    async def serve(self, request: Request) -> Response:
        """Answer the request."""
        try:
            visit = await self._visits.of(request)
            response = await self._answer(request, visit)
        except (RateLimited, Unavailable) as error:
            return self._pages.problem("Not now", error.message, _status(error), headers=_retry_after(error))
        self._visits.greet(visit, response)
        return response

    async def _answer(self, request: Request, visit: Visit) -> Response:
        try:
            asked = await read(_query(request), self._clients, self._addresses)
            return await (self._act if request.method == "POST" else self._show)(request, asked, visit)
        except Misasked as error:
            return self._tell_client(error, visit)
        except OAuthError as error:
            return self._pages.problem("This does not work", error.description, error.status)

    async def _show(self, request: Request, asked: Asked, visit: Visit) -> Response:
        token = visit.form_token(_query(request))
        if visit.user is None:
            return self._pages.sign_in(asked, token)
        if not grantable(asked.scopes, is_operator=visit.user.is_operator):
            return _go(asked.back.with_error(OAuthError("access_denied", "The person may not grant this.")))
        return self._pages.consent(asked, token, visit.user)

    async def _act(self, request: Request, asked: Asked, visit: Visit) -> Response:
        form = await form_of(request)
        self._visits.check_form(request, visit, _query(request), form)
        match form.one("action"), visit.user:
            case "sign-in", _:
                return await self._sign_in(request, asked, visit, form)
            case "allow", User() as user:
                return await self._allow(request, asked, user)
            case "deny", User():
                return _go(asked.back.with_error(OAuthError("access_denied", "The person said no.")))
            case "sign-out", User():
                return await self._sign_out(request, visit)
            case _:
                return await self._show(request, asked, visit)

    async def _sign_in(self, request: Request, asked: Asked, visit: Visit, form: Fields) -> Response:
        name, password = form.one("name") or "", form.one("password") or ""
        again = partial(self._pages.sign_in, asked, visit.form_token(_query(request)), name=name)
        if missing := _missing(name=name, password=password):
            return again(alarm="Something is missing.", faults=missing, status=400)
        try:
            guess = await self._guesses.check(request, name, password)
        except (RateLimited, Unavailable) as error:
            return again(alarm=_in_words(error), status=_status(error), headers=_retry_after(error))
        user, response = guess.user, self._anew(request)
        remember = form.one("remember") is not None
        if user is None or not await self._visits.begin(
            user, visit, response, remember=remember, is_known=guess.is_known
        ):
            return again(alarm=_WRONG, faults={"name": _WRONG}, status=400)
        log.info("signed in", extra={"user": user.user_id, "address": self._address.of(request)})
        return response

    async def _allow(self, request: Request, asked: Asked, user: User) -> Response:
        scopes = grantable(asked.scopes, is_operator=user.is_operator)
        if not scopes:
            return _go(asked.back.with_error(OAuthError("access_denied", "The person may not grant this.")))
        code = await self._codes.issue(
            user,
            Consent(
                user_id=user.user_id,
                client_id=asked.client.client_id,
                scopes=scopes,
                redirect_uri=asked.back.redirect_uri,
                code_challenge=asked.code_challenge,
                dpop_key=asked.dpop_key,
                device=device_of(request.headers.get("user-agent", "")),
                place=place_of(self._address.of(request)),
            ),
        )
        if code is None:  # signed out meanwhile
            return self._anew(request)
        log.info("allowed a client", extra={"user": user.user_id, "client": asked.client.client_id})
        return _go(asked.back.with_answer({"code": code}))

    async def _sign_out(self, request: Request, visit: Visit) -> Response:
        await self._visits.end(visit)
        response = self._anew(request)
        self._visits.leave(response)
        return response

    def _anew(self, request: Request) -> Response:
        """To the page that is due now."""
        return _go(f"{self._addresses.authorize}?{_query(request)}")

    def _tell_client(self, error: Misasked, visit: Visit) -> Response:
        # Anybody can register a client that leads to a page of theirs, or opens an app. Nobody who just followed a link
        # of ours is sent there without a word (RFC 9700, 4.11.2).
        where = error.back.with_error(error.error)
        if visit.user is not None or is_loopback(error.back.redirect_uri):
            return _go(where)
        back = f"Go back to {in_words(error.back.redirect_uri)}"
        return self._pages.problem("The app asked wrongly", error.error.description, 400, link=where, link_text=back)


def _query(request: Request) -> str:
    return str(request.scope["query_string"].decode("latin-1"))


def _go(where: str) -> Response:
    """To the page there, with GET. The address is not rewritten: clients compare it."""
    return Response(status_code=303, headers={**NO_STORE, "Location": where})


def _missing(**fields: str) -> dict[str, str]:
    return {field: f"Enter your {field}." for field, value in fields.items() if not value}


def _in_words(error: GatewayError) -> str:
    if isinstance(error, RateLimited):
        minutes = ceil(error.data["retry_after_seconds"] / 60)
        return f"There were too many tries. Try again in {minutes} {'minute' if minutes == 1 else 'minutes'}."
    return error.message


def _status(error: GatewayError) -> int:
    return 429 if isinstance(error, RateLimited) else 503


def _retry_after(error: GatewayError) -> dict[str, str]:
    return {"Retry-After": str(max(1, round(error.data.get("retry_after_seconds", 1))))}
