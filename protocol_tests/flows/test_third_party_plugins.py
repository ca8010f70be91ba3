"""Plugins of others: what works is used through every face, what is broken harms nobody."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client, StdioServerParameters
from mcp_types import PromptReference, ResourceTemplateReference

from protocol_tests.gateways import COMMAND, ROOT, environment, http_gateway, run

pytestmark = pytest.mark.anyio

WORKING = ROOT / "fixtures" / "plugins"
BROKEN = ROOT / "fixtures" / "broken_plugins"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packaged plugin installed in it."""
    folder = tmp_path_factory.mktemp("site")
    install = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation"]
    source = tmp_path_factory.mktemp("source") / "plugin"
    subprocess.run(["cp", "-r", str(ROOT / "fixtures" / "installed_plugin"), str(source)], check=True)
    subprocess.run([sys.executable, "-m", "pip", *install, "--target", str(folder), str(source)], check=True)
    return folder


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, site: Path) -> Iterator[str]:
    data_dir = tmp_path_factory.mktemp("gateway")
    with http_gateway(data_dir, ["--plugins-dir", str(WORKING)], PYTHONPATH=str(site)) as gateway:
        yield gateway.url


async def test_a_file_in_the_plugins_folder_adds_to_every_face(url: str) -> None:
    async with Client(f"{url}/mcp") as client:
        added = await client.call_tool("add_to_watchlist", {"owner": "ada", "title": "Dune"})
        read = await client.read_resource("watchlist://ada")
        completed = await client.complete(
            ResourceTemplateReference(type="ref/resource", uri="watchlist://{owner}"), {"name": "owner", "value": "a"}
        )
        prompt = await client.get_prompt("plan_evening", {"owner": "ada"})
        owners = await client.complete(
            PromptReference(type="ref/prompt", name="plan_evening"), {"name": "owner", "value": "a"}
        )
    rest = httpx.get(f"{url}/api/v1/watchlists/ada")
    posted = httpx.post(f"{url}/api/v1/watchlists", json={"owner": "bob", "title": "Ran"})

    expected = {"owner": "ada", "titles": ["Dune"]}
    assert added.structured_content == expected
    assert json.loads(getattr(read.contents[0], "text")) == expected
    assert completed.completion.values == owners.completion.values == ["ada"]
    assert "watchlist of ada: Dune" in getattr(prompt.messages[0].content, "text")
    assert rest.json() == expected
    assert posted.json() == {"owner": "bob", "titles": ["Ran"]}
    assert httpx.get(f"{url}/letters", params={"text": "four"}).text == "4"


async def test_an_installed_package_adds_to_every_face(url: str) -> None:
    async with Client(f"{url}/mcp") as client:
        await client.call_tool("rate_title", {"title_id": "tt0468569", "stars": 5})
        too_many = await client.call_tool("rate_title", {"title_id": "tt0468569", "stars": 6})
        templates = (await client.list_resource_templates()).resource_templates
        prompt = await client.get_prompt("discuss_rating", {"title_id": "tt0468569"})

    assert too_many.is_error
    assert "ratings://{title_id}" in {template.uri_template for template in templates}
    assert "its 5 stars" in getattr(prompt.messages[0].content, "text")
    assert httpx.get(f"{url}/api/v1/ratings/tt0468569").json() == {"title_id": "tt0468569", "stars": 5}
    assert httpx.get(f"{url}/api/v1/ratings/nope").status_code == 404


def test_broken_plugins_are_set_aside_with_their_reasons(tmp_path: Path) -> None:
    done = run(
        "plugin", "list", "--json", "--plugins-dir", str(BROKEN),
        data_dir=tmp_path, MEDIA_GATEWAY_GATEWAY__STARTUP_SECONDS="2",
    )  # fmt: skip
    rows: dict[str, Any] = {row["name"]: row for row in json.loads(done.stdout.splitlines()[-1])}

    assert done.returncode == 0, done.stderr
    assert {name: rows[name]["state"] for name in ("search", "ingestion", "prints_to_stdout")} == {
        "search": "running", "ingestion": "running", "prints_to_stdout": "running",
    }  # fmt: skip
    reasons = {name: row["reason"] for name, row in rows.items() if row["state"] == "quarantined"}
    assert reasons == {
        "exits_on_import": "SystemExit: 3",
        "hangs_at_start": "did not start within 2 seconds (startup_seconds)",
        "hangs_on_import": "the import did not end in time (startup_seconds)",
        "raises_on_import": "RuntimeError: no such database driver",
        "takes_a_name": "search_titles: the name 'search_titles' is taken by plugin 'search'",
        "unknown_argument": reasons["unknown_argument"],
        "unknown_hook": "there is no hook 'register_setings'; did you mean 'register_settings'?",
    }
    assert "servics" in reasons["unknown_argument"]


def test_strict_plugins_stops_the_start(tmp_path: Path) -> None:
    done = run(
        "plugin", "list", "--plugins-dir", str(BROKEN),
        data_dir=tmp_path, MEDIA_GATEWAY_GATEWAY__STRICT_PLUGINS="true", MEDIA_GATEWAY_GATEWAY__STARTUP_SECONDS="2",
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("media-gateway: plugin 'exits_on_import': SystemExit: 3")
    assert "Traceback" not in done.stderr.splitlines()[-1]


async def test_beside_broken_plugins_the_rest_works_and_stdout_stays_clean(tmp_path: Path) -> None:
    """Checklist C02: a plugin prints while it is imported, at its start and in its tool."""
    arguments = ["serve", "--data-dir", str(tmp_path), "--plugins-dir", str(BROKEN)]
    variables = environment(MEDIA_GATEWAY_GATEWAY__STARTUP_SECONDS="2")

    async with Client(StdioServerParameters(command=COMMAND, args=arguments, env=variables), mode="legacy") as client:
        loud = await client.call_tool("talk_loudly", {})
        found = await client.call_tool("search_titles", {"query": "the dark knight"})
        plugins = await client.read_resource("gateway://plugins")

    assert getattr(loud.content[0], "text") == "quiet"
    assert found.structured_content is not None
    assert found.structured_content["items"][0]["id"] == "tt0468569"
    states = {p["name"]: p["state"] for p in json.loads(getattr(plugins.contents[0], "text"))["plugins"]}
    assert states["takes_a_name"] == "quarantined"
    assert states["search"] == "running"


def test_every_line_on_stdout_is_a_message(tmp_path: Path) -> None:
    """Checklist C01, C02, with a plugin that prints by every means."""
    ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
    done = subprocess.run(
        [COMMAND, "serve", "--data-dir", str(tmp_path), "--plugins-dir", str(BROKEN)],
        env=environment(MEDIA_GATEWAY_GATEWAY__STARTUP_SECONDS="1"),
        input=ping, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"jsonrpc": "2.0", "id": 1, "result": {}}]
    assert "does not belong into the protocol" in done.stderr
