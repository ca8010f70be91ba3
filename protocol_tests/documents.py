"""The documents as tests read them: their blocks, links and headings, and a terminal to follow them in."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from protocol_tests.gateways import ROOT, environment

DOCS = ROOT / "docs"
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md"), *(ROOT / "plugins").glob("*/README.md")]
)
COMMAND_SECONDS = 60
READY = "Stop with Ctrl+C."

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]\[]*\]\(([^)\s]+)\)")

# For machines without curl: what the pages use of it.
_CURL = """#!{python}
import sys, urllib.request
print(urllib.request.urlopen([word for word in sys.argv[1:] if not word.startswith("-")][0]).read().decode(), end="")
"""


@dataclass(frozen=True)
class Block:
    """A fenced block, and the words that lead to it.

    Attributes:
        name: The file it says to be on its first line: `# gateway.toml`.
    """

    page: Path
    language: str
    text: str
    before: str

    @property
    def name(self) -> str | None:
        """The file that it is saved as."""
        found = re.match(r"# ([\w./-]+\.\w+)\n", self.text)
        return found[1] if found else None

    def __str__(self) -> str:
        return f"{shown(self.page)}: {self.text.splitlines()[0][:60]}"


def shown(path: Path) -> str:
    """A page's path in the project."""
    return path.relative_to(ROOT).as_posix()


def blocks(page: Path, *languages: str) -> list[Block]:
    """The fenced blocks of a page, of these languages or all."""
    text = page.read_text("utf-8")
    found = []
    end = 0
    for match in _FENCE.finditer(text):
        found.append(Block(page, match[1], match[2], text[end : match.start()]))
        end = match.end()
    return [block for block in found if not languages or block.language in languages]


def without_blocks(page: Path) -> str:
    """A page's prose."""
    return _FENCE.sub("", page.read_text("utf-8"))


def links(page: Path) -> list[str]:
    """Where a page's links lead, other sites left out."""
    return [link for link in _LINK.findall(without_blocks(page)) if "://" not in link]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def fits(expected: str, printed: str) -> bool:
    """Whether a page shows what was printed; `…` stands for anything."""
    parts = (re.escape(part) for part in expected.strip().split("…"))
    return re.fullmatch(".*?".join(parts), printed.strip(), re.DOTALL) is not None


@dataclass(frozen=True)
class Ended:
    """What a command did."""

    printed: str
    errors: str
    code: int


class Terminal:
    """A reader's terminal, in a folder that looks like a fresh clone whose environment is built.

    The default port of the pages is replaced by a free one, the user's data folder by one of the test.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._environment = environment(
            MEDIA_GATEWAY_DATA_DIR=str(folder / "data"), MEDIA_GATEWAY_HTTP__PORT=str(self.port), COLUMNS="200"
        )
        self._running: subprocess.Popen[str] | None = None
        self._build()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._running is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._running.pid, signal.SIGKILL)
            self._running.communicate()

    def here(self, text: str) -> str:
        """A page's text with this terminal's port."""
        return text.replace("127.0.0.1:8765", f"127.0.0.1:{self.port}")

    def save(self, block: Block) -> Path:
        """Save a block under the name it says."""
        assert block.name, f"{block} does not say its file"
        path = self.folder / block.name
        assert path.resolve().is_relative_to(self.folder.resolve()), (
            f"{block} would be written outside the test's folder"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.here(block.text), "utf-8")
        return path

    def run(self, script: str) -> Ended:
        """Paste commands. Standard output is a terminal, as the reader's is."""
        master, slave = pty.openpty()
        printed: list[bytes] = []
        reader = threading.Thread(target=_read_all, args=(master, printed), daemon=True)
        try:
            process = subprocess.Popen(
                ["sh", "-c", self.here(script)],
                cwd=self.folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.PIPE,
            )  # fmt: skip
            reader.start()
            errors = process.communicate(timeout=COMMAND_SECONDS)[1]
        finally:
            os.close(slave)
        reader.join(COMMAND_SECONDS)
        os.close(master)
        return Ended(b"".join(printed).decode().replace("\r\n", "\n"), errors.decode(), process.returncode)

    def start(self, script: str) -> str:
        """Paste a command that keeps running; what it printed until it was ready."""
        process = subprocess.Popen(
            ["sh", "-c", script],
            cwd=self.folder, env=self._environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
        )  # fmt: skip
        self._running = process
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if line.strip() == READY:
                break
        return "".join(lines)

    def interrupt(self) -> None:
        """Press Ctrl+C in the terminal of the running command, and wait for its end."""
        assert self._running is not None
        os.killpg(self._running.pid, signal.SIGINT)
        self._running.communicate(timeout=20)
        self._running = None

    def _build(self) -> None:
        """What `make` looks at, copied, with the environment that the tests run in."""
        for name in ("Makefile", "pyproject.toml"):
            shutil.copy(ROOT / name, self.folder / name)
        for name in ("requirements", "scripts"):
            shutil.copytree(ROOT / name, self.folder / name)
        (self.folder / ".venv").mkdir()
        for entry in Path(sys.prefix).iterdir():
            if entry.name not in {".run", ".dev"}:
                (self.folder / ".venv" / entry.name).symlink_to(entry)
        (self.folder / ".venv" / ".run").touch()
        (self.folder / ".venv" / ".dev").touch()
        if not shutil.which("curl"):
            tools = self.folder / "tools"
            tools.mkdir()
            (tools / "curl").write_text(_CURL.format(python=sys.executable))
            (tools / "curl").chmod(0o755)
            self._environment["PATH"] = f"{tools}{os.pathsep}{self._environment['PATH']}"


def steps(page: Path) -> Iterator[tuple[Block, Block | None]]:
    """What a reader does, in order: each block to save or to paste, and the block that shows what it prints."""
    found = blocks(page)
    for block, following in zip(found, [*found[1:], None], strict=True):
        if block.name or block.language == "sh":
            yield (block, following if following and following.language == "text" else None)


def _read_all(master: int, into: list[bytes]) -> None:
    with contextlib.suppress(OSError):  # the other side has been closed
        while chunk := os.read(master, 65536):
            into.append(chunk)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
