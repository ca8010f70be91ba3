"""Who sends an HTTP request. It is found out before anything else is done for it, by the plugin that signs people in.

Without such a plugin the gateway serves whoever reaches it, which is this machine alone unless its operator says more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import cast

import anyio
from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_gateway.call import LOCAL, NOBODY, Caller
from mcp_gateway.errors import Forbidden, GatewayError, Unauthenticated
from mcp_gateway.interfaces import Authenticator
from mcp_gateway.protocol.served import Served
from mcp_gateway.transports.problem import problem_of

# What tells those who watch over the gateway that it runs.
OPEN_PATHS = frozenset({"/healthz", "/readyz"})


class Gate:
    """Lets in who is signed in, and anybody to what is public.

    Args:
        on_end: Told of each sign-in that ends, when its requests have been ended.
    """

    def __init__(self, app: ASGIApp, gateway: Served, on_end: Callable[[str], None]) -> None:
        self._app = app
        self._on_end = on_end
        self._gateway = gateway
        self._heard: Authenticator | None = None
        self._under_way: defaultdict[str, set[anyio.CancelScope]] = defaultdict(set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or say how to sign in."""
        authenticator = self._gateway.authenticator if scope["type"] == "http" else None
        if authenticator is None:
            scope["caller"] = LOCAL
            await self._app(scope, receive, send)
            return
        self._hear(authenticator)
        try:
            scope["caller"] = await authenticator.authenticate(Request(scope))
        except GatewayError as error:
            if not self._is_public(scope):
                await problem_of(error)(scope, receive, send)
                return
            scope["caller"] = NOBODY
        await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request for as long as its sender is signed in."""
        sign_in = caller_of(scope).sign_in
        if sign_in is None:
            await self._app(scope, receive, send)
            return
        response = _Response(send)
        with anyio.CancelScope() as serving:
            self._under_way[sign_in].add(serving)
            try:
                await self._app(scope, receive, response.send)
            finally:
                self._under_way[sign_in].discard(serving)
                if not self._under_way[sign_in]:
                    del self._under_way[sign_in]
        if serving.cancelled_caught:
            await response.cut_short(scope, receive)

    def _hear(self, authenticator: Authenticator) -> None:
        if authenticator is not self._heard:
            self._heard = authenticator
            authenticator.on_end(self._end)

    def _end(self, sign_in: str) -> None:
        for serving in tuple(self._under_way.get(sign_in, ())):
            serving.cancel()
        self._on_end(sign_in)

    def _is_public(self, scope: Scope) -> bool:
        if scope["path"] in OPEN_PATHS:
            return True
        return any(_serves(route, scope) for route in self._gateway.registry.public_routes())


class _Response:
    """What was sent of a response, so that it can be ended properly."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False
        self._ended = False

    async def send(self, message: Message) -> None:
        self._begun = True
        self._ended = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def cut_short(self, scope: Scope, receive: Receive) -> None:
        if not self._begun:
            await problem_of(Unauthenticated("This sign-in has ended."))(scope, receive, self._send)
        elif not self._ended:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def caller_of(scope: Scope) -> Caller:
    """Who sent a request that came through the gate."""
    return cast(Caller, scope["caller"])


def refusal(gateway: Served, scope: Scope, error: Forbidden) -> Forbidden:
    """The error, with the way to more rights."""
    if gateway.authenticator is not None:
        challenge = gateway.authenticator.challenge(Request(scope), error.data.get("required_scopes", ()))
        error.headers = {"WWW-Authenticate": challenge}
    return error


def _serves(route: BaseRoute, scope: Scope) -> bool:
    return route.matches(scope)[0] is not Match.NONE
