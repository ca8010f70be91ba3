"""What is shipped: the wheel has all that runs and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_ships_the_core_and_every_built_in_plugin(names: set[str]) -> None:
    plugins = [path.name for path in (ROOT / "plugins").iterdir() if (path / "plugin.py").is_file()]

    assert plugins
    assert {"mcp_gateway/main.py", *(f"{plugin}/plugin.py" for plugin in plugins)} <= names


def test_the_wheel_ships_migrations_and_the_starter_catalogue(names: set[str]) -> None:
    versions = [path for path in ROOT.glob("**/versions/0*.py") if ".venv" not in path.parts]
    versions += (ROOT / "plugins").glob("*/migrations/*.py")
    shipped = {path.relative_to(ROOT).as_posix().removeprefix("plugins/") for path in versions}

    assert shipped <= names
    assert "mcp_gateway_ingestion/starter/titles.jsonl" in names


def test_the_wheel_ships_no_tests(names: set[str]) -> None:
    assert not [
        name for name in names if "/tests/" in name or name.startswith(("protocol_tests", "fixtures", "plugins"))
    ]


def test_every_plugin_folder_is_packaged_and_registered() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")

    for path in (ROOT / "plugins").iterdir():
        if (path / "plugin.py").is_file():
            name = path.name.removeprefix("mcp_gateway_")
            assert f'"plugins/{path.name}"' in text
            assert f'{name} = "{path.name}.plugin"' in text


def test_lock_files_carry_hashes_and_name_no_registry() -> None:
    locks = [*(ROOT / "requirements").glob("*.txt"), *(ROOT / "protocol_tests/clients").glob("*/requirements.txt")]

    for lock in locks:
        text = lock.read_text("utf-8")
        assert "--hash=sha256:" in text
        assert "://" not in text, lock.name
        assert "--index-url" not in text, lock.name
    assert '"resolved"' not in (ROOT / "protocol_tests/clients/typescript/package-lock.json").read_text("utf-8")
