"""`serve`: run the gateway over stdio or HTTP until it is told to stop."""

from __future__ import annotations

import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import anyio
import orjson
import typer

from mcp_gateway.cli.options import (
    ConfigOption,
    DataDirOption,
    DisableOption,
    PluginsDirOption,
    ProfileOption,
    settings_from,
)
from mcp_gateway.cli.starting import started
from mcp_gateway.config import file_in_force
from mcp_gateway.observability.logs import configure
from mcp_gateway.settings import Settings

if TYPE_CHECKING:
    from mcp_gateway.gateway import Gateway

FINISH_SECONDS = 10.0

TransportOption = Annotated[
    Literal["stdio", "http"], typer.Option("--transport", help="stdio for one client that starts it, http for many.")
]


def serve(
    transport: TransportOption = "stdio",
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on; 0 takes a free one.")] = None,
    profile: ProfileOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    plugins_dir: PluginsDirOption = None,
    disable: DisableOption = None,
) -> None:
    """Serve MCP and REST until told to stop."""
    settings = settings_from(
        config,
        data_dir,
        plugins_dir,
        disable,
        gateway={"profile": profile},
        http={"host": host, "port": port},
    )
    configure(settings.log)
    uvloop = sys.platform != "win32" and find_spec("uvloop") is not None
    command = [
        *own_command(),
        "serve",
        *_same_again(settings, file_in_force(config, data_dir), plugins_dir, disable, profile),
    ]
    anyio.run(_serve, settings, transport, command, backend_options={"use_uvloop": uvloop})


async def _serve(settings: Settings, transport: str, command: list[str]) -> None:
    serve_clients = _transport(transport, command)
    async with started(settings) as gateway, anyio.create_task_group() as tasks:
        tasks.start_soon(_end_on_signal, gateway, tasks.cancel_scope)
        await serve_clients(gateway)
        tasks.cancel_scope.cancel()


def _transport(name: str, command: list[str]) -> Callable[[Gateway], Awaitable[None]]:
    """Import the one that is used, before the start ends and memory is settled."""
    if name == "stdio":
        from mcp_gateway.transports.stdio import serve_stdio

        return serve_stdio
    from mcp_gateway.protocol import modern  # noqa: F401 — needed by the first request of 2026-07-28
    from mcp_gateway.transports.http import serve_http

    async def serve_over_http(gateway: Gateway) -> None:
        guarded = gateway.authenticator is not None
        await serve_http(gateway, on_listening=lambda url: announce(url, command, guarded=guarded))

    return serve_over_http


async def _end_on_signal(gateway: Gateway, scope: anyio.CancelScope) -> None:
    """The first signal lets requests finish, for a while; the second ends at once."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            if gateway.shutdown.draining.is_set():
                break
            gateway.shutdown.begin()
            scope.deadline = anyio.current_time() + FINISH_SECONDS
    scope.cancel()


SIGN_IN = "Clients sign a person in first, in a browser. Add people with: media-gateway user add NAME\n\n"


def announce(url: str, command: list[str], *, guarded: bool) -> None:
    """Say where the gateway listens, and what clients are configured with.

    Args:
        url: Its address.
        command: What starts the same gateway over stdio.
        guarded: People have to sign in.
    """
    configuration = {"mcpServers": {"media-gateway": {"command": command[0], "args": command[1:]}}}
    text = (
        f"Media Gateway listens on {url}\n"
        f"\n"
        f"  MCP, streamable HTTP   {url}/mcp\n"
        f"  MCP, HTTP+SSE          {url}/sse\n"
        f"  REST                   {url}/api/v1/discovery/search?query=the+dark+knight\n"
        f"  Health                 {url}/readyz\n"
        f"\n"
        f"{SIGN_IN if guarded else ''}"
        f"For a client that connects over HTTP, paste:\n"
        f"  {_compact({'mcpServers': {'media-gateway': {'type': 'http', 'url': f'{url}/mcp'}}})}\n"
        f"For a client that starts the gateway itself, over stdio:\n"
        f"  {_compact(configuration)}\n"
        f"\n"
        f"Stop with Ctrl+C."
    )
    with suppress(OSError):  # nobody reads it, which harms nobody
        typer.echo(text)


def _same_again(
    settings: Settings, config: Path | None, plugins_dir: Path | None, disable: list[str] | None, profile: str | None
) -> list[str]:
    """The options with which another process serves the same."""
    options = ["--data-dir", str(settings.gateway.data_dir.resolve())]
    for name, path in (("--config", config), ("--plugins-dir", plugins_dir)):
        options += [name, str(path.resolve())] if path else []
    options += ["--profile", profile] if profile else []
    for name in disable or ():
        options += ["--disable", name]
    return options


def own_command() -> list[str]:
    """What starts this very program, wherever it is called from."""
    script = Path(sys.executable).with_name("media-gateway")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "mcp_gateway.main"]


def _compact(value: object) -> str:
    return orjson.dumps(value).decode()
