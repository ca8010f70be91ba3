"""The command's families put together, and how any failure ends: one or two lines and an exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from mcp_gateway import __version__
from mcp_gateway.cli import serve
from mcp_gateway.errors import (
    GatewayError,
    InternalError,
    InvalidParams,
    NotFound,
    StartupError,
    Unavailable,
    first_of,
)

log = logging.getLogger(__name__)

SEE_WHY = "Run it again with MEDIA_GATEWAY_LOG__LEVEL=debug to see why."


def command_line(*, only_serve: bool = False) -> typer.Typer:
    """All commands; or only the one that stays for long, without the modules of the others in memory."""
    app = typer.Typer(
        name="media-gateway",
        help="An MCP server through which AI agents find, choose and keep watching films and series.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_options)
    app.command("serve")(serve.serve)
    if not only_serve:
        _add_others(app)
    return app


def _add_others(app: typer.Typer) -> None:
    from mcp_gateway.cli import administration, doctor, ingest, keys, operations, users, withdraw

    app.command("tools")(operations.tools)
    app.command("call")(operations.call)
    app.command("ingest")(ingest.ingest)
    app.command("withdraw")(withdraw.withdraw)
    app.command("doctor")(doctor.doctor)
    app.add_typer(administration.plugin_app, name="plugin")
    app.add_typer(administration.config_app, name="config")
    app.add_typer(administration.db_app, name="db")
    app.add_typer(users.user_app, name="user")
    app.add_typer(keys.key_app, name="key")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Options of the command itself."""


def run() -> None:
    """Run the command line and exit."""
    logging.getLogger().handlers = [logging.NullHandler()]  # until a command says otherwise
    try:
        app = command_line(only_serve=sys.argv[1:2] == ["serve"])
        code = app(standalone_mode=False) or 0
    except BaseException as error:
        code = _tell(first_of(error))
    _let_go_of_output()
    sys.exit(code)


def _tell(error: BaseException) -> int:
    """Say what happened, for people; the exit code."""
    match error:
        case SystemExit(code=int(code)):  # whoever read our output has gone, e.g. `| head`
            return code
        case KeyboardInterrupt() | typer.Abort():  # the second where a question was not answered
            return 130
        case typer.TyperException():
            return _refuse(error)
        case StartupError():
            return _fail(str(error), error.exit_code)
        case Unavailable():
            return _fail(error.for_operator)
        case InternalError():
            return _fail(f"{error} {SEE_WHY}")
        case GatewayError():
            return _fail(str(error), 2 if isinstance(error, InvalidParams | NotFound) else 1)
    log.critical("the command failed", exc_info=error)
    if isinstance(error, OSError) and error.strerror:
        return _fail(f"Input or output failed: {error.strerror}. {SEE_WHY}")
    return _fail(f"Internal error ({type(error).__name__}). {SEE_WHY}")


def _refuse(error: typer.TyperException) -> int:
    """Wrong usage: what is wrong, and where help is. A bare command gets its help."""
    told = error.format_message().rstrip(".")
    if told.startswith("Usage:"):
        typer.echo(told, err=True)
        return error.exit_code
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "media-gateway"
    told = told.replace("Value error, ", "")
    return _fail(f"{told}{'' if told.endswith('?') else '.'} See `{command} --help`.", error.exit_code)


def _fail(message: str, code: int = 1) -> int:
    first, *more = message.splitlines() or [""]
    with suppress(OSError):  # nobody can be told
        typer.echo(f"media-gateway: {first}", err=True)
        if len(more) == 1:
            typer.echo(f"media-gateway: {more[0]}", err=True)
        elif more:
            typer.echo(f"media-gateway: {len(more)} more faults; `media-gateway config check` names all.", err=True)
    return code


def _let_go_of_output() -> None:
    """Write what is left; where that fails, keep Python from trying again, and complaining, at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
