"""Gathers the settings: the only code that reads settings files and the environment.

Order, strongest first: command-line options, `MEDIA_GATEWAY_SECTION__KEY`, gateway.toml, defaults.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from mcp_gateway.errors import SettingsError, nearest
from mcp_gateway.settings import GatewaySection, Settings, section_of, setting_paths

PREFIX = "MEDIA_GATEWAY_"
CONFIG_NAME = "gateway.toml"

# Variables whose names say no section.
_SHORT_NAMES = {"MEDIA_GATEWAY_DATA_DIR": ("gateway", "data_dir")}
_NOT_SETTINGS = {"MEDIA_GATEWAY_CONFIG"}


def load(
    config: Path | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    files: bool = True,
) -> Settings:
    """Gather the settings.

    Args:
        config: The settings file. None: `MEDIA_GATEWAY_CONFIG`, else gateway.toml here or in the data
            folder, if there is one.
        overrides: Command-line options, by section and key; a value of None counts as absent.
        environ: The environment; the process's own by default.
        files: Whether to look for a settings file that was not named.

    Raises:
        SettingsError: A file cannot be read, a key is unknown or a value is wrong. One line a fault.
    """
    environ = os.environ if environ is None else environ
    options = {
        section: {key: value for key, value in values.items() if value is not None}
        for section, values in (overrides or {}).items()
    }
    variables = _from_environment(environ)
    path = _find_config(config, environ, options, variables) if files or config else None
    merged: dict[str, Any] = {}
    origin: dict[tuple[str, ...], str] = {}
    for name, values in (
        (str(path), _anchored(_read_toml(path), path)),
        ("environment", variables),
        ("command line", options),
    ):
        _merge(merged, values, origin, name)
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(fault, origin) for fault in error.errors())) from None


def file_in_force(config: Path | None, data_dir: Path | None) -> Path | None:
    """The settings file that `load` reads with these options, absolute; None when there is none."""
    found = _find_config(config, os.environ, {"gateway": {"data_dir": data_dir}}, _from_environment(os.environ))
    return found.resolve() if found else None


def parse_plugin_settings(name: str, model: type[BaseModel], values: Mapping[str, Any]) -> BaseModel:
    """Validate the `[plugins.<name>]` table against the plugin's own model.

    Raises:
        SettingsError: As `load()`.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = [_describe(fault, ("plugins", name), model) for fault in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def _find_config(
    config: Path | None, environ: Mapping[str, str], options: dict[str, Any], variables: dict[str, Any]
) -> Path | None:
    named = config or (Path(environ["MEDIA_GATEWAY_CONFIG"]) if environ.get("MEDIA_GATEWAY_CONFIG") else None)
    if named is not None:
        return named
    data_dir = options.get("gateway", {}).get("data_dir") or variables.get("gateway", {}).get("data_dir")
    folders = (Path(), Path(data_dir) if data_dir else GatewaySection().data_dir)
    return next((folder / CONFIG_NAME for folder in folders if _has_file(folder / CONFIG_NAME)), None)


def _has_file(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:  # a folder that may not be entered; whoever needs to says so
        return False


def _read_toml(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))  # editors on Windows begin a file with a mark
    except FileNotFoundError:
        raise SettingsError(
            f"{path}: there is no such settings file. Check --config or MEDIA_GATEWAY_CONFIG."
        ) from None
    except IsADirectoryError:
        raise SettingsError(f"{path}: is a folder; name the settings file in it.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not valid TOML: {error}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8 text'}."
        ) from None


def _anchored(values: dict[str, Any], path: Path | None) -> dict[str, Any]:
    """Folders that a settings file names are meant from where the file is, wherever the gateway is started."""
    section = values.get("gateway")
    if path is not None and isinstance(section, dict):
        for key in ("data_dir", "plugins_dir"):
            if isinstance(section.get(key), str):
                section[key] = str(path.resolve().parent / Path(section[key]).expanduser())
    return values


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in environ.items():
        if not name.startswith(PREFIX) or name in _NOT_SETTINGS:
            continue
        path = _SHORT_NAMES.get(name) or tuple(name.removeprefix(PREFIX).lower().split("__"))
        if len(path) < 2:
            raise SettingsError(_unknown_variable(name))
        table = found
        for part in path[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                break
        if not isinstance(table, dict) or isinstance(table.get(path[-1]), dict):
            raise SettingsError(f"{name}: contradicts another variable, which sets a part of its name.")
        table[path[-1]] = value
    return found


def _unknown_variable(name: str) -> str:
    known = [*_SHORT_NAMES, *_NOT_SETTINGS, *(_variable(path) for path in setting_paths())]
    close = nearest(name, known)
    return f"{name}: unknown variable" + (f"; did you mean {close}?" if close else ".")


def _merge(into: dict[str, Any], values: Mapping[str, Any], origin: dict[tuple[str, ...], str], name: str) -> None:
    def walk(target: dict[str, Any], source: Mapping[str, Any], path: tuple[str, ...]) -> None:
        for key, value in source.items():
            here = (*path, key)
            if isinstance(value, Mapping):
                inner = target.setdefault(key, {})
                if not isinstance(inner, dict):
                    raise SettingsError(
                        f"{origin[here]}: {'.'.join(here)} is a single value, but a table of settings in the {name}."
                    )
                walk(inner, value, here)
            else:
                target[key] = value
            origin[here] = name

    walk(into, values, ())


def _explain(fault: Any, origin: Mapping[tuple[str, ...], str]) -> str:
    path = tuple(str(part) for part in fault["loc"])
    source = next((origin[path[:n]] for n in range(len(path), 0, -1) if path[:n] in origin), "settings")
    return f"{source}: {_describe(fault, (), Settings)}"


def _describe(fault: Any, prefix: tuple[str, ...], model: type[BaseModel]) -> str:
    path = tuple(str(part) for part in fault["loc"])
    shown = ".".join((*prefix, *path))
    if fault["type"] != "extra_forbidden":
        told = fault["msg"].removeprefix("Value error, ")
        return f"{shown}: {told[0].lower()}{told[1:]}."
    close = nearest(path[-1], _keys_at(model, path[:-1]))
    return f"{shown}: unknown setting" + (f"; did you mean {close!r}?" if close else ".")


def _keys_at(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    for part in path:
        field = model.model_fields.get(part)
        inner = section_of(field) if field else None
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _variable(path: tuple[str, str]) -> str:
    return f"{PREFIX}{path[0]}__{path[1]}".upper()
