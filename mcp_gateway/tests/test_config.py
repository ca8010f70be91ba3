"""Settings: where they come from, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from mcp_gateway.config import load, parse_plugin_settings
from mcp_gateway.errors import SettingsError
from mcp_gateway.settings import Settings, setting_paths


def write(folder: Path, text: str) -> Path:
    path = folder / "gateway.toml"
    path.write_text(text)
    return path


def test_defaults_need_no_file(tmp_path: Path) -> None:
    settings = load(environ={"MEDIA_GATEWAY_DATA_DIR": str(tmp_path)})

    assert settings.http.port == 8765
    assert settings.database_url == f"sqlite:///{tmp_path / 'media-gateway.sqlite3'}"


def test_the_command_line_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, '[http]\nport = 1\nhost = "file"\nmax_sessions = 7\n')
    environ = {"MEDIA_GATEWAY_HTTP__PORT": "2", "MEDIA_GATEWAY_HTTP__HOST": "environment"}

    http = load(path, {"http": {"port": 3, "host": None}}, environ).http

    assert (http.port, http.host, http.max_sessions) == (3, "environment", 7)


def test_folders_in_a_file_are_meant_from_where_the_file_is(tmp_path: Path) -> None:
    path = write(tmp_path, '[gateway]\ndata_dir = "data"\nplugins_dir = "/elsewhere/plugins"\n')

    gateway = load(path, environ={}).gateway

    assert (gateway.data_dir, gateway.plugins_dir) == (tmp_path / "data", Path("/elsewhere/plugins"))


def test_a_list_in_the_environment_is_separated_by_commas() -> None:
    settings = load(environ={"MEDIA_GATEWAY_GATEWAY__DISABLED": "search, ingestion"})

    assert settings.gateway.disabled == ["search", "ingestion"]


def test_the_settings_file_is_found_in_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    write(tmp_path, "[http]\nport = 99\n")

    assert load(environ={"MEDIA_GATEWAY_DATA_DIR": str(tmp_path)}).http.port == 99


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[http]\nprot = 1", "http.prot: unknown setting; did you mean 'port'?"),
        ("[htpp]\nport = 1", "htpp: unknown setting; did you mean 'http'?"),
        ('[http]\nport = "x"', "http.port: input should be a valid integer"),
        ("[http]\nport = 99999", "http.port: input should be less than or equal to 65535"),
        ("http = 3", "http: input should be a valid dictionary"),
        ("[http\nport = 1", "not valid TOML"),
        ('[log]\nlevel = "loud"', "log.level: input should be 'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_a_wrong_file_is_told_what_and_where(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path, text)

    with pytest.raises(SettingsError) as caught:
        load(path, environ={})

    assert told in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_bytes(b"\xff\xfe[http]")

    with pytest.raises(SettingsError, match="cannot be read: not UTF-8 text"):
        load(path, environ={})


def test_a_missing_file_is_an_error_when_it_was_named() -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: there is no such settings file"):
        load(Path("nowhere.toml"), environ={})


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("MEDIA_GATEWAY_HTTP__PROT", "environment: http.prot: unknown setting; did you mean 'port'?"),
        ("MEDIA_GATEWAY_PORT", "MEDIA_GATEWAY_PORT: unknown variable"),
        ("MEDIA_GATEWAY_DATADIR", "did you mean MEDIA_GATEWAY_DATA_DIR?"),
    ],
)
def test_an_unknown_variable_is_refused(variable: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(environ={variable: "1"})

    assert told in str(caught.value)


def test_a_section_and_a_value_of_the_same_name_in_two_sources_are_a_clear_error(tmp_path: Path) -> None:
    path = write(tmp_path, "http = 3")

    with pytest.raises(SettingsError, match="http"):
        load(path, environ={"MEDIA_GATEWAY_HTTP__PORT": "1"})


def test_variables_that_contradict_each_other_are_a_clear_error() -> None:
    with pytest.raises(SettingsError, match="contradicts another variable"):
        load(environ={"MEDIA_GATEWAY_PLUGINS__A": "1", "MEDIA_GATEWAY_PLUGINS__A__B": "2"})


class ExampleSettings(BaseModel):
    """Settings of a plugin."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    limit: int = 10


def test_a_plugins_settings_are_checked_like_the_cores() -> None:
    assert parse_plugin_settings("x", ExampleSettings, {"limit": "5"}) == ExampleSettings(limit=5)

    with pytest.raises(SettingsError, match=r"plugins\.x\.limti: unknown setting; did you mean 'limit'\?"):
        parse_plugin_settings("x", ExampleSettings, {"limti": 5})


def test_every_setting_has_a_description_and_a_default_that_works() -> None:
    for section, key in setting_paths():
        field = type(getattr(Settings(), section)).model_fields[key]
        assert field.description, f"{section}.{key}"
        assert not field.is_required(), f"{section}.{key}"
