"""`key`: the keys that sign tokens. They change by themselves; by hand when one may have leaked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import orjson
import typer

from mcp_gateway.cli.options import ConfigOption, DataDirOption, JsonOption, log_when_asked, settings_from
from mcp_gateway.cli.starting import asked
from mcp_gateway.interfaces import TokenKeys

key_app = typer.Typer(help="The keys that sign tokens.", no_args_is_help=True)

T = TypeVar("T")


@key_app.command("list")
def key_list(json: JsonOption = False, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """List the keys, oldest first, with the time from which each signs."""
    found = _asked(config, data_dir, lambda keys: keys.list())
    if json:
        typer.echo(orjson.dumps(found).decode())
        return
    for key in found:
        until = f"  until {key.signs_until:%Y-%m-%d %H:%M} UTC" if key.signs_until else ""
        typer.echo(f"{key.kid}  signs from {key.signs_from:%Y-%m-%d %H:%M} UTC{until}")


@key_app.command("rotate")
def key_rotate(config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Make the next key. It is published at once and signs a little later; nobody is signed out."""
    key = _asked(config, data_dir, lambda keys: keys.rotate())
    typer.echo(f"{key.kid} signs from {key.signs_from:%Y-%m-%d %H:%M} UTC.")


def _asked(config: Path | None, data_dir: Path | None, question: Callable[[TokenKeys], Awaitable[T]]) -> T:
    settings = settings_from(config, data_dir)
    log_when_asked(settings.log)
    return asked(settings, "auth", TokenKeys, question)
