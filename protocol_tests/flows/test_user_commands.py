"""`media-gateway user`: who can sign in, kept from the command line."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import termios
import time
from pathlib import Path
from typing import Any

from protocol_tests.gateways import COMMAND, environment, run
from protocol_tests.sign_in import PASSWORD

PATIENCE_SECONDS = 40.0


def user(folder: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return run("user", *arguments, data_dir=folder / "data", given=given)


def listed(folder: Path) -> list[dict[str, Any]]:
    return list(json.loads(user(folder, "list", "--json").stdout))


def test_people_are_added_listed_and_erased(tmp_path: Path) -> None:
    added = user(tmp_path, "add", "Ada", given=f"{PASSWORD}\n")
    operator = user(tmp_path, "add", "Grace", "--operator", given=f"{PASSWORD}\n")

    assert (added.returncode, operator.returncode) == (0, 0)
    assert [(each["name"], each["operator"]) for each in listed(tmp_path)] == [("Ada", False), ("Grace", True)]
    assert "Grace  since" in user(tmp_path, "list").stdout
    assert user(tmp_path, "passwd", "ADA", given="another horse battery\n").returncode == 0
    erased = user(tmp_path, "erase", "ada", "--yes")
    assert erased.stdout == "ada is erased; 0 sign-ins ended.\n"
    assert [each["name"] for each in listed(tmp_path)] == ["Grace"]


def test_what_cannot_be_is_said_in_a_line(tmp_path: Path) -> None:
    user(tmp_path, "add", "Ada", given=f"{PASSWORD}\n")
    tried = [
        (user(tmp_path, "add", "ada", given=f"{PASSWORD}\n"), 1, "There is somebody called 'ada' already."),
        (user(tmp_path, "add", "Eve", given="short\n"), 2, "password: must have at least 12 characters"),
        (user(tmp_path, "add", "Eve"), 2, "password: is missing"),
        (user(tmp_path, "add", " ", given=f"{PASSWORD}\n"), 2, "name: must have 1 to 100 characters"),
        (user(tmp_path, "add", "Margaret Hamilton", given="margaret hamilton 1\n"), 2, "must not be made of the name"),
        (user(tmp_path, "passwd", "Eve", given=f"{PASSWORD}\n"), 2, "No user 'Eve'."),
        (user(tmp_path, "erase", "Eve", "--yes"), 2, "No user 'Eve'."),
        (user(tmp_path, "erase", "Ada", given="n\n"), 1, "Nobody was erased."),
        (user(tmp_path, "erase", "Ada"), 130, "Erase Ada?"),
    ]

    for done, code, told in tried:
        assert (done.returncode, done.stdout.strip()) == (code, ""), done
        assert told in done.stderr
        assert done.stderr.count("\n") <= 2
    assert [each["name"] for each in listed(tmp_path)] == ["Ada"]


def test_on_a_terminal_the_password_is_asked_for_and_not_shown(tmp_path: Path) -> None:
    terminal, end = pty.openpty()
    command = [COMMAND, "user", "add", "Ada", "--data-dir", str(tmp_path / "data")]

    with subprocess.Popen(
        command, stdin=end, stdout=end, stderr=end, env=environment(), start_new_session=True
    ) as asked:
        try:
            os.close(end)
            shown = "".join(_answered(terminal, prompt) for prompt in ("Password", "Repeat"))
            shown += _until(terminal, "can sign in")
        finally:
            asked.kill()
            os.close(terminal)

    assert PASSWORD not in shown
    assert [each["name"] for each in listed(tmp_path)] == ["Ada"]


def test_a_password_is_no_argument(tmp_path: Path) -> None:
    assert user(tmp_path, "add", "Ada", PASSWORD).returncode == 2


def _answered(terminal: int, prompt: str) -> str:
    """Type the password once it is asked for; what was shown until then."""
    shown = _until(terminal, prompt)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while termios.tcgetattr(terminal)[3] & termios.ECHO:  # until then what is typed is thrown away
        assert time.monotonic() < deadline, "what is typed would be shown"
    os.write(terminal, f"{PASSWORD}\n".encode())
    return shown


def _until(terminal: int, text: str) -> str:
    shown = ""
    while text not in shown:
        assert select.select([terminal], [], [], PATIENCE_SECONDS)[0], f"no {text!r} after: {shown}"
        shown += os.read(terminal, 1024).decode()
    return shown
