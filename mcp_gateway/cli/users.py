"""`user`: the people who can sign in. Passwords are typed or piped in, never arguments, which other users can see."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import orjson
import typer

from mcp_gateway.cli.options import ConfigOption, DataDirOption, JsonOption, log_when_asked, settings_from
from mcp_gateway.cli.starting import asked
from mcp_gateway.errors import InvalidParams
from mcp_gateway.interfaces import UserEntry, Users
from mcp_gateway.settings import Settings

user_app = typer.Typer(help="The people who can sign in.", no_args_is_help=True)

T = TypeVar("T")

NameArgument = Annotated[str, typer.Argument(help="The name that is typed to sign in; its case does not matter.")]


@user_app.command("add")
def user_add(
    name: NameArgument,
    operator: Annotated[
        bool, typer.Option("--operator", help="May let clients change the catalogue and experiments.")
    ] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Add somebody. The password is asked for, or read from the first line of standard input."""
    settings, password = _settings(config, data_dir), _new_password()
    _asked(settings, lambda users: users.add(name, password, is_operator=operator))
    if settings.turns_on("auth"):
        typer.echo(f"{name} can sign in now.")
    else:
        typer.echo(f"{name} can sign in once sign-in is on: plugins.auth.enabled = true.")


@user_app.command("list")
def user_list(json: JsonOption = False, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """List who can sign in."""
    found = _asked(_settings(config, data_dir), lambda users: users.list())
    if json:
        typer.echo(orjson.dumps([_shown(user) for user in found]).decode())
        return
    width = max((len(user.name) for user in found), default=0)
    for user in found:
        typer.echo(f"{user.name:{width}}  since {user.created_at:%Y-%m-%d}{'  operator' if user.is_operator else ''}")


@user_app.command("passwd")
def user_passwd(name: NameArgument, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Give somebody a new password, and end the sign-ins made with the old one."""
    settings, password = _settings(config, data_dir), _new_password()
    _asked(settings, lambda users: users.set_password(name, password))
    typer.echo(f"{name} has a new password, and has to sign in again everywhere.")


@user_app.command("erase")
def user_erase(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Forget somebody and end their sign-ins. This cannot be undone."""
    settings = _settings(config, data_dir)
    if not yes and not typer.confirm(f"Erase {name}?", err=True):
        typer.echo("media-gateway: Nobody was erased.", err=True)
        raise typer.Exit(1)
    ended = _asked(settings, lambda users: users.erase(name))
    typer.echo(f"{name} is erased; {ended} sign-{'in' if ended == 1 else 'ins'} ended.")


def _settings(config: Path | None, data_dir: Path | None) -> Settings:
    settings = settings_from(config, data_dir)
    log_when_asked(settings.log)
    return settings


def _asked(settings: Settings, question: Callable[[Users], Awaitable[T]]) -> T:
    return asked(settings, "auth", Users, question)


def _new_password() -> str:
    if sys.stdin is not None and sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    password = sys.stdin.readline().rstrip("\r\n") if sys.stdin is not None else ""
    if not password:
        raise InvalidParams("password", "is missing; type it when asked, or pipe it in")
    return password


def _shown(user: UserEntry) -> dict[str, object]:
    return {"name": user.name, "user_id": user.user_id, "operator": user.is_operator, "created_at": user.created_at}
