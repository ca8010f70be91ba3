"""Skills: folders that become resources, and the methods of SEP-2640."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.api import Skill, skill
from mcp_gateway.capability import Definition
from mcp_gateway.skills import read_head
from mcp_gateway.tests.small_gateway import SmallGateway
from mcp_gateway.tests.test_http import Session
from mcp_gateway.tests.wire import listening

MANIFEST = "---\nname: make-tea\ndescription: How to make tea.\nmetadata:\n  author: us\n---\n\nBoil water.\n"
ENVELOPE = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


def folder_of(tmp_path: Path, manifest: str | None = MANIFEST, name: str = "make-tea") -> Path:
    folder = tmp_path / name
    (folder / "kinds" / "green").mkdir(parents=True)
    (folder / "kinds" / "green" / "sencha.md").write_text("70 degrees")
    (folder / "kinds" / "leaf.png").write_bytes(b"\x89PNG\xff")
    (folder / ".DS_Store").write_bytes(b"\0")
    if manifest is not None:
        (folder / "SKILL.md").write_text(manifest)
    return folder


def test_a_skill_is_its_head_and_its_files(tmp_path: Path) -> None:
    tea = skill(folder_of(tmp_path))

    assert (tea.name, tea.description, tea.uri) == ("make-tea", "How to make tea.", "skill://make-tea/SKILL.md")
    assert tea.entry()["frontmatter"]["metadata"] == {"author": "us"}
    assert [resource["uri"] for resource in tea.entry()["resources"]] == [
        "skill://make-tea/SKILL.md",
        "skill://make-tea/kinds/green/sencha.md",
        "skill://make-tea/kinds/leaf.png",
    ]
    assert tea.entry()["resources"][0] == {
        "uri": tea.uri,
        "digest": f"sha256:{sha256(MANIFEST.encode()).hexdigest()}",
        "size": len(MANIFEST),
    }


def test_a_folder_shows_what_stands_directly_in_it(tmp_path: Path) -> None:
    tea = skill(folder_of(tmp_path))

    def kinds(uri: str) -> dict[str, str]:
        return {child["name"]: child["mimeType"] for child in tea.directory(uri) or []}

    assert kinds("skill://make-tea") == {"SKILL.md": "text/markdown", "kinds": "inode/directory"}
    assert kinds("skill://make-tea/kinds/") == {"green": "inode/directory", "leaf.png": "image/png"}
    for no_folder in ("skill://make-tea/SKILL.md", "skill://make-tea/ki", "skill://make", "", "skill://make-tea/../"):
        assert tea.directory(no_folder) is None


@pytest.mark.parametrize(
    ("manifest", "name", "fault"),
    [
        (None, "make-tea", "there is no SKILL.md"),
        ("Boil water.", "make-tea", "head between lines"),
        ("---\n- a\n---\n", "make-tea", "head between lines"),
        ("---\n{]\n---\n", "make-tea", "head between lines"),
        ("---\nname: make-tea\n---\n", "make-tea", "description is missing"),
        (MANIFEST, "other", "its folder"),
        (MANIFEST.replace("make-tea", "Make_Tea"), "Make_Tea", "single hyphens"),
        (MANIFEST.replace("make-tea", "make--tea"), "make--tea", "single hyphens"),
    ],
)
def test_what_is_no_skill_is_named(tmp_path: Path, manifest: str | None, name: str, fault: str) -> None:
    with pytest.raises(Definition, match=fault):
        skill(folder_of(tmp_path, manifest, name))


HEAD_LINES = st.lists(
    st.tuples(
        st.sampled_from(["name", "description", "license", "a-b"]),
        st.text(alphabet="abzABZ019 .,;:!?#()/'\"-{}[]&*|>%@`~", min_size=1)
        | st.sampled_from(["true", "No", "null", "on", "y", "1e5", "2026-01-01", "a: b", "a #b", "it's", "x,", "é"]),
    ),
    unique_by=lambda pair: pair[0],
)


@given(HEAD_LINES)
def test_a_head_is_read_as_yaml_reads_it(pairs: list[tuple[str, str]]) -> None:
    text = "\n".join(f"{key}: {value}" for key, value in pairs)
    try:
        expected = yaml.safe_load(text)
        json.dumps(expected, allow_nan=False)
    except (yaml.YAMLError, ValueError, TypeError):
        expected = None

    assert (read_head(text) or None) == (expected or None)


def gateway(tea: Skill) -> SmallGateway:
    small = SmallGateway()
    small.registry.add("kitchen", [tea])
    return small


@pytest.mark.anyio
async def test_older_clients_read_the_files_as_resources(tmp_path: Path) -> None:
    async with listening(gateway(skill(folder_of(tmp_path)))) as http:
        session = Session(http, "2024-11-05")
        await session.initialize()
        (listed,) = await session.send("resources/list")
        (text,) = await session.send("resources/read", {"uri": "skill://make-tea/SKILL.md"})
        (picture,) = await session.send("resources/read", {"uri": "skill://make-tea/kinds/leaf.png"})
        (unknown,) = await session.send("skills/list")

    found = {resource["uri"]: resource for resource in listed["result"]["resources"]}
    assert found["skill://make-tea/SKILL.md"]["description"] == "How to make tea."
    assert text["result"]["contents"] == [
        {"uri": "skill://make-tea/SKILL.md", "mimeType": "text/markdown", "text": MANIFEST}
    ]
    assert base64.b64decode(picture["result"]["contents"][0]["blob"]) == b"\x89PNG\xff"
    assert unknown["error"]["code"] == -32601


@pytest.mark.anyio
async def test_skills_are_listed_got_and_walked_through(tmp_path: Path) -> None:
    tea = skill(folder_of(tmp_path))
    async with listening(gateway(tea)) as http:
        session = Session(http, "2026-07-28")

        async def ask(method: str, **params: str) -> Any:
            session.headers |= {"mcp-protocol-version": "2026-07-28", "mcp-method": method}
            (answer,) = await session.send(method, {**params, "_meta": ENVELOPE})
            return answer

        listed = await ask("skills/list")
        one = await ask("skills/get", uri=tea.uri)
        inside = await ask("resources/directory/read", uri="skill://make-tea/kinds")
        discovered = await ask("server/discover")
        wrong = [
            await ask("skills/get", uri="skill://no-such/SKILL.md"),
            await ask("skills/get"),
            await ask("resources/directory/read", uri=tea.uri),
        ]

    assert listed["result"]["skills"] == [tea.entry()]
    assert one["result"]["skill"] == tea.entry()
    assert [child["name"] for child in inside["result"]["resources"]] == ["green", "leaf.png"]
    extensions = discovered["result"]["capabilities"]["extensions"]
    assert extensions["io.modelcontextprotocol/skills"] == {"directoryRead": True}
    assert {answer["error"]["code"] for answer in wrong} == {-32602}
