"""`plugin`, `config` and `db`: what operators look at and repair."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import orjson
import typer
from pydantic import BaseModel, SecretStr

from mcp_gateway.cli.options import (
    ConfigOption,
    DataDirOption,
    DisableOption,
    JsonOption,
    PluginsDirOption,
    log_when_asked,
    settings_from,
)
from mcp_gateway.cli.starting import started
from mcp_gateway.config import parse_plugin_settings
from mcp_gateway.errors import SettingsError
from mcp_gateway.observability.logs import HIDDEN
from mcp_gateway.settings import Settings

plugin_app = typer.Typer(help="The plugins.", no_args_is_help=True)
config_app = typer.Typer(help="The settings.", no_args_is_help=True)
db_app = typer.Typer(help="The database.", no_args_is_help=True)

if TYPE_CHECKING:  # the gateway takes a second to import, which a command that is refused must not
    from mcp_gateway.plugin_discovery import Plugin
    from mcp_gateway.storage.migrations import BranchStatus


@plugin_app.command("list")
def plugin_list(
    json: JsonOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    plugins_dir: PluginsDirOption = None,
    disable: DisableOption = None,
) -> None:
    """List the plugins: which run, and why the others do not."""
    settings = settings_from(config, data_dir, plugins_dir, disable)
    log_when_asked(settings.log)
    plugins = anyio.run(_started, settings)
    if json:
        rows = [{"name": p.name, "version": p.version, "state": p.state, "reason": p.reason} for p in plugins]
        typer.echo(orjson.dumps(rows).decode())
        return
    width = max((len(plugin.name) for plugin in plugins), default=0)
    for plugin in plugins:
        reason = f"  {plugin.reason}" if plugin.reason else ""
        typer.echo(f"{plugin.name:{width}}  {plugin.state:11}  {plugin.origin}{reason}")


@config_app.command("show")
def config_show(json: JsonOption = False, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Print every setting as it is in force. Secrets are hidden."""
    shown = visible(settings_from(config, data_dir))
    if json:
        typer.echo(orjson.dumps(shown).decode())
        return
    for section, values in shown.items():
        typer.echo(f"[{section}]")
        for key, value in values.items():
            typer.echo(f"{key} = {orjson.dumps(value).decode()}")
        typer.echo("")


@config_app.command("check")
def config_check(
    config: ConfigOption = None, data_dir: DataDirOption = None, plugins_dir: PluginsDirOption = None
) -> None:
    """Check the settings, those of the plugins too, without starting anything."""
    try:
        anyio.run(_check, settings_from(config, data_dir, plugins_dir))
    except SettingsError as error:
        for fault in str(error).splitlines():
            typer.echo(f"media-gateway: {fault}", err=True)
        raise typer.Exit(error.exit_code) from None
    typer.echo("The settings are valid.")


@db_app.command("status")
def db_status(json: JsonOption = False, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Show which version the tables of the core and of each plugin have."""
    rows = anyio.run(_db, settings_from(config, data_dir), False)
    if json:
        typer.echo(orjson.dumps(rows).decode())
        return
    for row in rows:
        typer.echo(f"{row['name']:12}  {row['current'] or 'empty'}  {row['state']}")


@db_app.command("upgrade")
def db_upgrade(config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Bring all tables up to date. `serve` does so by itself."""
    rows = anyio.run(_db, settings_from(config, data_dir), True)
    typer.echo(f"Up to date: {', '.join(row['name'] for row in rows)}.")


async def _started(settings: Settings) -> list[Plugin]:
    from mcp_gateway.plugin_discovery import Plugin

    async with started(settings) as gateway:
        # A copy, because leaving the block stops them.
        return [Plugin(p.name, p.origin, p.load, p.version, p.state, p.for_operator) for p in gateway.plugins]


async def _check(settings: Settings) -> None:
    """Raise SettingsError when the gateway would, as far as that can be seen without starting it."""
    from mcp_gateway.bus.open import open_bus
    from mcp_gateway.cache.open import open_cache
    from mcp_gateway.clock import SystemClock
    from mcp_gateway.plugin_discovery import discover
    from mcp_gateway.plugin_manager import read_declarations, refuse_unknown_names
    from mcp_gateway.storage.engine import check_url

    declared = read_declarations(discover(settings.gateway.plugins_dir))
    refuse_unknown_names(settings, list(declared))
    for name, declarations in declared.items():
        if declarations.settings is not None and name not in settings.gateway.disabled:
            parse_plugin_settings(name, declarations.settings, settings.plugins.get(name, {}))
    await check_url(settings.database_url)
    async with open_cache(settings.cache.url, clock=SystemClock()), open_bus(settings.events.url, clock=SystemClock()):
        pass


async def _db(settings: Settings, upgrade: bool) -> list[dict[str, Any]]:
    from mcp_gateway.gateway import make_data_dir
    from mcp_gateway.plugin_discovery import discover
    from mcp_gateway.plugin_manager import read_declarations
    from mcp_gateway.storage.engine import open_database
    from mcp_gateway.storage.migrations import CORE_BRANCH, migrate, status

    branches: dict[str, Path] = dict([CORE_BRANCH])
    for name, declared in read_declarations(discover(settings.gateway.plugins_dir)).items():
        if declared.migrations is not None:
            branches[name] = declared.migrations
    make_data_dir(settings.gateway.data_dir)
    async with open_database(settings.database_url, busy_seconds=settings.storage.busy_seconds) as db:
        if upgrade:
            await migrate(db, branches)
        return [
            {"name": s.name, "current": s.current, "head": s.head, "state": _in_words(s)}
            for s in await status(db, branches)
        ]


def _in_words(branch: BranchStatus) -> str:
    if not branch.is_known:
        return "newer than this program; upgrade the program"
    return "up to date" if branch.is_current else f"behind {branch.head}; run `media-gateway db upgrade`"


def visible(settings: BaseModel) -> dict[str, Any]:
    """Settings as plain values, with secrets, and passwords inside URLs, hidden."""
    return {name: _visible(value) for name, value in settings}


def _visible(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, BaseModel):
        return visible(value)
    if isinstance(value, Mapping):
        return {key: HIDDEN if _names_secret(key) else _visible(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_visible(inner) for inner in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str) and "://" in value:
        scheme, _, rest = value.partition("://")
        user, at, place = rest.rpartition("@")
        place, query, _ = place.partition("?")
        return f"{scheme}://{HIDDEN if user else ''}{at}{place}{f'?{HIDDEN}' if query else ''}"
    return value


def _names_secret(key: str) -> bool:
    return any(word in key.lower() for word in ("secret", "password", "token", "key"))
