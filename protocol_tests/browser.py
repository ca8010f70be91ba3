"""Chromium, driven by WebDriver (W3C) over HTTP: the packages `chromium` and `chromium-driver` are all it needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
COMMAND_SECONDS = 40.0
TAB, ENTER, SPACE = "\ue004", "\ue007", " "


@dataclass(frozen=True)
class Element:
    """An element of a page."""

    browser: Browser
    id: str

    def click(self) -> None:
        """Click on it."""
        self.browser.command("POST", f"/element/{self.id}/click", {})

    def fill(self, text: str) -> None:
        """Type into it, in place of what is there."""
        self.browser.command("POST", f"/element/{self.id}/clear", {})
        self.browser.command("POST", f"/element/{self.id}/value", {"text": text})

    @property
    def label(self) -> str:
        """What a screen reader calls it."""
        return str(self.browser.command("GET", f"/element/{self.id}/computedlabel"))

    @property
    def role(self) -> str:
        """What a screen reader says that it is."""
        return str(self.browser.command("GET", f"/element/{self.id}/computedrole"))

    @property
    def text(self) -> str:
        """What it shows."""
        return str(self.browser.command("GET", f"/element/{self.id}/text"))

    def attribute(self, name: str) -> str | None:
        """An attribute."""
        found = self.browser.command("GET", f"/element/{self.id}/attribute/{name}")
        return None if found is None else str(found)


class Browser:
    """One window."""

    def __init__(self, http: httpx.Client, session: str) -> None:
        self._http = http
        self._session = session

    def command(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a command; its value."""
        answer = self._http.request(method, f"/session/{self._session}{path}", json=body)
        value = answer.json()["value"]
        assert answer.status_code == 200, value
        return value

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is there."""
        self.command("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        """Where it is."""
        return str(self.command("GET", "/url"))

    @property
    def title(self) -> str:
        """Of the page."""
        return str(self.command("GET", "/title"))

    def find(self, selector: str) -> list[Element]:
        """All elements that a CSS selector finds."""
        found = self.command("POST", "/elements", {"using": "css selector", "value": selector})
        return [Element(self, each[ELEMENT]) for each in found]

    def one(self, selector: str) -> Element:
        """The only one."""
        found = self.find(selector)
        assert len(found) == 1, f"{len(found)} of {selector} on {self.url}"
        return found[0]

    @property
    def focused(self) -> Element:
        """The element that has the focus."""
        return Element(self, self.command("GET", "/element/active")[ELEMENT])

    def follow(self, element: Element) -> None:
        """Click on what leads to another page, and wait until that is there."""
        with self.leaving():
            element.click()

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """What is done inside leads to another page; wait until that is there."""
        self.evaluate("document.documentElement.dataset.left = 'yes'")
        yield
        script = "return document.readyState === 'complete' && !document.documentElement.dataset.left"
        deadline = time.monotonic() + COMMAND_SECONDS
        while not self._is_true(script):
            assert time.monotonic() < deadline, f"still on {self.url}"

    def _is_true(self, script: str) -> bool:
        try:
            return bool(self.evaluate(script))
        except AssertionError:  # between two pages there is nothing to ask
            return False

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.command("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def evaluate(self, script: str) -> Any:
        """What a function body returns, run in the page from outside it."""
        return self.command("POST", "/execute/sync", {"script": script, "args": []})

    def tell(self, command: str, **parameters: Any) -> Any:
        """A command of Chromium's own (the DevTools protocol)."""
        return self.command("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def complaints(self) -> list[str]:
        """What the console has got since it was asked last: refused by a policy, failed to load."""
        return [entry["message"] for entry in self.command("POST", "/se/log", {"type": "browser"})]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window on a screen, and without a past."""
    driver = shutil.which("chromedriver") or missing("chromedriver is not there; install chromium and chromium-driver")
    with tempfile.TemporaryDirectory() as folder, _running(driver, Path(folder)) as http:
        arguments = ["--headless=new", "--disable-dev-shm-usage", f"--user-data-dir={folder}/profile"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # Chromium has none for root
        wanted = {"goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}}
        begun = http.post("/session", json={"capabilities": {"alwaysMatch": wanted}}).json()["value"]
        assert "sessionId" in begun, begun
        try:
            yield Browser(http, begun["sessionId"])
        finally:
            http.delete(f"/session/{begun['sessionId']}")


@contextmanager
def _running(driver: str, folder: Path) -> Iterator[httpx.Client]:
    with subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        try:
            assert process.stdout is not None
            started = next(line for line in process.stdout if "successfully on port " in line)
            port = started.rpartition(" ")[2].strip(". \n")
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=COMMAND_SECONDS) as http:
                yield http
        finally:
            process.terminate()


def missing(reason: str) -> NoReturn:
    """Skip on a machine where a browser cannot be had; fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
