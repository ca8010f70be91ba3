"""The HTTP application: MCP over SSE and streamable HTTP, REST, health; and the server that runs it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_gateway.builtin import OPERATE
from mcp_gateway.call import Caller
from mcp_gateway.errors import SettingsError, StartupError
from mcp_gateway.protocol.encoding import encode
from mcp_gateway.protocol.served import Served
from mcp_gateway.protocol.server import GatewayServer
from mcp_gateway.transports import openapi
from mcp_gateway.transports.access import Gate, caller_of
from mcp_gateway.transports.http_protocol import BoundedProtocol, ConnectionLimits, connections_at_most
from mcp_gateway.transports.problem import problem
from mcp_gateway.transports.rest import RestRoutes
from mcp_gateway.transports.security import LOOPBACK, Guard
from mcp_gateway.transports.sse import SseTransport, session_in_query
from mcp_gateway.transports.streamable_http import StreamableHttp
from mcp_gateway.transports.turnstile import Turnstile, session_in_header

log = logging.getLogger(__name__)

GRACEFUL_SECONDS = 3
HASTY_SECONDS = 1
KEEP_ALIVE_SECONDS = 75  # longer than the 60 s of common proxies, so that they close first
BACKLOG = 2048


def http_app(gateway: Served) -> Starlette:
    """Everything the gateway serves over HTTP. Its lifespan must run; the gateway must be running already."""
    server = GatewayServer(gateway)
    sse = SseTransport(server)
    streamable = StreamableHttp(server)
    turnstile = Turnstile(gateway.settings)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        server.warm_up()
        async with server.running(), sse.running(), streamable.running():
            yield

    app = _Guarded(
        server,
        {
            "/mcp": turnstile.before(streamable, session_in_header),
            "/sse": sse.stream,
            "/messages": turnstile.before(sse.post, session_in_query),
        },
        routes=[
            Route("/healthz", _Reading(_alive)),
            Route("/readyz", _Reading(_ready(gateway))),
            Route("/openapi.json", _Reading(_described(gateway))),
            Mount("", RestRoutes(gateway)),
        ],
        exception_handlers={HTTPException: _refused, Exception: _failed},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False

    def close_streams() -> None:
        server.close_streams()
        sse.close()
        streamable.close()

    app.state.close_streams = close_streams
    return app


class _Guarded(Starlette):
    """With the guard outermost, so that what an app answers when it fails is protected too."""

    def __init__(self, server: GatewayServer, direct: Mapping[str, ASGIApp], **options: Any) -> None:
        super().__init__(**options)
        self._server = server
        self._direct = direct

    def build_middleware_stack(self) -> ASGIApp:
        """Put the guard around everything, and within it the gate."""
        gateway = self._server.gateway
        http = gateway.settings.http
        return Guard(
            Gate(_Direct(self._direct, super().build_middleware_stack()), gateway, self._server.end_sign_in),
            allowed_hosts=http.allowed_hosts,
            allowed_origins=http.allowed_origins,
            max_body_bytes=http.max_body_bytes,
            max_bodies_bytes=http.max_bodies_bytes,
        )


class _Direct:
    """Gives the protocol's own paths to whom they belong. The layers of an app in between cost as much as an answer."""

    def __init__(self, routes: Mapping[str, ASGIApp], app: ASGIApp) -> None:
        self._routes = routes
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        route = self._routes.get(path)
        if route is None:
            await self._app(scope, receive, send)
            return
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await route(scope, receive, sending)
        except ClientDisconnect:
            raise
        except Exception as error:
            if not begun:
                await (await _refused(Request(scope), error))(scope, receive, send)
            if not isinstance(error, HTTPException):
                log.exception("a request failed outside the protocol")


async def serve_http(gateway: Served, *, on_listening: Callable[[str], None]) -> None:
    """Serve until the gateway drains or this is cancelled.

    Args:
        gateway: A running gateway.
        on_listening: Called with the address, once connections are accepted.

    Raises:
        SettingsError: The address is open to others although nobody has to sign in.
        StartupError: The address cannot be listened on.
    """
    http = gateway.settings.http
    _refuse_open_door(http.host, allowed=http.allow_unauthenticated or gateway.authenticator is not None)
    listener = _listen(http.host, http.port)
    app = http_app(gateway)
    server = _Server(app, _limits(gateway), lambda: on_listening(_url(listener)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_stop_when_told, gateway, server)
        try:
            # Cancelled, it would leave its own tasks behind; told to stop, it ends them, in bounded time.
            with anyio.CancelScope(shield=True):
                await server.serve([listener])
        finally:
            listener.close()
        tasks.cancel_scope.cancel()


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: the command line has its own."""

    def __init__(self, app: Starlette, limits: ConnectionLimits, on_listening: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=cast(type[asyncio.Protocol], partial(BoundedProtocol, limits=limits)),
                ws="none",
                # Counts requests too, which go on when their sender hangs up: the turnstile leaves some to everybody.
                limit_concurrency=limits.max_requests,
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                lifespan="on",
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACEFUL_SECONDS,
            )
        )
        self._close_streams: Callable[[], None] = app.state.close_streams
        self._on_listening = on_listening

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams first: uvicorn would wait for them in vain."""
        self._close_streams()
        await super().shutdown(sockets)


class _Reading:
    """A route that can only be read. It refuses other methods itself: else the routes of plugins would be asked."""

    def __init__(self, respond: Callable[[Caller], Awaitable[Response]]) -> None:
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in {"GET", "HEAD"}:
            response = await self._respond(caller_of(scope))
        else:
            response = problem(405, "This can only be read.", headers={"Allow": "GET, HEAD"})
        await response(scope, receive, send)


def _limits(gateway: Served) -> ConnectionLimits:
    http = gateway.settings.http
    return ConnectionLimits(
        max_connections=connections_at_most(http.max_connections),
        max_requests=2 * http.max_connections,
        max_header_bytes=http.max_header_bytes,
        header_seconds=http.header_seconds,
        body_seconds=http.body_seconds,
        slow_reader_seconds=gateway.settings.mcp.slow_reader_seconds,
    )


async def _stop_when_told(gateway: Served, server: _Server) -> None:
    try:
        await gateway.shutdown.draining.wait()
    except anyio.get_cancelled_exc_class():
        server.config.timeout_graceful_shutdown = HASTY_SECONDS
        raise
    finally:
        server.should_exit = True


def _refuse_open_door(host: str, *, allowed: bool) -> None:
    if host.lower() not in LOOPBACK and not host.startswith("127.") and not allowed:
        raise SettingsError(
            f"http.host: {host} can be reached from other machines, but nobody has to sign in. Listen on 127.0.0.1, "
            "or set plugins.auth.enabled = true, or http.allow_unauthenticated = true if a proxy in front asks for "
            "credentials."
        )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartupError(_cannot_listen(host, port, error)) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartupError(_cannot_listen(host, port, error)) from None
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    match error:
        case OSError(errno=98 | 48 | 10048):
            return f"Port {port} on {host} is in use. Stop what uses it, or choose another with --port."
        case OSError(errno=13):
            return f"Port {port} needs more rights than this user has. Choose one above 1023 with --port."
        case _:
            return f"Cannot listen on {host} port {port}: {error.strerror}. Check --host and --port."


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _alive(_: Caller) -> Response:
    return _json({"status": "ok"})


def _ready(gateway: Served) -> Callable[[Caller], Awaitable[Response]]:
    async def ready(caller: Caller) -> Response:
        health = await gateway.health()
        shown = health if caller.may(OPERATE) else {"status": health["status"]}
        return _json(shown, 503 if _is_unready(health) else 200)

    return ready


def _is_unready(health: dict[str, Any]) -> bool:
    """Draining, or without what every answer needs. A broken plugin alone leaves the rest worth its traffic."""
    return health["status"] == "draining" or any(health.get(part, "ok") != "ok" for part in ("database", "cache"))


def _described(gateway: Served) -> Callable[[Caller], Awaitable[Response]]:
    async def described(_: Caller) -> Response:
        return _json(openapi.document(gateway.registry))

    return described


def _json(value: Any, status: int = HTTPStatus.OK) -> Response:
    return Response(encode(value), status, media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return await _failed(request, error)
    return problem(error.status_code, error.detail, headers=error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    return problem(500, "Internal error.")
