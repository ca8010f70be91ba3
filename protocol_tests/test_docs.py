"""The documents say what is true: links lead somewhere, and nothing is missing from the reference."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import typer
from mcp_gateway_ingestion import jsonl
from mcp_gateway_ingestion.pipeline import IngestReport

from mcp_gateway import errors, hookspecs
from mcp_gateway.cli.app import command_line
from mcp_gateway.config import load
from mcp_gateway.contributions import Registered, RegisteredPrompt
from mcp_gateway.gateway import Gateway
from mcp_gateway.plugin_discovery import discover
from mcp_gateway.plugin_manager import read_declarations
from mcp_gateway.settings import setting_paths
from protocol_tests.documents import DOCS, PAGES, anchors, blocks, links, shown, without_blocks
from protocol_tests.gateways import ROOT
from scripts import reference

pytestmark = pytest.mark.anyio

REFERENCE = DOCS / "reference"
BUILT_IN = sorted(path.parent for path in (ROOT / "plugins").glob("*/plugin.py"))

# What a page may not name: places on the machine it was written on.
_MACHINE = re.compile(r"(?<![\w.…])/(?:work|tmp|root|home|Users|private|var)/\w")


# The reference


@pytest.fixture(scope="module")
async def offered(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Registered], list[RegisteredPrompt]]:
    """All that the built-in plugins register."""
    overrides: dict[str, dict[str, Any]] = {
        "gateway": {"data_dir": tmp_path_factory.mktemp("offered")},
        "plugins": {"ingestion": {"starter": False}},
    }
    plugins = [plugin for plugin in discover(None) if plugin.origin == reference.BUILT_IN]
    async with Gateway(load(overrides=overrides, environ={}), plugins=plugins).running() as gateway:
        assert not [plugin.reason for plugin in gateway.plugins if plugin.reason]
        return gateway.registry.capabilities(), gateway.registry.prompts()


async def test_the_generated_pages_are_current() -> None:
    for name, text in (await reference.pages()).items():
        assert (REFERENCE / name).read_text("utf-8") == text, f"{name} is out of date: run scripts/reference.py"


def headings(name: str) -> set[str]:
    """What the headings of a reference page name."""
    page = without_blocks(REFERENCE / name)
    return set(re.findall(r"^##+ `(.+)`$", page, re.MULTILINE))


async def test_every_tool_route_resource_and_prompt_is_in_the_reference(offered: Any) -> None:
    registered, prompts = offered
    resources = (REFERENCE / "resources.md").read_text("utf-8")
    capabilities = [r.capability for r in registered]

    assert headings("tools.md") == {c.name for c in capabilities if c.tool}
    assert headings("http.md") == {f"{c.rest.method} {c.rest.path}" for c in capabilities if c.rest}
    assert set(re.findall(r"^\| `(\S+://\S+)` ", resources, re.MULTILINE)) == {c.uri for c in capabilities if c.uri}
    for prompt in prompts:
        assert f"| `{prompt.prompt.name}` |" in resources


async def test_every_parameter_of_a_tool_is_in_the_reference(offered: Any) -> None:
    text = (REFERENCE / "tools.md").read_text("utf-8")
    for capability in (r.capability for r in offered[0] if r.capability.tool):
        part = text.split(f"## `{capability.name}`\n")[1].split("\n## ")[0]
        for name in capability.input_schema["properties"]:
            assert f"| `{name}`" in part, f"{capability.name}: {name}"


async def test_every_setting_is_in_the_reference() -> None:
    page = (REFERENCE / "settings.md").read_text("utf-8")
    known = [(section, key) for section, key in setting_paths()]
    for name, declared in read_declarations(p for p in discover(None) if p.origin == reference.BUILT_IN).items():
        known += [(f"plugins.{name}", key) for key in declared.settings.model_fields] if declared.settings else []

    assert len(known) > 30
    for section_name, key in known:
        part = page.split(f"## `[{section_name}]`\n")[1].split("\n## ")[0]
        assert f"| `{key}` |" in part, f"{section_name}.{key}"


def test_every_hook_error_and_command_is_in_the_reference() -> None:
    hooks = {name for name, function in vars(hookspecs).items() if hasattr(function, "mcp_gateway_spec")}
    page = (REFERENCE / "errors.md").read_text("utf-8")

    assert headings("hooks.md") == hooks
    assert headings("commands.md") == set(commands("media-gateway", typer.main.get_command(command_line())))
    for name, cls in vars(errors).items():
        if (
            isinstance(cls, type)
            and issubclass(cls, errors.GatewayError | errors.StartupError)
            and name != "GatewayError"
        ):
            assert f"| `{name}` |" in page


def commands(name: str, command: Any) -> Iterator[str]:
    if not hasattr(command, "commands"):
        yield name
        return
    for inner, found in command.commands.items():
        yield from commands(f"{name} {inner}", found)


@pytest.mark.parametrize("folder", BUILT_IN, ids=shown)
async def test_the_readme_of_a_plugin_names_its_tools_and_settings(folder: Path, offered: Any) -> None:
    readme = (folder / "README.md").read_text("utf-8")
    name = folder.name.removeprefix("mcp_gateway_")
    tools = {r.capability.name for r in offered[0] if r.plugin == name and r.capability.tool}
    rows = re.findall(r"^\| (?:tool )?`(\w+)`", readme.split("\n## ")[0], re.MULTILINE)
    declared = read_declarations(p for p in discover(None) if p.name == name)[name].settings

    assert set(rows) - set(declared.model_fields if declared else ()) == tools
    for key in declared.model_fields if declared else ():
        assert f"| `{key}` |" in readme, key


# Words and links


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: no such page"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_pages_name_no_place_of_the_machine_they_were_written_on(page: Path) -> None:
    assert not _MACHINE.findall(page.read_text("utf-8").replace("/path/to/", ""))


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_json_blocks_are_json(page: Path) -> None:
    for block in blocks(page, "json"):
        json.loads(block.text)


def test_the_index_leads_to_every_page() -> None:
    reached = {(DOCS / link).resolve() for link in links(DOCS / "index.md")}

    assert reached == {path for path in DOCS.rglob("*.md") if path.name != "index.md"}


def test_the_changelog_has_what_is_not_released() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")

    assert re.search(r"^## Unreleased\n\n### \w+\n\n- \w", text, re.MULTILINE)


# The jsonl format


def test_the_jsonl_page_has_every_field_and_no_other() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", section(REFERENCE / "jsonl.md", "Fields"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}

    assert named == set(get_type_hints(jsonl._Line))


def test_the_jsonl_page_has_every_member_of_the_report() -> None:
    report = IngestReport("jsonl", "films.jsonl").as_json()

    assert set(re.findall(r"`(\w+)`", section(REFERENCE / "jsonl.md", "The report"))) >= report.keys()


def section(page: Path, heading: str) -> str:
    """The text below a heading."""
    return without_blocks(page).split(f"## {heading}\n")[1].split("\n## ")[0]
