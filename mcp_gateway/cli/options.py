"""Options that several commands share, and the settings they lead to."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from mcp_gateway.config import load
from mcp_gateway.observability.logs import configure
from mcp_gateway.settings import LogSection, Settings

ConfigOption = Annotated[Path | None, typer.Option("--config", help="Settings file.", show_default="./gateway.toml")]
DataDirOption = Annotated[Path | None, typer.Option("--data-dir", help="Folder of the embedded database and indexes.")]
PluginsDirOption = Annotated[Path | None, typer.Option("--plugins-dir", help="Folder with more plugins.")]
DisableOption = Annotated[list[str] | None, typer.Option("--disable", help="Plugin to leave out; repeat for more.")]
ProfileOption = Annotated[
    str | None, typer.Option("--profile", help="Tools to offer: discovery, full, or plugin names with commas.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def settings_from(
    config: Path | None,
    data_dir: Path | None = None,
    plugins_dir: Path | None = None,
    disable: list[str] | None = None,
    **sections: dict[str, Any],
) -> Settings:
    """The settings with the command line's options over them.

    Raises:
        SettingsError: See `config.load`.
    """
    gateway = {"data_dir": data_dir, "plugins_dir": plugins_dir, "disabled": disable or None}
    overrides = {**sections, "gateway": {**gateway, **sections.get("gateway", {})}}
    return load(config, overrides)


def log_when_asked(log: LogSection) -> None:
    """Logs of a command that answers and ends: it says itself what failed, so only `log.level = "debug"` shows more."""
    configure(log)
    if log.level != "debug":
        logging.getLogger().handlers = [logging.NullHandler()]
