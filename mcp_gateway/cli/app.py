"""The command's families put together, and how any failure ends: one or two lines and an exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mcp_gateway import __version__
from mcp_gateway.cli import administration, doctor, ingest, operations, serve
from mcp_gateway.errors import GatewayError, InvalidParams, NotFound, StartupError, first_of

app = typer.Typer(
    name="media-gateway",
    help="An MCP server through which AI agents find, choose and keep watching films and series.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("serve")(serve.serve)
app.command("tools")(operations.tools)
app.command("call")(operations.call)
app.command("ingest")(ingest.ingest)
app.command("doctor")(doctor.doctor)
app.add_typer(administration.plugin_app, name="plugin")
app.add_typer(administration.config_app, name="config")
app.add_typer(administration.db_app, name="db")


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.", is_eager=True)] = False,
) -> None:
    """Options of the command itself."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


def run() -> None:
    """Run the command line and exit."""
    try:
        app()
    except* (StartupError, GatewayError) as group:
        _fail(group)
    except* KeyboardInterrupt:
        sys.exit(130)
    except* BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone, e.g. `| head`
        sys.exit(1)


def _fail(group: BaseExceptionGroup[BaseException]) -> None:
    error = first_of(group)
    typer.echo(f"media-gateway: {error}", err=True)
    wrong_usage = isinstance(error, InvalidParams | NotFound)
    sys.exit(2 if wrong_usage else getattr(error, "exit_code", 1))
