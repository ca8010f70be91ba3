"""The pages of signing in, in Chromium: what people see, what screen readers are told, what attackers get."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from protocol_tests.browser import ENTER, SPACE, TAB, Browser, chromium
from protocol_tests.sign_in import NAME, PASSWORD, signing_in_gateway

VERIFIER = "verifier" * 8
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()

# Of every text on the page: its contrast with what is behind it (WCAG 2, 1.4.3).
CONTRASTS = """
const parts = (color) => color.match(/[\\d.]+/g).map(Number);
const light = (color) => parts(color).slice(0, 3).map((part) => part / 255)
  .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
  .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const color = getComputedStyle(each).backgroundColor;
    if ((parts(color)[3] ?? 1) > 0) return color;
  }
  return 'rgb(255, 255, 255)';
};
const found = [];
for (const element of document.body.querySelectorAll('*')) {
  if (![...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
  const [one, other] = [light(getComputedStyle(element).color), light(behind(element))];
  found.push((Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05));
}
return found;
"""


class Client:
    """A program on this computer that wants to be let in, and a page of its own."""

    def __init__(self, gateway: str, port: int, answers: Queue[str], pages: dict[str, str]) -> None:
        self.gateway = gateway
        self.port = port
        self.pages = pages
        self._answers = answers
        redirect_uris = [f"http://127.0.0.1:{port}/callback"]
        asked = {"redirect_uris": redirect_uris, "client_name": "Film Friend", "token_endpoint_auth_method": "none"}
        self.client_id = httpx.post(f"{gateway}/register", json=asked).raise_for_status().json()["client_id"]

    @property
    def link(self) -> str:
        """Where it sends people."""
        asked = {
            "response_type": "code", "client_id": self.client_id, "state": "s",
            "redirect_uri": f"http://127.0.0.1:{self.port}/callback",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256", "scope": "catalog:read playback:write",
        }  # fmt: skip
        return f"{self.gateway}/authorize?{urlencode(asked)}"

    def answer(self) -> dict[str, list[str]]:
        """What the browser brought."""
        return parse_qs(urlsplit(self._answers.get(timeout=30)).query)

    def has_answer(self) -> bool:
        """Whether the browser brought something."""
        try:
            self._answers.get_nowait()
        except Empty:
            return False
        return True


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with signing_in_gateway(tmp_path_factory.mktemp("pages") / "data") as gateway:
        yield gateway.url


@pytest.fixture
def client(gateway: str) -> Iterator[Client]:
    with _listening(gateway) as client:
        yield client


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def browser(window: Browser) -> Browser:
    """The browser, as if it had never been anywhere."""
    window.tell("Network.clearBrowserCookies")
    window.tell("Emulation.clearDeviceMetricsOverride")
    window.tell("Emulation.setEmulatedMedia", features=[])
    window.tell("Emulation.setScriptExecutionDisabled", value=False)
    window.open("about:blank")
    window.complaints()
    return window


@contextmanager
def _listening(gateway: str) -> Iterator[Client]:
    answers: Queue[str] = Queue()
    pages: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, "Go back to the program.")
            if self.path.startswith("/callback"):
                answers.put(self.path)
            self.send_response(200 if self.path in pages or self.path.startswith("/callback") else 404)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield Client(gateway, server.server_address[1], answers, pages)
        server.shutdown()


def sign_in(browser: Browser, password: str = PASSWORD) -> None:
    browser.one("#name").fill(NAME)
    browser.one("#password").fill(password)
    browser.follow(browser.one("button[value=sign-in]"))


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_person_lets_a_client_in(browser: Browser, client: Client, scripts: bool) -> None:
    browser.tell("Emulation.setScriptExecutionDisabled", value=not scripts)
    browser.open(client.link)

    sign_in(browser)
    assert "Film Friend" in browser.one("h1").text
    assert "a program on this computer" in browser.one("main").text
    browser.follow(browser.one("button[value=allow]"))

    answer = client.answer()
    assert sorted(answer) == ["code", "iss", "state"]
    assert answer["iss"] == [client.gateway]
    assert [each for each in browser.complaints() if "favicon" not in each] == []


def test_a_person_lets_a_client_in_by_the_keyboard_alone(browser: Browser, client: Client) -> None:
    browser.open(client.link)

    with browser.leaving():
        browser.press(TAB, *NAME, TAB, *PASSWORD, TAB, SPACE, ENTER)
    browser.press(TAB, ENTER)

    assert "code" in client.answer()


def test_who_said_so_stays_signed_in(browser: Browser, client: Client) -> None:
    browser.open(client.link)
    browser.one("#remember").click()
    sign_in(browser)

    cookies = {cookie["name"]: cookie for cookie in browser.command("GET", "/cookie")}

    assert cookies["media-gateway-session"]["httpOnly"] is True
    assert cookies["media-gateway-session"]["sameSite"] == "Lax"
    assert "expiry" in cookies["media-gateway-session"]
    assert browser.evaluate("return document.cookie") == ""


def test_one_can_refuse_or_take_another_account(browser: Browser, client: Client) -> None:
    browser.open(client.link)
    sign_in(browser)
    browser.follow(browser.one("button[value=sign-out]"))
    assert browser.one("h1").text == "Sign in"

    sign_in(browser)
    browser.follow(browser.one("button[value=deny]"))

    assert client.answer()["error"] == ["access_denied"]


def test_a_wrong_password_is_told_to_eyes_and_ears_alike(browser: Browser, client: Client) -> None:
    """WCAG 2 (3.3.1, 4.1.3): the summary gets the focus, is an alert, and leads to the field."""
    browser.open(client.link)
    sign_in(browser, "wrong")

    alarm = browser.one("#alarm")
    assert browser.title.startswith("Error: ")
    assert alarm.role == "alert"
    assert browser.focused.id == alarm.id
    browser.press(TAB, ENTER)
    assert browser.focused.attribute("id") == "name"
    assert browser.one("#name").attribute("aria-invalid") == "true"
    assert browser.one("#name").attribute("value") == NAME
    assert not browser.one("#password").attribute("value")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_told_from_what_is_behind_it(browser: Browser, client: Client, scheme: str) -> None:
    """WCAG 2 (1.4.3): 4.5 to 1."""
    browser.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.open(client.link)
    seen = [browser.evaluate(CONTRASTS)]
    sign_in(browser, "wrong")
    seen.append(browser.evaluate(CONTRASTS))
    sign_in(browser)
    assert browser.find("button[value=allow]")
    seen.append(browser.evaluate(CONTRASTS))

    assert all(len(contrasts) > 4 for contrasts in seen)
    assert min(min(contrasts) for contrasts in seen) >= 4.5


@pytest.mark.parametrize("width", [640, 320], ids=["200 %", "400 %"])
def test_nothing_is_cut_off_when_all_is_large(browser: Browser, client: Client, width: int) -> None:
    """WCAG 2 (1.4.4, 1.4.10): a window of 1280 points, enlarged."""
    browser.tell("Emulation.setDeviceMetricsOverride", width=width, height=512, deviceScaleFactor=2, mobile=False)
    browser.open(client.link)
    for _ in range(2):
        assert browser.evaluate("return document.documentElement.scrollWidth") <= width
        assert (
            browser.evaluate("return Math.min(...[...document.querySelectorAll('button')].map((b) => b.offsetHeight))")
            >= 44
        )
        if browser.find("#password"):
            sign_in(browser)


def test_fields_have_labels_and_the_page_a_language(browser: Browser, client: Client) -> None:
    """WCAG 2 (1.3.1, 3.1.1, 2.4.2)."""
    browser.open(client.link)

    assert browser.one("html").attribute("lang") == "en"
    assert browser.title == "Sign in - Media Gateway"
    labels = {element.label for element in browser.find("input:not([type=hidden])")}
    assert labels == {"Name", "Password", "Keep me signed in on this device for 30 days"}
    assert browser.one("#password").attribute("autocomplete") == "current-password"
    assert browser.one("main").role == "main"


def test_what_has_the_focus_shows_it(browser: Browser, client: Client) -> None:
    """WCAG 2 (2.4.7)."""
    browser.open(client.link)

    for _ in range(4):
        browser.press(TAB)
        assert browser.evaluate("return getComputedStyle(document.activeElement).outlineWidth") == "3px"


def test_no_other_page_can_show_ours_in_a_frame(browser: Browser, client: Client) -> None:
    """Clickjacking."""
    browser.open(client.link)
    sign_in(browser)
    client.pages["/evil"] = f'<iframe src="{client.link.replace("&", "&amp;")}"></iframe>'

    browser.open(f"http://127.0.0.1:{client.port}/evil")

    assert any("frame-ancestors" in complaint for complaint in browser.complaints())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["same site", "other site"])
def test_a_form_on_another_page_lets_nobody_in(browser: Browser, client: Client, host: str) -> None:
    """CSRF, with a person signed in: from another port of this computer, and from another site."""
    browser.open(client.link)
    sign_in(browser)
    client.pages["/evil"] = (
        f'<form method="post" action="{client.link.replace("&", "&amp;")}">'
        '<button name="action" value="allow">Win</button></form>'
    )

    browser.open(f"http://{host}:{client.port}/evil")
    browser.follow(browser.one("button"))

    assert browser.one("h1").text in {"This does not work", "Sign in"}
    assert not client.has_answer()


def test_a_clients_name_is_text_whatever_it_holds(browser: Browser, gateway: str, client: Client) -> None:
    name = "<img src=x onerror=document.title='owned'>"
    asked = {"redirect_uris": [f"http://127.0.0.1:{client.port}/callback"], "client_name": name}
    client_id = httpx.post(f"{gateway}/register", json=asked).json()["client_id"]

    browser.open(re.sub(r"client_id=[^&]+", f"client_id={client_id}", client.link))

    assert name in browser.one("main").text
    assert browser.find("img") == []
    assert browser.title == "Sign in - Media Gateway"
