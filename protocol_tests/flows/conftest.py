"""Data folders and disks for whole journeys."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from protocol_tests.gateways import run


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the starter catalogue and its index; copy it before use."""
    folder = tmp_path_factory.mktemp("prepared") / "data"
    assert run("plugin", "list", data_dir=folder).returncode == 0
    return folder


@pytest.fixture
def data_dir(prepared: Path, tmp_path: Path) -> Path:
    """A data folder of the test's own."""
    return Path(shutil.copytree(prepared, tmp_path / "data"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a file system of the given size."""
    folder = tmp_path / "disk"

    def make(size: str) -> Path:
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            folder.rmdir()
            pytest.skip("a small disk can only be mounted by root")
        return folder

    yield make
    if folder.exists():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
