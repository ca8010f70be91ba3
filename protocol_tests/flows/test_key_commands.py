"""`media-gateway key`: the keys that sign tokens, seen and changed from the command line."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from protocol_tests.gateways import run


def listed(folder: Path) -> list[dict[str, Any]]:
    return list(json.loads(run("key", "list", "--json", data_dir=folder).stdout))


def test_the_next_key_is_made_and_waits_for_its_turn(tmp_path: Path) -> None:
    (first,) = listed(tmp_path)

    rotated = run("key", "rotate", data_dir=tmp_path)

    kept, following = listed(tmp_path)
    assert (rotated.returncode, rotated.stderr) == (0, "")
    assert rotated.stdout.startswith(following["kid"])
    assert kept == {**first, "signs_until": following["signs_from"]}
    waits = datetime.fromisoformat(following["signs_from"]) - datetime.fromisoformat(first["signs_from"])
    assert waits >= timedelta(seconds=600)
    assert run("key", "list", data_dir=tmp_path).stdout.count(" signs from ") == 2
