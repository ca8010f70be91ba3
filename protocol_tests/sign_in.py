"""A served gateway at which people sign in, and a browser without a window that goes through its pages."""

from __future__ import annotations

import html
import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx

from protocol_tests.gateways import HttpGateway, http_gateway, run

NAME = "Ada"
PASSWORD = "correct horse battery"


@contextmanager
def signing_in_gateway(data_dir: Path, **settings: str) -> Iterator[HttpGateway]:
    """Serve a gateway that Ada can sign in at.

    Args:
        settings: Of the auth plugin, in capitals.
    """
    more = {f"MEDIA_GATEWAY_PLUGINS__AUTH__{name}": value for name, value in settings.items()}
    added = run("user", "add", NAME, data_dir=data_dir, given=f"{PASSWORD}\n", **more)
    assert added.returncode == 0, added.stderr
    more["MEDIA_GATEWAY_PLUGINS__AUTH__ENABLED"] = "true"
    # The address stands in every token, so it is known before the start.
    with http_gateway(data_dir, ["--port", str(free_port())], **more) as gateway:
        yield gateway


def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


def allow(url: str) -> str:
    """Sign in where a client sends a person, and let it in; where the browser is sent then."""
    with httpx.Client() as http:
        page = http.get(url)
        done = http.post(page.url, data=_form(page, action="sign-in", name=NAME, password=PASSWORD))
        page = http.get(done.headers["location"])
        return str(http.post(page.url, data=_form(page, action="allow")).headers["location"])


def _form(page: httpx.Response, **fields: str) -> dict[str, str]:
    found = re.search(r'name="form_token" value="([^"]*)"', page.text)
    assert found, page.text
    return {"form_token": html.unescape(found[1]), **fields}
